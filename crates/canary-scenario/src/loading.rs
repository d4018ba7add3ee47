//! How much load: from the texts of `load` to the engine's plan.

use std::time::Duration;

use canary_load::{Arrivals, Limits, Profile, Protocol, Stage, TopUpSettings};

use crate::quantity::{length, rate, share};
use crate::spec::{ArrivalsSpec, LoadSpec, Mode, ProtocolSpec};

/// After that long a request counts as failed.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often Prometheus scrapes when nothing else is said.
const SCRAPE: Duration = Duration::from_secs(15);
/// How often the pages of pods are read when nothing else is said.
const PAGES: Duration = Duration::from_secs(5);
/// Requests at a time on a connection of HTTP/2.
const STREAMS: usize = 10;

/// Real traffic that is filled up.
#[derive(Clone, Debug, PartialEq)]
pub struct TopUpPlan {
    /// What the law aims at.
    pub settings: TopUpSettings,
    /// Address of the Prometheus server, if that is asked.
    pub prometheus: Option<String>,
    /// Labels of the pods or addresses of their pages, if those are read.
    pub pods: Option<String>,
    /// Port and path of the pages of pods.
    pub metrics: Option<String>,
    /// Selector of the pods' request counters.
    pub query: String,
    /// How often Prometheus scrapes, or pages are read.
    pub scrape: Duration,
}

/// What `load` comes to.
#[derive(Clone, Debug)]
pub(crate) struct Loading {
    pub(crate) profile: Profile,
    pub(crate) arrivals: Arrivals,
    pub(crate) duration: Option<Duration>,
    pub(crate) limits: Limits,
    pub(crate) protocol: Protocol,
    pub(crate) top_up: Option<TopUpPlan>,
    /// The highest rate that it asks for.
    pub(crate) most: f64,
}

/// Reads `load`, whose texts `fill` fills in; rates are never above `ceiling`.
///
/// # Errors
/// The field within `load`, and what is wrong with it.
pub(crate) fn loading(
    load: &LoadSpec,
    seed: u64,
    ceiling: Option<f64>,
    mut fill: impl FnMut(&str, &str) -> Result<String, String>,
) -> Result<Loading, Vec<(String, String)>> {
    let mut mistakes = Vec::new();
    let mut get = |field: &str, text: Option<&String>, read: &dyn Fn(&str) -> Result<f64, String>| {
        let text = text?;
        match fill(field, text).and_then(|text| read(&text)) {
            Ok(value) => Some(value),
            Err(why) => {
                mistakes.push((field.to_owned(), why));
                None
            }
        }
    };
    let seconds = |text: &str| length(text).map(|length| length.as_secs_f64());
    let target = get("target", load.target.as_ref(), &rate);
    let max = get("max", load.max.as_ref(), &rate);
    let from = get("from", load.from.as_ref(), &rate);
    let over = get("over", load.over.as_ref(), &seconds).map(Duration::from_secs_f64);
    let duration = get("duration", load.duration.as_ref(), &seconds).map(Duration::from_secs_f64);
    let timeout = get("timeout", load.timeout.as_ref(), &seconds).map(Duration::from_secs_f64);
    let mut stages = Vec::new();
    for (n, stage) in load.stages.iter().enumerate() {
        let to = get(&format!("stages[{n}].target"), Some(&stage.target), &rate);
        let length = get(&format!("stages[{n}].for"), Some(&stage.r#for), &seconds);
        if let (Some(to), Some(length)) = (to, length) {
            stages.push(Stage { length: Duration::from_secs_f64(length), to });
        }
    }
    let real = load.real.as_ref();
    let scrape =
        get("real.scrape", real.and_then(|real| real.scrape.as_ref()), &seconds).map(Duration::from_secs_f64);
    let rise = get("real.rise", real.and_then(|real| real.rise.as_ref()), &share);
    mistakes.extend(contradictions(load, timeout));
    mistakes.extend(nothing(load, target, from, max, &stages));
    let mut filled = |field: &str, text: Option<&String>| match fill(&format!("real.{field}"), text?) {
        Ok(text) => Some(text),
        Err(why) => {
            mistakes.push((format!("real.{field}"), why));
            None
        }
    };
    let prometheus = filled("prometheus", real.and_then(|real| real.prometheus.as_ref()));
    let pods = filled("pods", real.and_then(|real| real.pods.as_ref()));
    let metrics = filled("metrics", real.and_then(|real| real.metrics.as_ref()));
    let query = filled("query", real.map(|real| &real.query)).unwrap_or_default();

    if !mistakes.is_empty() {
        return Err(mistakes);
    }

    let most = |rate: f64| [max, ceiling].into_iter().flatten().fold(rate, f64::min);
    let (target, from) = (target.unwrap_or_default(), most(from.unwrap_or_default()));
    for stage in &mut stages {
        stage.to = most(stage.to);
    }
    let highest = stages.iter().map(|stage| stage.to).fold(from.max(most(target)), f64::max);
    let all_stages: Duration = stages.iter().map(|stage| stage.length).sum();
    let scrape = scrape.unwrap_or(if pods.is_some() { PAGES } else { SCRAPE });
    let top_up = (load.mode == Mode::TopUp).then(|| {
        let mut settings = TopUpSettings::new(target, scrape);
        settings.max = most(target);
        if let Some(rise) = rise {
            settings.rise = rise;
        }
        TopUpPlan { settings, prometheus, pods, metrics, query, scrape }
    });
    let (profile, own_end) = match load.mode {
        Mode::Constant => (Profile::constant(most(target)), None),
        Mode::Ramp => (Profile::ramp(from, most(target), over.unwrap_or_default()), over),
        Mode::Stages => (Profile::stages(from, stages), Some(all_stages)),
        // Filling up begins with nothing: the law says how much.
        Mode::TopUp => (Profile::constant(0.0), None),
    };
    Ok(Loading {
        profile,
        arrivals: match load.arrivals {
            ArrivalsSpec::Poisson => Arrivals::Poisson { seed },
            ArrivalsSpec::Even => Arrivals::Even,
        },
        duration: duration.or(own_end),
        limits: Limits {
            connections: load.connections.unwrap_or(Limits::default().connections),
            timeout: timeout.unwrap_or(TIMEOUT),
            churn: load.churn.unwrap_or_default(),
            ..Limits::default()
        },
        protocol: match load.protocol.unwrap_or_default() {
            ProtocolSpec::Http1 => Protocol::Http1,
            ProtocolSpec::Http2 => Protocol::Http2 { streams: load.streams.unwrap_or(STREAMS).max(1) },
        },
        top_up,
        most: highest,
    })
}

/// Rates at which nothing is sent.
fn nothing(
    load: &LoadSpec,
    target: Option<f64>,
    from: Option<f64>,
    max: Option<f64>,
    stages: &[Stage],
) -> Vec<(String, String)> {
    let begins_at_0 = load.from.is_none() || from == Some(0.0);
    // Those that could not be read are not known to be 0.
    let is_read = !stages.is_empty() && stages.len() == load.stages.len();
    let is_nothing = match load.mode {
        Mode::Constant | Mode::TopUp => target == Some(0.0),
        Mode::Ramp => target == Some(0.0) && begins_at_0,
        Mode::Stages => is_read && begins_at_0 && stages.iter().all(|stage| stage.to <= 0.0),
    };
    let field = if load.mode == Mode::Stages { "stages" } else { "target" };
    let all = [(is_nothing, field), (max == Some(0.0), "max")].into_iter().filter(|(is_so, _)| *is_so);
    let why = "it sends nothing; it takes a rate above 0, such as 20/s";
    all.map(|(_, field)| (field.to_owned(), why.to_owned())).collect()
}

/// What does not go together.
fn contradictions(load: &LoadSpec, timeout: Option<Duration>) -> Vec<(String, String)> {
    let mut mistakes = Vec::new();
    let mut wrong = |field: &str, why: &str| mistakes.push((field.to_owned(), why.to_owned()));
    if load.mode != Mode::Stages && load.target.is_none() {
        wrong("target", "it is missing; it takes a rate such as 200/s");
    }
    if load.mode == Mode::Ramp && load.over.is_none() {
        wrong("over", "a ramp needs it; it takes a length of time such as 5m");
    }
    if load.mode == Mode::Stages && load.stages.is_empty() {
        wrong("stages", "it is missing; it takes a list such as [{target: 100/s, for: 1m}]");
    }
    if load.mode == Mode::TopUp && load.real.is_none() {
        wrong(
            "real",
            "filling up needs to know where real requests are counted: {prometheus: ADDRESS, query: SELECTOR}",
        );
    }
    if let Some(real) = &load.real
        && real.prometheus.is_some() == real.pods.is_some()
    {
        wrong("real", "it takes either prometheus, an address, or pods, labels such as app=podinfo");
    }
    for (is_set, field, modes) in [
        (!load.stages.is_empty(), "stages", [Mode::Stages].as_slice()),
        (load.over.is_some(), "over", &[Mode::Ramp]),
        (load.from.is_some(), "from", &[Mode::Ramp, Mode::Stages]),
        (load.real.is_some(), "real", &[Mode::TopUp]),
    ] {
        if is_set && !modes.contains(&load.mode) {
            wrong(field, "the mode does not use it");
        }
    }
    if load.connections == Some(0) {
        wrong("connections", "it takes a number of at least 1");
    }
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        wrong("timeout", "it takes a length of time above 0");
    }
    mistakes
}
