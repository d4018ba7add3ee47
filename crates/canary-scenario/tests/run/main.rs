//! Scenarios against a real server that counts what it keeps.
#![allow(clippy::unwrap_used)] // helpers of tests are no tests to clippy

mod files;
mod grpc;
mod grpc_shop;
mod shop;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use canary_load::{Engine, Report};
use canary_scenario::{
    Cleanup, Complaint, Journal, Mistakes, Ready, RunReport, Scenario, Seconds, Setting, leftovers, recover,
};

use shop::Shop;

fn setting(shop: &Shop) -> Setting {
    Setting { base: Some(shop.address.clone()), run: "run-1".into(), writes: true, ..Setting::default() }
}

fn ready(text: &str, setting: &Setting) -> Result<Ready, Mistakes> {
    Scenario::parse("test.yaml", text)?.prepare(setting, &BTreeMap::new())
}

/// What a whole run came to.
struct Outcome {
    load: Arc<Report>,
    cleanup: Cleanup,
    complaints: Vec<Complaint>,
    ready: Ready,
}

/// Runs it, until `stop` says so or it ends.
async fn run_until(text: &str, setting: &Setting, stop: impl FnOnce() + Send + 'static) -> Outcome {
    let ready = ready(text, setting).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    let cleaner = ready.cleaner().unwrap();
    let cleaning = tokio::spawn(cleaner.run(async {
        let _ = end.await;
    }));
    let run = Engine::start(ready.plan.clone()).unwrap();
    let handle = run.handle();
    let mut snapshots = handle.snapshots();
    tokio::task::spawn_blocking(stop).await.unwrap();
    let load = if ready.plan.duration.is_none() && ready.plan.requests.is_none() {
        // A queue that is empty ends a run; whoever drives it looks each second.
        while !ready.is_exhausted() && !ready.rules.is_empty() {
            snapshots.next().await;
        }
        run.stop(Duration::from_millis(100)).await
    } else {
        run.finish().await
    };
    let _ = ended.send(());
    let complaints = ready.complaints();
    Outcome { load: load.unwrap(), cleanup: cleaning.await.unwrap(), complaints, ready }
}

async fn run(text: &str, setting: &Setting) -> Outcome {
    run_until(text, setting, || {}).await
}

const BROWSE: &str = r#"
name: browse
load: {target: 200/s, requests: 20, arrivals: even}
base: http://unused
sources: {users: {inline: "item,sku\n1,a\n2,b\n"}}
feeds: {user: {from: users, format: csv}}
flows:
- name: browse
  steps:
  - get: "/items/{{ user.item }}"
    capture: {id: "json $.items[0].id", tag: "header ETag"}
    check: ["status 200", "json $.items is not empty", "latency < 5s"]
  - pause: 1ms..5ms
  - get: "/details/{{ id }}?tag={{ tag | urlencode }}"
"#;

#[tokio::test]
async fn users_take_rows_capture_and_go_on_with_what_they_captured() {
    let shop = Shop::open();
    let outcome = run(BROWSE, &setting(&shop)).await;
    assert_eq!((outcome.load.sent, outcome.load.counts().errors()), (40, 0), "{:?}", outcome.complaints);
    let requests = shop.requests();
    for path in ["GET /items/1", "GET /items/2"] {
        assert_eq!(requests.iter().filter(|request| *request == path).count(), 10, "{requests:?}");
    }
    assert_eq!(requests.iter().filter(|request| request.starts_with("GET /details/7?tag=%22")).count(), 20);
}

#[tokio::test]
async fn a_failed_check_is_an_error_and_a_failed_capture_ends_the_flow() {
    let shop = Shop::open();
    let text = BROWSE.replace("$.items[0].id", "$.other").replace("status 200", "status 201");
    let outcome = run(&text, &setting(&shop)).await;
    assert_eq!((outcome.load.errors["check"], outcome.load.not_sent.skipped), (20, 20));
    assert_eq!(outcome.load.steps[1].sent, 0);
    let what: Vec<_> =
        outcome.complaints.iter().map(|complaint| (complaint.what.as_str(), complaint.times)).collect();
    assert_eq!(
        what,
        [("capture \"id\": it is not in the answer", 20), ("check \"status 201\": the status was 200", 20)]
    );
    let text = BROWSE.replace("$.items[0].id", "$.other");
    assert_eq!(run(&text, &setting(&shop)).await.load.errors["capture"], 20);
}

#[tokio::test]
async fn an_empty_queue_ends_the_run() {
    let shop = Shop::open();
    let text = BROWSE.replace(", requests: 20", "").replace("format: csv", "format: csv, order: queue")
        + "judge: [\"requests >= 2\"]\n";
    let outcome = run(&text, &setting(&shop)).await;
    assert_eq!(shop.requests().iter().filter(|request| request.starts_with("GET /items")).count(), 2);
    assert!(outcome.ready.rules[0].judge(&outcome.load).held);
}

const ORDER: &str = r#"
name: order
load: {target: 300/s, arrivals: even, connections: 20}
base: http://unused
cleanup: {rate: 5000/s, time: 20s}
flows:
- name: order
  writes: true
  steps:
  - post: /orders
    json: {run: "{{ run.id }}", number: "{{ 3 }}"}
    capture: {order: "json $.id"}
    check: ["status 201"]
  cleanup: [{delete: "/orders/{{ order }}", check: ["status 200..204, 404"]}]
"#;

#[tokio::test]
async fn after_a_cancel_nothing_is_left_and_the_clean_up_is_no_load() {
    let shop = Shop::open();
    let watch = shop.clone();
    let outcome = run_until(ORDER, &setting(&shop), move || watch.wait_until_made(40)).await;
    // What was under way when it was cut has no known id: it is listed.
    assert!(shop.orders() <= outcome.cleanup.leftovers.len(), "{:?}", outcome.cleanup);
    assert!(outcome.cleanup.removed >= 40 && outcome.load.sent == outcome.load.steps[0].sent);
    let deletes = shop.requests().iter().filter(|request| request.starts_with("DELETE")).count();
    assert_eq!(u64::try_from(deletes).unwrap(), outcome.cleanup.removed);
}

#[tokio::test]
async fn what_is_to_stay_until_the_end_of_the_run_stays_until_then() {
    let shop = Shop::open();
    let text = ORDER
        .replace("arrivals: even,", "arrivals: even, requests: 30,")
        .replace("  writes: true", "  writes: true\n  cleanup-at: end");
    let outcome = run(&text, &setting(&shop)).await;
    assert_eq!((outcome.cleanup.removed, shop.orders(), shop.made()), (30, 0, 30));
    let requests = shop.requests();
    let last_post = requests.iter().rposition(|request| request.starts_with("POST")).unwrap();
    let first_delete = requests.iter().position(|request| request.starts_with("DELETE")).unwrap();
    assert!(last_post < first_delete);
}

#[tokio::test]
async fn what_cannot_be_removed_is_listed_with_its_values() {
    let shop = Shop::open();
    shop.refuse_to_delete();
    let text = ORDER.replace("arrivals: even,", "arrivals: even, requests: 2,");
    let outcome = run(&text, &setting(&shop)).await;
    let left = &outcome.cleanup.leftovers;
    assert_eq!((left.len(), shop.orders()), (2, 2));
    assert!(left[0].values["order"].as_str().unwrap().starts_with('s'), "{left:?}");
    assert!(left[0].why.contains("the status was 403"), "{left:?}");
}

#[tokio::test]
async fn a_restart_removes_what_the_process_before_has_left() {
    let shop = Shop::open();
    let folder = std::env::temp_dir().join(format!("canary-restart-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("journal");
    {
        let journal = Journal::open(&path).unwrap();
        let text = ORDER.replace("arrivals: even,", "arrivals: even, requests: 10,");
        let ready = ready(&text, &Setting { journal: Some(journal), ..setting(&shop) }).unwrap();
        // Nobody cleans up: the process ends.
        Engine::start(ready.plan.clone()).unwrap().finish().await.unwrap();
    }
    assert_eq!(shop.orders(), 10);
    let again = Journal::open(&path).unwrap();
    assert_eq!(leftovers(&again).len(), 10);
    let cleanup = recover(&again, |_, _| Some(Arc::new(canary_load::AnyAddress)), None).await;
    assert_eq!((cleanup.removed, cleanup.leftovers.len(), shop.orders()), (10, 0, 0));
    assert!(again.pending().is_empty());
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn writes_are_refused_unless_they_are_allowed() {
    let shop = Shop::open();
    let error = ready(ORDER, &Setting { writes: false, ..setting(&shop) }).unwrap_err().to_string();
    assert_eq!(error, "test.yaml:8: flows[0].writes: the flow writes, which this run is not allowed to");
}

#[tokio::test]
async fn reports_have_histograms_that_merge_test_cases_and_charts() {
    let shop = Shop::open();
    let text = BROWSE.to_owned() + "judge: [\"requests >= 40\", \"p50 < 1us\"]\n";
    let Outcome { load, cleanup, complaints, ready } = run(&text, &setting(&shop)).await;
    let head = ("browse", "run-1", "2026-01-01T00:00:00Z");
    let report =
        RunReport::new(head, load, &ready.rules, complaints, cleanup, BTreeMap::new(), Seconds::default());
    let mut sum = report.histograms[0].histogram().unwrap();
    sum.add(report.histograms[1].histogram().unwrap()).unwrap();
    assert_eq!(sum.len(), 40);
    assert!(report.failures().iter().any(|failure| failure.starts_with("p50 < 1us: it was")));
    assert!(report.text().contains("held   requests >= 40") && report.text().contains("BROKEN p50 < 1us"));
    let junit = report.junit();
    assert!(junit.contains("name=\"p50 &lt; 1us\"><failure"), "{junit}");
    let html = report.html();
    assert!(html.contains("<svg") && html.contains("p50 &lt; 1us") && !html.contains("http://www"), "{html}");
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["load"]["sent"], 40);
}

#[tokio::test]
async fn a_report_says_what_earlier_runs_have_left_and_keeps_its_columns() {
    let shop = Shop::open();
    let path = "/items/a-path-that-is-longer-than-the-column-of-the-steps";
    let text = BROWSE.replace("/items/{{ user.item }}\"\n", &format!("{path}\"\n    name: {path}\n"));
    let Outcome { load, mut cleanup, complaints, ready } = run(&text, &setting(&shop)).await;
    cleanup.leftovers.push(canary_scenario::Leftover {
        run: "run-0".into(),
        flow: "order".into(),
        values: canary_scenario::Values::new(),
        why: "it was not removed".into(),
    });
    let head = ("browse", "run-1", "2026-01-01T00:00:00Z");
    let report =
        RunReport::new(head, load, &ready.rules, complaints, cleanup, BTreeMap::new(), Seconds::default());
    assert_eq!(report.failures(), ["1 writes of earlier runs were not removed"]);
    let text = report.text();
    assert!(text.contains("left over of run-0: order {}: it was not removed"), "{text}");
    let table = text.lines().skip_while(|line| !line.starts_with("step ")).take(3);
    let widths: Vec<usize> = table.map(|line| line.chars().count()).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
}
