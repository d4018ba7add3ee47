//! The task type `load`: requests at a rate, or real traffic filled up to a target.

use std::sync::Arc;
use std::time::Duration;

use canary_api::GoDuration;
use canary_load::{Arrivals, Flow, Limits, Plan, Prepared, Profile, Target, TopUpSettings};
use canary_scenario::arm_address;
use http::StatusCode;
use jiff::Timestamp;

use crate::access::Caller;
use crate::answers::{Reply, text};
use crate::beside::{Beside, opened};
use crate::canaries::{Canaries, Watched, interval, weight};
use crate::hey::arm_of;
use crate::payload::Payload;
use crate::primary::PrimaryLimits;
use crate::query::as_number;
use crate::real_traffic::Source;
use crate::resume::Kept;
use crate::run_load::{Begun, Order, origin, targets_for};
use crate::runs::Record;
use crate::scenarios;
use crate::state::State;

/// How often it is looked at how much of the traffic the canary has.
const WEIGHT: Duration = Duration::from_secs(1);

/// Without a new call for so long load ends, or for two intervals of the analysis, unless `lease` says otherwise.
const LEASE: Duration = Duration::from_secs(90);
const KNOWN: [&str; 20] = [
    "type",
    "url",
    "of",
    "method",
    "body",
    "target",
    "mode",
    "max",
    "connections",
    "timeout",
    "arrivals",
    "lease",
    "prometheus",
    "pods",
    "metrics",
    "query",
    "scrape",
    "rise",
    "duration",
    "primary-limits",
];

/// What the metadata ask for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) url: String,
    pub(crate) plan: Plan,
    lease: Option<Duration>,
    /// Both arms are asked, each with its part of the traffic.
    pub(crate) follows_weight: bool,
    pub(crate) primary: Option<PrimaryLimits>,
    pub(crate) top_up: Option<(TopUpSettings, Source)>,
}

/// Starts the load, or renews it when it is there already. `resumed`: the run of a process before this one, and when it began.
///
/// # Errors
/// The answer to whoever may not, or asks for what cannot be.
pub(crate) async fn start(
    state: &Arc<State>,
    caller: &Caller,
    payload: &Payload,
    resumed: Option<(String, Timestamp)>,
) -> Result<Begun, Box<Reply>> {
    if payload.metadata.contains_key("scenario") {
        return scenarios::start(state, caller, payload, resumed).await;
    }
    let refuse = |status: StatusCode| move |why: String| Box::new(text(status, why));
    let wanted = Wanted::of(payload, state.max_connections, state.max_rate)
        .map_err(refuse(StatusCode::BAD_REQUEST))?;
    let Wanted { url, mut plan, lease, follows_weight, primary, top_up } = wanted;
    let mut named: Vec<String> = plan.targets.iter().map(|target| target.host().to_owned()).collect();
    named.extend(top_up.iter().flat_map(|(_, source)| source.hosts()));
    let hosts: Vec<&str> = named.iter().map(String::as_str).collect();
    let targets = Arc::new(targets_for(state, caller, payload, &hosts));
    named.iter().try_for_each(|host| targets.permit_host(host)).map_err(refuse(StatusCode::FORBIDDEN))?;
    plan.addresses = targets.clone();
    let opened = |top_up| opened(top_up, targets, state.canaries.client(), &payload.namespace);
    let top_up = top_up.map(opened).transpose().map_err(refuse(StatusCode::FORBIDDEN))?;
    let beside = Beside { top_up, primary };
    let lease = lease.or_else(|| usual_lease(state, caller, payload, plan.duration.is_some()));
    // Another revision is other load, which takes the place of this one.
    let beginning = format!("{} load {url}\n", payload.canary());
    let identity = format!("{beginning}{}", payload.checksum);
    state.queue.stop_others(&beginning, &identity);
    let (id, first) = origin(resumed);
    let kept = Some(Kept::of(caller, payload, first));
    let order = Order { identity, id, first, name: url, plan, lease, kept };
    let (canaries, canary) = (state.canaries.clone(), (payload.namespace.clone(), payload.name.clone()));
    order.start(state, payload, move |record| async move {
        let weighing = async {
            if follows_weight {
                follow_weight(&canaries, &canary.0, &canary.1, &record, |share| vec![share, 1.0 - share])
                    .await;
            }
        };
        tokio::join!(weighing, beside.attend(&record));
    })
}

/// Long enough that a rollout that goes on renews it. Whoever says how long it takes and has no canary needs none.
pub(crate) fn usual_lease(
    state: &State,
    caller: &Caller,
    payload: &Payload,
    is_limited: bool,
) -> Option<Duration> {
    let interval = match (caller, state.canaries.watched(&payload.namespace, &payload.name)) {
        (Caller::Bound(canary), _) => interval(canary),
        (_, Watched::Canary(canary)) => interval(&canary),
        (_, Watched::Gone | Watched::Unknown) => None,
    };
    let is_hook = payload.phase == "Progressing" || !is_limited;
    is_hook.then(|| interval.map_or(LEASE, |interval| LEASE.max(interval * 2)))
}

/// Keeps the arms' parts of the load like those of the traffic. `weights`: of the flows, when the canary has that share.
pub(crate) async fn follow_weight(
    canaries: &Canaries,
    namespace: &str,
    name: &str,
    record: &Record,
    weights: impl Fn(f64) -> Vec<f64>,
) {
    let mut clock = tokio::time::interval(WEIGHT);
    let mut last = None;
    loop {
        clock.tick().await;
        let Ok(Some(canary)) = canaries.look(namespace, name).await else { continue };
        let now = weight(&canary);
        if now != last
            && let Some(weight) = now
        {
            record.handle().set_weights(&weights(weight));
            last = now;
        }
    }
}

impl Wanted {
    pub(crate) fn of(payload: &Payload, max_connections: usize, max_rate: f64) -> Result<Self, String> {
        if let Some(unknown) = payload.metadata.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(format!("{unknown:?} is not known; known are {}", KNOWN.join(", ")));
        }
        let url = payload.get("url").filter(|url| !url.is_empty()).ok_or("url is required")?.to_owned();
        let of = payload.get("of").unwrap_or("service");
        let arm = |arm: &str| arm_address(&url, arm).map_err(|why| format!("url: {why}"));
        let urls = match of {
            "service" => vec![url.clone()],
            "canary" => vec![arm("canary")?],
            "each" => vec![arm("canary")?, arm("primary")?],
            other => return Err(format!("of is {other:?}; known are service, canary and each")),
        };
        let (mut targets, mut flows) = (Vec::new(), Vec::new());
        for (index, url) in urls.iter().enumerate() {
            let target: Target = url.parse().map_err(|error| format!("url: {error}"))?;
            flows.push(flow(payload, url, &target, index)?.with_weight(1.0 / as_number(urls.len() as u64)));
            targets.push(target);
        }
        let rate = rate("target", payload.get("target").ok_or("target is required, such as 100/s")?)?;
        let max = payload.get("max").map_or(Ok(rate), |max| self::rate("max", max))?.min(max_rate);
        let top_up = match payload.get("mode").unwrap_or("constant") {
            "constant" => None,
            "top-up" => {
                let source = Source::of(payload)?;
                let mut settings = TopUpSettings::new(rate, source.scrape);
                settings.max = max;
                if let Some(rise) = payload.get("rise") {
                    let percent = rise.strip_suffix('%').and_then(|rise| rise.parse::<f64>().ok());
                    let percent = percent.filter(|percent| *percent > 0.0);
                    settings.rise =
                        percent.ok_or("rise takes percent of the target per second, such as 3%")? / 100.0;
                }
                Some((settings, source))
            }
            other => return Err(format!("mode is {other:?}; known are constant and top-up")),
        };
        let arrivals = match payload.get("arrivals").unwrap_or("poisson") {
            "poisson" => Arrivals::Poisson { seed: uuid::Uuid::new_v4().as_u64_pair().0 },
            "even" => Arrivals::Even,
            other => return Err(format!("arrivals is {other:?}; known are poisson and even")),
        };
        let connections = match payload.get("connections").map(str::parse::<usize>) {
            None => Limits::default().connections,
            Some(Ok(connections)) if connections > 0 => connections,
            Some(_) => return Err("connections takes a number of at least 1".to_owned()),
        };
        // Filling up begins with nothing: the law says how much.
        let begin = if top_up.is_some() { 0.0 } else { rate.min(max) };
        let mut plan = Plan::new(targets, flows).open(Profile::constant(begin), arrivals);
        plan.limits = Limits {
            connections: connections.min(max_connections),
            timeout: duration(payload, "timeout")?.unwrap_or(Duration::from_secs(5)),
            ..Limits::default()
        };
        plan.duration = duration(payload, "duration")?;
        plan.check().map_err(|error| error.to_string())?;
        let lease = duration(payload, "lease")?;
        let primary = PrimaryLimits::of(payload, &plan)?;
        let name = if of == "service" { url } else { format!("{url} ({of})") };
        Ok(Self { url: name, plan, lease, follows_weight: of == "each", primary, top_up })
    }
}

/// The request of one arm, or of the service.
fn flow(payload: &Payload, url: &str, target: &Target, index: usize) -> Result<Flow, String> {
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let method = payload.get("method").unwrap_or("GET");
    let agent = concat!("canary-loadtester/", env!("CARGO_PKG_VERSION"));
    let headers =
        [("user-agent".to_owned(), agent.to_owned()), ("x-canary-load".to_owned(), payload.canary())];
    let body = payload.get("body").unwrap_or_default().to_owned();
    let request = Prepared::new(target, method, path, &headers, body).map_err(|error| error.to_string())?;
    let arm = arm_of(target.host());
    let flow = Flow::request(arm.unwrap_or("load"), index, request);
    Ok(match arm {
        Some(arm) => flow.in_arm(arm),
        None => flow,
    })
}

/// Requests per second, such as `100/s` or `600/m`.
fn rate(key: &str, text: &str) -> Result<f64, String> {
    let rate = canary_scenario::rate(text).map_err(|why| format!("{key}: {why}"))?;
    (rate > 0.0).then_some(rate).ok_or_else(|| format!("{key}: {text:?} is no load; it takes a rate above 0"))
}

pub(crate) fn duration(payload: &Payload, key: &str) -> Result<Option<Duration>, String> {
    let parsed = payload.get(key).map(|text| text.parse::<GoDuration>().map(GoDuration::to_std));
    match parsed {
        None => Ok(None),
        Some(Ok(duration)) if !duration.is_zero() => Ok(Some(duration)),
        Some(_) => Err(format!("{key} takes a duration such as 30s")),
    }
}

#[cfg(test)]
mod tests {
    use canary_load::{Pace, Work};

    use super::*;

    fn wanted(pairs: &[(&str, &str)]) -> Result<Wanted, String> {
        let mut payload = Payload { name: "podinfo".into(), namespace: "test".into(), ..Payload::default() };
        let all = [("type", "load"), ("url", "http://podinfo-canary.test:9898/a?b=c"), ("target", "100/s")];
        for (key, value) in all.iter().chain(pairs) {
            payload.metadata.insert((*key).into(), (*value).into());
        }
        Wanted::of(&payload, 10, 50.0)
    }

    #[test]
    fn constant_load_keeps_within_the_ceilings() {
        let wanted = wanted(&[("connections", "99")]).unwrap();
        assert_eq!(wanted.plan.limits.connections, 10);
        assert!(matches!(wanted.plan.pace, Pace::Open { profile, .. } if profile == Profile::constant(50.0)));
        assert_eq!(wanted.plan.flows[0].arm.as_deref(), Some("canary"));
        assert_eq!(wanted.lease, None);
    }

    #[test]
    fn filling_up_needs_to_know_where_real_requests_are_counted() {
        let error = wanted(&[("mode", "top-up")]).unwrap_err();
        assert!(error.contains("prometheus"), "{error}");
        let wanted = wanted(&[
            ("mode", "top-up"),
            ("prometheus", "http://prometheus:9090"),
            ("query", "http_requests_total"),
            ("scrape", "5s"),
            ("rise", "10%"),
        ]);
        let (settings, source) = wanted.unwrap().top_up.unwrap();
        assert_eq!((settings.target, settings.max, settings.rise), (100.0, 50.0, 0.1));
        assert_eq!(source.hosts(), ["prometheus"]);
    }

    #[test]
    fn load_goes_through_the_service_or_straight_to_the_arms() {
        let arms = |of: &str| -> Vec<(String, Option<String>)> {
            let plan = wanted(&[("url", "http://podinfo.test:9898/a?b"), ("of", of)]).unwrap().plan;
            let host = |flow: &Flow| match &flow.work {
                Work::Request { target, .. } => plan.targets[*target].host().to_owned(),
                Work::Script(_) => String::new(),
            };
            plan.flows.iter().map(|flow| (host(flow), flow.arm.clone())).collect()
        };
        let (canary, primary) = (Some("canary".to_owned()), Some("primary".to_owned()));
        assert_eq!(arms("service"), [("podinfo.test".into(), None)]);
        assert_eq!(arms("canary"), [("podinfo-canary.test".into(), canary.clone())]);
        assert_eq!(
            arms("each"),
            [("podinfo-canary.test".into(), canary), ("podinfo-primary.test".into(), primary)]
        );
        let error = wanted(&[("url", "http://10.1.2.3/"), ("of", "each")]).unwrap_err();
        assert!(error.contains("it takes a Service"), "{error}");
        assert!(wanted(&[("of", "both")]).unwrap_err().contains("service, canary and each"));
    }

    #[test]
    fn what_is_malformed_is_named_with_what_would_be_right() {
        for (pair, why) in [
            (("target", "fast"), "target: \"fast\" is no rate"),
            (("target", "0"), "a rate above 0"),
            (("target", "100/d"), "target: \"100/d\" is no rate"),
            (("mode", "slow"), "known are constant and top-up"),
            (("arrivals", "odd"), "known are poisson and even"),
            (("timeout", "5"), "timeout takes a duration"),
            (("connections", "0"), "connections"),
            (("url", "podinfo"), "url: "),
            (("tarfet", "1/s"), "\"tarfet\" is not known"),
        ] {
            let error = wanted(&[pair]).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn rates_are_per_second_or_minute() {
        assert_eq!(rate("target", "120/m"), Ok(2.0));
        assert_eq!(rate("target", "3"), Ok(3.0));
    }
}
