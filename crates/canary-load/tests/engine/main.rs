//! Runs against a real server on loopback. Times are short; what is asserted does not depend on a fast machine.
#![allow(clippy::unwrap_used)] // helpers of tests are no tests to clippy

mod server;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use canary_load::{
    AddressPolicy, Answer, Arrivals, Engine, ErrorClass, Flow, Limits, Next, Plan, Prepared, Profile,
    Protocol, Report, Script, Sending, Target, Visit, trusting_tls,
};

use server::{Behaviour, Server};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn plan(server: &Server) -> Plan {
    Plan::get(&server.url()).unwrap()
}

async fn finish(plan: Plan) -> Report {
    let report = Engine::start(plan).unwrap().finish().await.unwrap();
    assert_eq!(report.planned, report.sent + report.not_sent.total(), "something was silent: {report:?}");
    assert_eq!(report.sent, report.done, "{report:?}");
    (*report).clone()
}

#[tokio::test]
async fn every_arrival_of_an_open_loop_is_sent_and_answered() {
    let server = Server::start(Behaviour::default());
    let plan = plan(&server).open(Profile::constant(500.0), Arrivals::Even).lasting(ms(600));
    let report = finish(plan).await;
    assert_eq!((report.planned, report.sent, report.counts().errors()), (300, 300, 0));
    assert_eq!((server.requests(), report.statuses[&200], report.bytes), (300, 300, 600));
    assert_eq!(report.latency.count, 300);
}

#[tokio::test]
async fn a_frozen_target_looks_as_bad_as_it_is_on_few_connections() {
    let server = Server::start(Behaviour { frozen: Some((ms(100), ms(600))), ..Behaviour::default() });
    let mut plan = plan(&server).open(Profile::constant(1000.0), Arrivals::Even).lasting(ms(1000));
    plan.limits.connections = 4;
    let report = finish(plan).await;
    assert_eq!(report.planned, 1000);
    // Half of the arrivals met the freeze, and a quarter had to wait for at least half of it.
    assert!(report.latency.p90 >= 380.0, "{:?}", report.latency);
    assert!(report.latency.max >= 480.0, "{:?}", report.latency);
    // Four requests were under way in it: that is all that a client sees who does not count the waiting.
    assert!(report.service.p90 < 100.0, "{:?}", report.service);
    assert!(server.connections() <= 4);
}

#[tokio::test]
async fn requests_without_a_free_connection_are_errors_with_the_latency_of_the_timeout() {
    let server = Server::start(Behaviour { silent: true, ..Behaviour::default() });
    // One that gets the connection late has only the rest of its time; so close together, most get none.
    let mut plan = plan(&server).open(Profile::constant(20_000.0), Arrivals::Even).lasting(ms(50));
    plan.limits = Limits { connections: 1, timeout: ms(200), ..Limits::default() };
    let report = finish(plan).await;
    assert_eq!(report.planned, 1000);
    assert!(report.not_sent.timeout > 100, "{:?}", report.counts());
    assert_eq!(report.errors["timeout"], report.sent);
    assert_eq!(report.counts().error_ratio(), Some(1.0));
    assert!(report.latency.p50 >= 199.0, "{:?}", report.latency);
}

#[tokio::test]
async fn how_late_the_engine_was_is_known_of_every_arrival_also_of_those_that_wait() {
    let server = Server::start(Behaviour { silent: true, ..Behaviour::default() });
    let mut plan = plan(&server).open(Profile::constant(100.0), Arrivals::Even).lasting(ms(300));
    plan.limits = Limits { connections: 1, timeout: ms(100), ..Limits::default() };
    assert_eq!(finish(plan).await.lag.count, 30);
}

#[tokio::test]
async fn a_target_that_does_not_listen_fails_to_connect() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let plan = Plan::get(&format!("http://{free}/"))
        .unwrap()
        .open(Profile::constant(50.0), Arrivals::Even)
        .lasting(ms(200));
    assert_eq!(finish(plan).await.errors["connect"], 10);
}

#[tokio::test]
async fn a_forbidden_address_is_not_dialled() {
    struct Nowhere;
    impl AddressPolicy for Nowhere {
        fn permit(&self, _: &str, address: IpAddr) -> Result<(), String> {
            Err(format!("{address} is forbidden"))
        }
    }
    let server = Server::start(Behaviour::default());
    let mut plan = plan(&server);
    plan.requests = Some(5);
    plan.addresses = Arc::new(Nowhere);
    assert_eq!(finish(plan).await.errors["forbidden"], 5);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_closed_loop_sends_exactly_as_many_requests_as_asked_for() {
    let server = Server::start(Behaviour::default());
    let mut plan = plan(&server);
    plan.requests = Some(257);
    plan.limits.connections = 8;
    let report = finish(plan).await;
    assert_eq!((report.sent, server.requests()), (257, 257));
    assert!(server.connections() <= 8);
}

#[tokio::test]
async fn the_snapshots_of_a_run_that_was_over_at_once_are_not_lost() {
    let server = Server::start(Behaviour::default());
    let mut plan = plan(&server);
    plan.requests = Some(3);
    let mut run = Engine::start(plan).unwrap();
    while run.handle().snapshots().next().await.is_some() {}
    let mut snapshots = run.snapshots();
    let mut sent = 0;
    while let Some(snapshot) = snapshots.next().await {
        sent += snapshot.counts().sent;
    }
    assert_eq!(sent, 3);
}

#[tokio::test]
async fn connections_that_the_target_closes_are_replaced_without_an_error() {
    let server = Server::start(Behaviour { closes: true, ..Behaviour::default() });
    let mut plan = plan(&server).open(Profile::constant(100.0), Arrivals::Even).lasting(ms(300));
    plan.limits.connections = 2;
    let report = finish(plan).await;
    assert_eq!((report.sent, report.counts().errors()), (30, 0), "{report:?}");
    assert_eq!(server.connections(), 30);
}

#[tokio::test]
async fn churn_opens_a_new_connection_after_that_many_requests() {
    let server = Server::start(Behaviour::default());
    let mut plan = plan(&server);
    plan.requests = Some(20);
    plan.limits = Limits { connections: 1, churn: 5, ..Limits::default() };
    finish(plan).await;
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn the_rate_changes_while_it_runs_and_nothing_is_sent_after_the_stop() {
    let server = Server::start(Behaviour::default());
    let plan = plan(&server).open(Profile::constant(0.0), Arrivals::Even);
    let run = Engine::start(plan).unwrap();
    let handle = run.handle();
    let mut snapshots = handle.snapshots();
    let first = snapshots.next().await.unwrap();
    assert_eq!((first.second, first.counts().sent), (0, 0));
    handle.set_rate(200.0);
    snapshots.next().await.unwrap();
    let third = snapshots.next().await.unwrap();
    assert!(third.counts().sent.abs_diff(200) <= 40, "{:?}", third.counts());
    assert!((third.rate - 200.0).abs() < 1e-9, "{}", third.rate);
    let report = run.stop(ms(500)).await.unwrap();
    assert_eq!(report.planned, report.sent + report.not_sent.total());
    let after = server.requests();
    assert_eq!(after, report.sent);
    while snapshots.next().await.is_some() {}
}

#[tokio::test]
async fn what_is_under_way_when_the_grace_is_over_counts_as_cut() {
    let server = Server::start(Behaviour { silent: true, ..Behaviour::default() });
    let run = Engine::start(plan(&server).open(Profile::constant(100.0), Arrivals::Even)).unwrap();
    run.handle().snapshots().next().await;
    let report = run.stop(ms(50)).await.unwrap();
    assert!(report.errors["cut"] > 0, "{report:?}");
    assert_eq!(report.planned, report.sent + report.not_sent.total());
}

#[tokio::test]
async fn arms_are_kept_apart_and_get_their_share() {
    let server = Server::start(Behaviour::default());
    let target: Target = server.url().parse().unwrap();
    let flow = |name: &str, path: &str, weight| {
        let request = Prepared::new(&target, "GET", path, &[], "").unwrap();
        Flow::request(name, 0, request).in_arm(name).with_weight(weight)
    };
    let flows = vec![flow("primary", "/", 90.0), flow("canary", "/fail", 10.0)];
    let plan = Plan::new(vec![target.clone()], flows)
        .open(Profile::constant(1000.0), Arrivals::Poisson { seed: 3 })
        .lasting(ms(1000));
    let report = finish(plan).await;
    let (primary, canary) = (&report.steps[0], &report.steps[1]);
    assert_eq!(canary.arm.as_deref(), Some("canary"));
    assert_eq!((primary.counts().errors(), canary.errors["status"]), (0, canary.sent));
    assert!((50..170).contains(&canary.sent), "{}", canary.sent);
    let arm = &report.arms["canary"];
    assert_eq!((arm.sent, &arm.errors, arm.histogram().len()), (canary.sent, &canary.errors, canary.sent));
    assert_eq!((report.arms.len(), report.arms["primary"].counts()), (2, primary.counts()));
}

#[tokio::test]
async fn http2_shares_a_connection_among_its_streams() {
    let server = Server::start(Behaviour { http2: true, ..Behaviour::default() });
    let mut target: Target = server.url().parse().unwrap();
    target.protocol = Protocol::Http2 { streams: 10 };
    let request = Prepared::new(&target, "GET", "/", &[], "").unwrap();
    let mut plan = Plan::new(vec![target], vec![Flow::request("h2", 0, request)]);
    plan.requests = Some(200);
    plan.limits = Limits { connections: 1, ..Limits::default() };
    let report = finish(plan).await;
    assert_eq!((report.sent, report.counts().errors(), server.connections()), (200, 0, 1), "{report:?}");
}

#[tokio::test]
async fn tls_is_checked_unless_every_certificate_is_trusted() {
    for is_http2 in [false, true] {
        let server = Server::start(Behaviour { tls: true, http2: is_http2, ..Behaviour::default() });
        let mut target: Target = server.url().parse().unwrap();
        if is_http2 {
            target.protocol = Protocol::Http2 { streams: 2 };
        }
        let request = Prepared::new(&target, "GET", "/", &[], "").unwrap();
        let mut plan = Plan::new(vec![target], vec![Flow::request("tls", 0, request)]);
        plan.requests = Some(10);
        assert_eq!(finish(plan.clone()).await.errors["tls"], 10);
        plan.tls = Some(trusting_tls().unwrap());
        assert_eq!(finish(plan).await.counts().errors(), 0);
    }
}

/// Reads a tag, pauses, then asks for it.
struct Tagged {
    target: Target,
    first: &'static str,
}

struct Visiting {
    target: Target,
    first: &'static str,
    at: usize,
    tag: Option<String>,
    failed: bool,
}

impl Script for Tagged {
    fn steps(&self) -> Vec<String> {
        vec!["read".into(), "use".into()]
    }

    fn visit(&self) -> Box<dyn Visit> {
        let (target, first) = (self.target.clone(), self.first);
        Box::new(Visiting { target, first, at: 0, tag: None, failed: false })
    }
}

impl Visit for Visiting {
    fn next(&mut self) -> Next {
        self.at += 1;
        let path = match (self.at, self.failed, &self.tag) {
            (1, _, _) => self.first.to_owned(),
            (_, true, _) => return Next::End { skipped: vec![1] },
            (2, false, _) => return Next::Pause(ms(20)),
            (3, false, Some(tag)) => format!("/{tag}"),
            _ => return Next::End { skipped: vec![] },
        };
        let request = Prepared::new(&self.target, "GET", &path, &[], "").unwrap();
        Next::Send(Box::new(Sending { step: usize::from(self.at == 3), target: 0, request: request.into() }))
    }

    fn seen(&mut self, outcome: Result<&Answer, ErrorClass>) -> Result<(), ErrorClass> {
        let answer = outcome?;
        if self.at == 1 {
            self.tag = answer.headers.get("etag").map(|tag| tag.to_str().unwrap().to_owned());
            self.failed = self.tag.is_none();
            assert_eq!(answer.body, "OK");
        }
        if self.failed { Err(ErrorClass::Capture) } else { Ok(()) }
    }
}

async fn visit(first: &'static str) -> (Report, Vec<String>) {
    let server = Server::start(Behaviour::default());
    let target: Target = server.url().parse().unwrap();
    let script = Arc::new(Tagged { target: target.clone(), first });
    let mut plan = Plan::new(vec![target], vec![Flow::script("tags", script)])
        .open(Profile::constant(100.0), Arrivals::Even);
    plan.requests = Some(3);
    let report = finish(plan).await;
    let paths = server.state.paths.lock().unwrap().clone();
    (report, paths)
}

#[tokio::test]
async fn a_script_uses_what_it_saw_in_the_answer_before() {
    let (report, paths) = visit("/tagged").await;
    assert_eq!((report.steps[0].sent, report.steps[1].sent), (3, 3));
    assert_eq!(paths.iter().filter(|path| *path == "/abc").count(), 3, "{paths:?}");
}

#[tokio::test]
async fn steps_after_a_failed_capture_count_as_not_sent() {
    let (report, _) = visit("/").await;
    assert_eq!((report.errors["capture"], report.steps[1].planned, report.not_sent.skipped), (3, 3, 3));
}
