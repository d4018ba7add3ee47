//! gRPC calls of a server on loopback that answers well, badly, and against the rules.
#![allow(clippy::unwrap_used)] // helpers of tests are no tests to clippy

mod server;

use std::sync::Arc;
use std::time::Duration;

use canary_load::{
    Answer, Client, Descriptors, Engine, ErrorClass, Flow, GrpcCode, GrpcMethod, Limits, Next, Plan,
    Prepared, Protocol, Report, Script, Sending, Target, Visit,
};
use serde_json::json;

use server::{Seen, Server};

const TIMEOUT: Duration = Duration::from_secs(5);

fn check() -> GrpcMethod {
    Descriptors::built_in().method("grpc.health.v1.Health/Check").unwrap()
}

fn target(server: &Server) -> Target {
    let mut target: Target = server.url().parse().unwrap();
    target.protocol = Protocol::Http2 { streams: 4 };
    target
}

/// Calls whose service says how the server answers.
fn calling(server: &Server, service: &str) -> Plan {
    let target = target(server);
    let call = check().call(&target, &[], &json!({"service": service}), TIMEOUT).unwrap();
    let mut plan = Plan::new(vec![target], vec![Flow::request("health", 0, call)]);
    plan.requests = Some(20);
    plan.limits = Limits { connections: 2, timeout: TIMEOUT, body: 64, ..Limits::default() };
    plan
}

async fn finish(plan: Plan) -> Report {
    let report = Engine::start(plan).unwrap().finish().await.unwrap();
    assert_eq!((report.planned, report.sent, report.done), (20, 20, 20), "{report:?}");
    (*report).clone()
}

#[tokio::test]
async fn calls_that_are_answered_with_ok_are_no_errors_and_are_counted_as_such() {
    let server = Server::start();
    let report = finish(calling(&server, "good")).await;
    assert_eq!((report.counts().errors(), &report.grpc), (0, &[("OK", 20)].into()), "{report:?}");
    let Seen { path, te, kind, timeout } = server.seen();
    assert_eq!((path.as_str(), te.as_str()), ("/grpc.health.v1.Health/Check", "trailers"));
    assert_eq!(kind, "application/grpc");
    let millis: u64 = timeout.strip_suffix('m').unwrap().parse().unwrap();
    assert!((1..=5000).contains(&millis), "{timeout}");
}

#[tokio::test]
async fn every_other_end_of_a_call_is_an_error_under_its_code() {
    let server = Server::start();
    for (service, code) in [
        ("status-in-trailers", "FAILED_PRECONDITION"),
        ("status-alone", "NOT_FOUND"),
        ("no-trailers", "UNKNOWN"),
        ("compressed", "UNIMPLEMENTED"),
        ("too-large", "RESOURCE_EXHAUSTED"),
        ("proxy", "UNAVAILABLE"),
    ] {
        let report = finish(calling(&server, service)).await;
        assert_eq!(report.grpc, [(code, 20)].into(), "{service}");
        assert_eq!(report.errors, [("grpc", 20)].into(), "{service}");
        assert_eq!(report.counts().grpc[&code.parse::<GrpcCode>().unwrap()], 20);
    }
}

#[tokio::test]
async fn a_call_that_is_not_answered_ends_with_its_timeout() {
    let server = Server::start();
    let mut plan = calling(&server, "silent");
    plan.limits.timeout = Duration::from_millis(200);
    let report = finish(plan).await;
    assert_eq!((report.errors, report.grpc), ([("timeout", 20)].into(), [].into()));
}

#[tokio::test]
async fn a_single_call_gives_its_message_or_says_what_is_wrong() {
    let server = Server::start();
    let target = target(&server);
    let client = Client::new(&calling(&server, "good")).unwrap();
    for (service, code, message) in [
        ("good", GrpcCode::Ok, ""),
        ("status-in-trailers", GrpcCode::FailedPrecondition, "not yet: 50 %"),
        ("status-alone", GrpcCode::NotFound, "no such service"),
        ("no-trailers", GrpcCode::Unknown, "the answer ends without a grpc-status"),
        ("compressed", GrpcCode::Unimplemented, "the message is compressed with gzip, which was not offered"),
        ("too-large", GrpcCode::ResourceExhausted, "the message has 1000 bytes, more than the limit of 64"),
        ("proxy", GrpcCode::Unavailable, "the answer has no grpc-status; its HTTP status is 503"),
    ] {
        let call = check().call(&target, &[], &json!({"service": service}), TIMEOUT).unwrap();
        let answer = client.send(&target, &call, TIMEOUT).await.unwrap();
        let status = answer.grpc.unwrap();
        assert_eq!((status.code, status.message.as_str()), (code, message), "{service}");
        let shown = (status.code == GrpcCode::Ok).then(|| check().decode(&answer.body).unwrap());
        assert_eq!(shown, (service == "good").then(|| json!({"status": "SERVING"})));
    }
}

/// Asks once and takes `NOT_FOUND` for right.
struct Expecting(Arc<Prepared>, bool);

impl Script for Expecting {
    fn steps(&self) -> Vec<String> {
        vec!["check".to_owned()]
    }

    fn visit(&self) -> Box<dyn Visit> {
        Box::new(Self(self.0.clone(), false))
    }
}

impl Visit for Expecting {
    fn next(&mut self) -> Next {
        if std::mem::replace(&mut self.1, true) {
            return Next::End { skipped: vec![] };
        }
        Next::Send(Box::new(Sending { step: 0, target: 0, request: self.0.clone() }))
    }

    fn seen(&mut self, outcome: Result<&Answer, ErrorClass>) -> Result<(), ErrorClass> {
        let status = outcome?.grpc.as_ref().ok_or(ErrorClass::Check)?;
        if status.code == GrpcCode::NotFound { Ok(()) } else { Err(ErrorClass::Check) }
    }
}

#[tokio::test]
async fn a_script_decides_which_status_is_right() {
    let server = Server::start();
    let target = target(&server);
    let call = check().call(&target, &[], &json!({"service": "status-alone"}), TIMEOUT).unwrap();
    let mut plan = calling(&server, "");
    plan.flows = vec![Flow::script("expecting", Arc::new(Expecting(Arc::new(call), false)))];
    let report = finish(plan).await;
    assert_eq!((report.counts().errors(), report.grpc), (0, [("NOT_FOUND", 20)].into()));
}
