//! Reads simple `hey` commands, so that the engine runs what hooks written for Flagger ask hey to do.

mod program;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canary_api::GoDuration;
use canary_load::{Arrivals, Flow, Limits, Pace, Plan, Prepared, Profile, Protocol, Target, trusting_tls};

pub(crate) use self::program::missing;
use crate::bounded::Bounded;

/// Streams of one connection: hey's clients share connections, and servers allow about as many.
const STREAMS: usize = 100;
/// What `-t 0` means: no limit, or as good as none.
const NO_TIMEOUT: Duration = Duration::from_secs(3600);

/// What no load may exceed, whatever a command asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ceilings {
    pub(crate) connections: usize,
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) duration: Duration,
}

/// What a command asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hey {
    pub(crate) url: String,
    method: String,
    headers: Vec<(String, String)>,
    content_type: String,
    body: String,
    workers: usize,
    requests: u64,
    /// Requests a second of each worker.
    rate: Option<f64>,
    duration: Option<Duration>,
    timeout: Duration,
    http2: bool,
    keep_alive: bool,
}

impl Hey {
    /// Understands one call of hey without anything that needs a shell. `None`: let the shell have it.
    pub(crate) fn parse(command: &str) -> Option<Self> {
        if needs_shell(command) {
            return None;
        }
        let words = shlex::split(command)?;
        let mut words = words.into_iter();
        let program = words.next()?;
        if program != "hey" && !program.ends_with("/hey") {
            return None;
        }
        let mut hey = Self {
            url: String::new(),
            method: "GET".into(),
            headers: Vec::new(),
            // hey says so with and without a body.
            content_type: "text/html".into(),
            body: String::new(),
            workers: 50,
            requests: 200,
            rate: None,
            duration: None,
            timeout: Duration::from_secs(20),
            http2: false,
            keep_alive: true,
        };
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                // Go's flags end at the first argument.
                hey.url = word;
                break;
            };
            let (flag, given) = match flag.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (flag.to_owned(), None),
            };
            match flag.as_str() {
                "h2" | "disable-keepalive" | "disable-redirects" | "disable-compression" => {
                    let on = given.is_none_or(|value| value != "false");
                    match flag.as_str() {
                        "h2" => hey.http2 = on,
                        "disable-keepalive" => hey.keep_alive = !on,
                        _ => {}
                    }
                }
                _ => hey.set(&flag, given.or_else(|| words.next())?)?,
            }
        }
        (words.next().is_none() && !hey.url.is_empty() && hey.is_possible()).then_some(hey)
    }

    fn set(&mut self, flag: &str, value: String) -> Option<()> {
        match flag {
            "n" => self.requests = value.parse().ok()?,
            "c" => self.workers = value.parse().ok()?,
            "q" => self.rate = Some(value.parse().ok()?).filter(|rate| *rate > 0.0),
            "z" => self.duration = Some(value.parse::<GoDuration>().ok()?.to_std()).filter(|d| !d.is_zero()),
            "t" => {
                let seconds = value.parse::<u64>().ok()?;
                self.timeout = if seconds == 0 { NO_TIMEOUT } else { Duration::from_secs(seconds) };
            }
            "m" => self.method = value.to_uppercase(),
            "d" => self.body = value,
            "H" => {
                let (name, value) = value.split_once(':')?;
                self.headers.push((name.trim().into(), value.trim().into()));
            }
            "T" => self.content_type = value,
            "A" => self.headers.push(("accept".into(), value)),
            "U" => self.headers.push(("user-agent".into(), value)),
            "host" => self.headers.push(("host".into(), value)),
            "a" => {
                value.contains(':').then_some(())?;
                self.headers.push(("authorization".into(), format!("Basic {}", STANDARD.encode(value))));
            }
            "cpus" => {}
            // Its output, proxies, bodies from files: for hey itself.
            _ => return None,
        }
        Some(())
    }

    fn is_possible(&self) -> bool {
        self.workers > 0 && (self.duration.is_some() || self.requests >= self.workers as u64)
    }

    /// The load that hey would make, without its waiting: `-q` is a rate at which requests begin.
    ///
    /// # Errors
    /// The address, or a header, is malformed.
    pub(crate) fn plan(&self, ceilings: Ceilings) -> anyhow::Result<Plan> {
        let mut target: Target = self.url.parse()?;
        let mut connections = self.workers;
        // Without TLS there is nothing to agree on HTTP/2 with, and hey speaks HTTP/1.1.
        if self.http2 && target.is_tls() {
            connections = self.workers.div_ceil(STREAMS);
            target.protocol = Protocol::Http2 { streams: self.workers.div_ceil(connections) };
        }
        let path = self.url.splitn(4, '/').nth(3).unwrap_or_default();
        let path = path.split('#').next().unwrap_or_default();
        let mut headers = self.headers.clone();
        let has = |name: &str| self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !has("content-type") && !self.content_type.is_empty() {
            headers.push(("content-type".into(), self.content_type.clone()));
        }
        if !has("user-agent") {
            headers
                .push(("user-agent".into(), concat!("canary-loadtester/", env!("CARGO_PKG_VERSION")).into()));
        }
        let request = Prepared::new(&target, &self.method, path, &headers, self.body.clone().into_bytes())?;
        let arm = arm_of(target.host());
        let longest = self.duration.map_or(ceilings.duration, |duration| duration.min(ceilings.duration));
        let flow = match self.rate {
            Some(_) => Flow::request("hey", 0, request),
            None => Flow::script("hey", Arc::new(Bounded::new(request, ceilings.rate, longest))),
        };
        let flow = match arm {
            Some(arm) => flow.in_arm(arm),
            None => flow,
        };
        let is_tls = target.is_tls();
        let mut plan = Plan::new(vec![target], vec![flow]);
        if is_tls {
            // As hey does.
            plan.tls = Some(trusting_tls()?);
        }
        let workers = u32::try_from(self.workers).unwrap_or(u32::MAX);
        if let Some(rate) = self.rate {
            let profile = Profile::constant((rate * f64::from(workers)).min(ceilings.rate));
            plan.pace = Pace::Open { profile, arrivals: Arrivals::Even };
        }
        if let Some(duration) = self.duration {
            // hey: a duration makes the number meaningless.
            plan.duration = Some(duration);
        } else {
            // hey: each worker sends the same number, and what is left over is not sent.
            let workers = u64::from(workers);
            plan.requests = Some(self.requests / workers * workers);
        }
        plan.limits = Limits {
            connections: connections.min(ceilings.connections),
            timeout: self.timeout,
            // Nobody looks at it.
            body: 0,
            churn: u32::from(!self.keep_alive),
            ..Limits::default()
        };
        Ok(plan)
    }
}

/// The arm that a Service of a canary belongs to, by its name.
pub(crate) fn arm_of(host: &str) -> Option<&'static str> {
    let service = host.split('.').next().unwrap_or_default();
    if service.ends_with("-canary") {
        Some("canary")
    } else if service.ends_with("-primary") {
        Some("primary")
    } else {
        None
    }
}

/// Whether a command has anything outside of single quotes that a shell would take for more than text.
fn needs_shell(command: &str) -> bool {
    let (mut in_single, mut in_double, mut escaped) = (false, false, false);
    for character in command.chars() {
        if escaped {
            escaped = false;
            continue;
        }
        match character {
            '\'' if !in_double => in_single = !in_single,
            '"' if !in_single => in_double = !in_double,
            '\\' if !in_single => escaped = true,
            '$' | '`' if !in_single => return true,
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '{' | '}' | '*' | '[' | '#' | '~' | '\n'
                if !in_single && !in_double =>
            {
                return true;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use canary_load::Work;

    use super::*;

    const CEILINGS: Ceilings =
        Ceilings { connections: 1000, rate: 20_000.0, duration: Duration::from_secs(3600) };

    #[test]
    fn the_commands_of_flaggers_documentation_are_understood() {
        let hey = Hey::parse("hey -z 1m -q 10 -c 2 http://podinfo-canary.test:9898/").unwrap();
        let plan = hey.plan(CEILINGS).unwrap();
        let even = Pace::Open { profile: Profile::constant(20.0), arrivals: Arrivals::Even };
        assert_eq!(plan.pace, even);
        assert_eq!((plan.duration, plan.limits.connections), (Some(Duration::from_secs(60)), 2));
        assert_eq!(plan.flows[0].arm.as_deref(), Some("canary"));

        let hey = Hey::parse(
            r#"hey -z 1m -q 5 -c 2 -m POST -d '{"test": true}' -H 'Content-Type: application/json' -host app.example http://gw.istio/"#,
        )
        .unwrap();
        assert_eq!((hey.method.as_str(), hey.body.as_str()), ("POST", r#"{"test": true}"#));
        assert!(hey.headers.contains(&("host".into(), "app.example".into())));
        assert!(hey.plan(CEILINGS).is_ok());
    }

    #[test]
    fn without_a_rate_each_worker_sends_when_it_has_its_answer_and_its_turn() {
        let plan = Hey::parse("hey -n 1000 -c 10 http://podinfo/a?b").unwrap().plan(CEILINGS).unwrap();
        assert_eq!((plan.pace, plan.requests, plan.duration), (Pace::Closed, Some(1000), None));
        assert!(matches!(plan.flows[0].work, Work::Script(_)), "its turns keep to the ceiling");
        assert_eq!(plan.flows[0].steps(), ["GET /a?b"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_ceiling_holds_without_a_rate_as_well() {
        use wiremock::matchers::any;
        use wiremock::{Mock, MockServer, ResponseTemplate};

        let target = MockServer::start().await;
        Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&target).await;
        let hey = Hey::parse(&format!("hey -z 1s -c 5 {}/", target.uri())).unwrap();
        let plan = hey.plan(Ceilings { rate: 100.0, ..CEILINGS }).unwrap();
        let report = canary_load::Engine::start(plan).unwrap().finish().await.unwrap();
        let requests = target.received_requests().await.unwrap().len();
        // A machine that is busy does fewer, and none more.
        assert!((10..=100).contains(&requests), "{requests}");
        assert_eq!((report.sent, report.done), (requests as u64, requests as u64));
    }

    #[test]
    fn a_duration_wins_over_a_number() {
        let plan = Hey::parse("hey -z 10s -n 5 http://podinfo/").unwrap().plan(CEILINGS).unwrap();
        assert_eq!((plan.requests, plan.duration), (None, Some(Duration::from_secs(10))));
    }

    #[test]
    fn workers_send_the_same_number_and_what_is_left_over_is_not_sent() {
        for (flags, requests) in [("-n 13 -c 5", 10), ("-n 10 -c 5", 10), ("-n 99", 50), ("", 200)] {
            let plan = Hey::parse(&format!("hey {flags} http://podinfo/")).unwrap().plan(CEILINGS).unwrap();
            assert_eq!(plan.requests, Some(requests), "{flags}");
        }
    }

    #[test]
    fn http2_takes_tls_and_as_many_streams_as_there_are_workers() {
        let plan = |command: &str| {
            let plan = Hey::parse(command).unwrap().plan(CEILINGS).unwrap();
            (plan.targets[0].protocol, plan.limits.connections)
        };
        assert_eq!(plan("hey -z 1s -c 5 -h2 http://podinfo/"), (Protocol::Http1, 5));
        assert_eq!(plan("hey -z 1s -c 5 -h2 https://podinfo/"), (Protocol::Http2 { streams: 5 }, 1));
        assert_eq!(plan("hey -z 1s -c 150 -h2 https://podinfo/"), (Protocol::Http2 { streams: 75 }, 2));
        assert_eq!(plan("hey -z 1s -c 5 https://podinfo/"), (Protocol::Http1, 5));
    }

    #[test]
    fn ceilings_hold() {
        let hey = Hey::parse("hey -z 1m -q 1000 -c 5000 http://podinfo/").unwrap();
        let plan = hey.plan(Ceilings { connections: 100, rate: 300.0, ..CEILINGS }).unwrap();
        assert_eq!(plan.limits.connections, 100);
        assert!(matches!(plan.pace, Pace::Open { profile, .. } if profile == Profile::constant(300.0)));
    }

    #[test]
    fn what_needs_a_shell_or_hey_itself_is_left_to_them() {
        for command in [
            "hey -z 1m http://podinfo/ && echo done",
            "hey -z 1m http://podinfo/?a=$B",
            "hey -z 1m \"http://podinfo/$(hostname)\"",
            "hey -z 1m -o csv http://podinfo/",
            "hey -z 1m -x http://proxy http://podinfo/",
            "hey -D body.json http://podinfo/",
            "hey -z 1m",
            "hey -n 1 http://podinfo/",
            "hey -z 1m http://podinfo/ more",
            "wrk -d 1m http://podinfo/",
            "sleep 1; hey http://podinfo/",
            "",
        ] {
            assert_eq!(Hey::parse(command), None, "{command}");
        }
    }
}
