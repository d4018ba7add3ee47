//! Load that a process before this one had begun.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use kube::Client;
use kube::client::Body;

use super::load::target;
use super::*;

/// Load that was kept, and where.
fn kept(wanted: &Value) -> Store {
    let file = std::env::temp_dir().join(format!("state-{}.json", uuid::Uuid::new_v4()));
    let run = json!({"payload": payload(wanted), "by_canary": true, "began": Timestamp::now().to_string()});
    std::fs::write(&file, json!({"run-before.json": run.to_string()}).to_string()).unwrap();
    Store::file(file)
}

/// Asks an API server that answers with `status` a number of times, and then with the Canary; and counts how often it was asked.
fn slow(canary: &Value, status: u16, times: usize, asked: Arc<AtomicUsize>) -> Canaries {
    let canary = canary.to_string();
    let answer = move |_: http::Request<Body>| {
        let is_early = asked.fetch_add(1, Ordering::Relaxed) < times;
        let failure = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status,
            "message": "not now", "reason": "x"});
        let body = if is_early { failure.to_string() } else { canary.clone() };
        let answer = http::Response::builder().status(if is_early { status } else { 200 });
        std::future::ready(Ok::<_, Infallible>(answer.body(Body::from(body.into_bytes())).unwrap()))
    };
    Canaries::default().in_cluster(Client::new(tower::service_fn(answer), "default"))
}

fn load_of(target: &str) -> Value {
    json!({"type": "load", "url": target, "target": "50/s"})
}

fn canary(wanted: &Value, phase: &str) -> Value {
    let spec = json!({"targetRef": {"name": "podinfo"}, "analysis": {"webhooks": [
        {"url": format!("http://{HOST}/"), "metadata": wanted}]}});
    json!({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": spec, "status": {"phase": phase}})
}

#[tokio::test]
async fn an_api_server_that_does_not_answer_at_first_loses_no_load() {
    let target = target().await;
    let wanted = load_of(&target.uri());
    for status in [500, 503, 403] {
        let (store, asked) = (kept(&wanted), Arc::new(AtomicUsize::new(0)));
        let canaries = slow(&canary(&wanted, "Progressing"), status, 2, asked.clone());
        let server = start(State { store, canaries, ..guarded(&json!([])) }).await;
        crate::resume::all(server.state.clone()).await;
        assert!(asked.load(Ordering::Relaxed) > 2, "it was tried again");
        let run = server.state.runs.get("before").expect("it goes on under its name");
        run.stop();
        server.idle().await;
    }
}

#[tokio::test]
async fn load_that_is_waited_with_is_kept_when_the_process_ends() {
    let (wanted, asked) = (load_of("http://127.0.0.1:9"), Arc::new(AtomicUsize::new(0)));
    let canaries = slow(&canary(&wanted, "Progressing"), 503, usize::MAX, asked.clone());
    let server = start(State { store: kept(&wanted), canaries, ..guarded(&json!([])) }).await;
    let stop = async {
        while asked.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        server.stop.cancel();
    };
    tokio::join!(crate::resume::all(server.state.clone()), stop);
    assert!(server.state.store.load().await.unwrap().contains_key("run-before.json"));
}

#[tokio::test]
async fn load_goes_on_while_promotion_is_waited_for_and_not_after_it() {
    let target = target().await;
    let wanted = load_of(&target.uri());
    for (phase, goes_on) in
        [("Progressing", true), ("WaitingPromotion", true), ("Promoting", false), ("Failed", false)]
    {
        let canaries = slow(&canary(&wanted, phase), 500, 0, Arc::default());
        let server = start(State { store: kept(&wanted), canaries, ..guarded(&json!([])) }).await;
        crate::resume::all(server.state.clone()).await;
        let run = server.state.runs.get("before");
        assert_eq!(run.is_some(), goes_on, "{phase}");
        if let Some(run) = run {
            run.stop();
        }
        server.idle().await;
        assert!(server.state.store.load().await.unwrap().is_empty(), "{phase}");
    }
}

#[tokio::test]
async fn what_a_hook_has_begun_anew_is_not_kept_twice() {
    let target = target().await;
    let wanted = load_of(&target.uri());
    let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": wanted}]);
    let server = start(State { store: kept(&wanted), ..guarded(&hooks) }).await;
    assert_eq!(server.post("/", &payload(&wanted)).await, said(202, ""));
    crate::resume::all(server.state.clone()).await;
    assert!(server.state.runs.get("before").is_none());
    assert!(!server.state.store.load().await.unwrap().contains_key("run-before.json"));
    server.state.queue.stop_all();
    server.idle().await;
}
