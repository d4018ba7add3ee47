//! The task type `load`: requests at a rate, or real traffic filled up to a target.

use std::sync::Arc;
use std::time::Duration;

use canary_api::GoDuration;
use canary_load::{Arrivals, Flow, Limits, Plan, Prepared, Profile, Target, TopUpSettings};
use http::StatusCode;

use crate::access::Caller;
use crate::answers::{Reply, text};
use crate::hey::arm_of;
use crate::payload::Payload;
use crate::real_traffic::{Source, fill_up};
use crate::state::State;
use crate::tasks::{run_load, targets_for};

/// Without a new call for so long load ends, unless `lease` says otherwise.
const LEASE: Duration = Duration::from_secs(90);
const KNOWN: [&str; 16] = [
    "type",
    "url",
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
    "query",
    "scrape",
    "rise",
    "duration",
];

/// What the metadata ask for.
#[derive(Debug)]
struct Wanted {
    target: Target,
    url: String,
    plan: Plan,
    lease: Duration,
    top_up: Option<(TopUpSettings, Source)>,
}

/// Starts the load, or renews it when it is there already.
pub(crate) fn start(state: &Arc<State>, caller: &Caller, payload: &Payload) -> Reply {
    let wanted = match Wanted::of(payload, state.max_connections, state.max_rate) {
        Ok(wanted) => wanted,
        Err(why) => return text(StatusCode::BAD_REQUEST, why),
    };
    let mut named = vec![wanted.target.host()];
    named.extend(wanted.top_up.iter().filter_map(|(_, source)| source.host()));
    let targets = targets_for(state, caller, payload, &named);
    if let Some(why) = named.iter().find_map(|host| targets.permit_host(host).err()) {
        return text(StatusCode::FORBIDDEN, why);
    }
    let Wanted { url, mut plan, lease, top_up, .. } = wanted;
    plan.addresses = Arc::new(targets);
    let identity = format!("{} load {url}", payload.canary());
    run_load(state, payload, identity, plan, url, Some(lease), move |record| async move {
        match top_up {
            Some((settings, source)) => fill_up(settings, &source, &record).await,
            None => std::future::pending().await,
        }
    })
}

impl Wanted {
    fn of(payload: &Payload, max_connections: usize, max_rate: f64) -> Result<Self, String> {
        if let Some(unknown) = payload.metadata.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(format!("{unknown:?} is not known; known are {}", KNOWN.join(", ")));
        }
        let url = payload.get("url").filter(|url| !url.is_empty()).ok_or("url is required")?.to_owned();
        let target: Target = url.parse().map_err(|error| format!("url: {error}"))?;
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let method = payload.get("method").unwrap_or("GET");
        let agent = concat!("canary-loadtester/", env!("CARGO_PKG_VERSION"));
        let headers =
            [("user-agent".to_owned(), agent.to_owned()), ("x-canary-load".to_owned(), payload.canary())];
        let body = payload.get("body").unwrap_or_default().to_owned();
        let request =
            Prepared::new(&target, method, path, &headers, body).map_err(|error| error.to_string())?;
        let mut flow = Flow::request("load", 0, request);
        if let Some(arm) = arm_of(target.host()) {
            flow = flow.in_arm(arm);
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
        let mut plan = Plan::new(vec![target.clone()], vec![flow]).open(Profile::constant(begin), arrivals);
        plan.limits = Limits {
            connections: connections.min(max_connections),
            timeout: duration(payload, "timeout")?.unwrap_or(Duration::from_secs(5)),
            ..Limits::default()
        };
        plan.duration = duration(payload, "duration")?;
        plan.check().map_err(|error| error.to_string())?;
        Ok(Self { target, url, plan, lease: duration(payload, "lease")?.unwrap_or(LEASE), top_up })
    }
}

/// Requests per second, such as `100/s` or `600/m`.
fn rate(key: &str, text: &str) -> Result<f64, String> {
    let (number, per) = match text.split_once('/') {
        None | Some((_, "s")) => (text.trim_end_matches("/s"), 1.0),
        Some((number, "m")) => (number, 60.0),
        Some(_) => (text, 1.0),
    };
    let rate = number.trim().parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.map(|rate| rate / per)
        .ok_or_else(|| format!("{key} is {text:?}; it takes a rate such as 100/s or 600/m"))
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
    use canary_load::Pace;

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
        assert_eq!(wanted.lease, LEASE);
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
        assert_eq!(source.host(), Some("prometheus"));
    }

    #[test]
    fn what_is_malformed_is_named_with_what_would_be_right() {
        for (pair, why) in [
            (("target", "fast"), "target is \"fast\""),
            (("target", "100/h"), "target is \"100/h\""),
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
