//! Scenarios: where they come from, what they may, and that they end with their canary and leave nothing behind.

use std::path::PathBuf;

use kube::{Client, Config};
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::runs::runner;
use super::*;

#[path = "../../../../../crates/canary-scenario/tests/run/shop.rs"]
pub(super) mod shop;

use shop::Shop;

pub(super) const BROWSE: &str = r#"
name: browse
load: {target: "{{ params.rate }}", arrivals: even}
base: "http://{{ canary.service }}.{{ canary.namespace }}:{{ canary.port }}"
params: {rate: 40/s}
sources: {items: {configMap: {name: load, key: items.csv}}}
feeds: {item: {from: items}}
flows:
- name: look
  steps: [{get: "/items/{{ item.id }}", check: ["status 200"]}]
judge: ["errors < 1%"]
"#;

const ORDERS: &str = r#"
name: orders
load: {target: 200/s, arrivals: even}
base: http://unused
cleanup: {rate: 5000/s, time: 20s}
flows:
- name: order
  writes: true
  steps: [{put: "/orders/{{ visit.id }}", check: ["status 201"]}]
  cleanup: [{delete: "/orders/{{ visit.id }}", check: ["status 200..204, 404"]}]
  cleanup-at: end
"#;

/// An API server with one ConfigMap, and nothing else.
pub(super) async fn cluster(data: &Value, delay: Duration) -> MockServer {
    let server = MockServer::start().await;
    let map = json!({"metadata": {"name": "load"}, "data": data});
    let answer = ResponseTemplate::new(200).set_body_json(map).set_delay(delay);
    Mock::given(path("/api/v1/namespaces/test/configmaps/load")).respond_with(answer).mount(&server).await;
    let none = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
        "message": "not found", "code": 404});
    Mock::given(any())
        .respond_with(ResponseTemplate::new(404).set_body_json(none))
        .with_priority(9)
        .mount(&server)
        .await;
    server
}

fn client(server: &MockServer) -> Client {
    let mut config = Config::new(server.uri().parse().unwrap());
    config.default_namespace = "tools".into();
    Client::try_from(config).unwrap()
}

/// A live Canary with this hook, progressing.
pub(super) fn tester(metadata: &Value, cluster: &MockServer, annotations: &Value) -> State {
    let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": metadata}]);
    let state = guarded(&hooks);
    let spec =
        json!({"targetRef": {"name": "podinfo"}, "service": {"port": 9898}, "analysis": {"webhooks": hooks}});
    let mut canary = Canary::new("test", "podinfo", spec);
    canary.metadata.annotations = serde_json::from_value(annotations.clone()).unwrap();
    canary.status = json!({"phase": "Progressing"});
    State { canaries: Canaries::found(vec![canary]).in_cluster(client(cluster)), ..state }
}

fn journal() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("journal-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    folder.join("journal")
}

fn writing(state: State, journal: &std::path::Path) -> State {
    let scenarios =
        Scenarios { allow_writes: true, writes: Writes::open(journal).unwrap(), ..state.scenarios };
    State { scenarios, ..state }
}

fn may_write() -> Value {
    json!({"canaryd/allow-load-writes": "true"})
}

#[tokio::test]
async fn a_scenario_of_a_config_map_is_played_and_shown_with_what_it_was_made_of() {
    let shop = Shop::open();
    let cluster = cluster(&json!({"browse.yaml": BROWSE, "items.csv": "id\n1\n2\n"}), Duration::ZERO).await;
    let metadata =
        json!({"type": "load", "scenario": "load/browse.yaml", "base": shop.address, "param.rate": "50/s"});
    let server = start(tester(&metadata, &cluster, &json!({}))).await;
    assert_eq!(server.post("/", &payload(&metadata)).await, said(202, ""));
    let all = server.until("/v1/runs", |all| all["runs"][0]["rate"].as_u64() > Some(10)).await;
    let run = all["runs"][0].clone();
    assert_eq!(run["name"], "browse");
    assert_eq!(run["scenario"]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(run["scenario"]["sources"]["items"].as_str().map(str::len), Some(64));
    // The hook is called again and again; so is whoever has a token.
    assert_eq!(server.post("/", &payload(&metadata)).await, said(202, ""));
    let (status, again) = server.send("POST", "/v1/runs", &runner(), &payload(&metadata).to_string()).await;
    assert!(status == 200 && again.contains(run["id"].as_str().unwrap()), "{again}");
    let (_, metrics) = server.send("GET", "/metrics", "", "").await;
    assert!(metrics.contains("run=\"browse\"") && metrics.contains("flow=\"look\""), "{metrics}");
    // A machine that is busy makes it no evidence, so there may be no value; but the question is understood.
    let query = "/api/v1/query?query=load_requests%7Brun%3D%22browse%22%7D";
    assert_eq!(server.send("GET", query, &runner(), "").await.0, 200);

    let changed = Instant::now();
    server.state.canaries.set_phase("test", "podinfo", Some("Failed"));
    server.idle().await;
    assert!(changed.elapsed() < Duration::from_secs(2), "{:?}", changed.elapsed());
    let requests = shop.requests();
    assert!(requests.iter().all(|request| request == "GET /items/1" || request == "GET /items/2"));
    let at = format!("/v1/runs/{}", run["id"].as_str().unwrap());
    let ended = server.until(&at, |run| run["scenario"]["rules"].is_array()).await;
    assert_eq!(ended["scenario"]["rules"][0]["held"], true, "{ended}");
    let (status, report) = server.send("GET", &format!("{at}/report"), &runner(), "").await;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(status == 200 && report["histograms"][0]["latency"].is_string(), "{report}");
    assert_eq!(report["sources"], run["scenario"]["sources"]);
    let (_, page) = server.send("GET", &format!("{at}/report?form=html"), &runner(), "").await;
    assert!(page.contains("<svg"), "{page}");
    assert_eq!(server.send("GET", &format!("{at}/report?form=pdf"), &runner(), "").await.0, 400);
    assert_eq!(server.send("GET", &format!("{at}/report"), "", "").await.0, 403);
}

/// The example of the page, as it stands there but for the address.
#[tokio::test]
async fn the_documented_example_is_played() {
    let page = include_str!("../../../../../docs/load-testing.md");
    let examples = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let examples: Vec<&str> = examples.collect();
    let map = examples.iter().find(|text| text.contains("kind: ConfigMap")).unwrap();
    let map: Value = serde_saphyr::from_str(map).unwrap();
    let hook = examples.iter().find(|text| text.contains("scenario: load/shop.yaml")).unwrap();
    let hooks: Value = serde_saphyr::from_str(hook).unwrap();
    let (shop, journal) = (Shop::open(), journal());
    let mut metadata = hooks[0]["metadata"].clone();
    metadata["base"] = json!(shop.address);
    let cluster = cluster(&map["data"], Duration::ZERO).await;
    let server = start(writing(tester(&metadata, &cluster, &may_write()), &journal)).await;
    assert_eq!(server.post("/", &payload(&metadata)).await, said(202, ""));
    let all = server.until("/v1/runs", |all| all["runs"][0]["rate"].as_u64() > Some(20)).await;
    while shop.made() == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let id = all["runs"][0]["id"].as_str().unwrap();
    assert_eq!(server.send("DELETE", &format!("/v1/runs/{id}"), &runner(), "").await.0, 202);
    server.idle().await;
    let run = server.until(&format!("/v1/runs/{id}"), |run| run["scenario"]["rules"].is_array()).await;
    assert_eq!(run["report"]["errors"], json!({}), "{run}");
    assert_eq!((shop.orders(), &run["scenario"]["cleanup"]["leftovers"]), (0, &json!([])), "{run}");
    std::fs::remove_dir_all(journal.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn what_cannot_be_played_is_refused_with_the_reason() {
    let shop = Shop::open();
    let elsewhere =
        BROWSE.replace("http://{{ canary.service }}.{{ canary.namespace }}", "http://intern.prod");
    let data = json!({"browse.yaml": BROWSE, "items.csv": "id\n1\n", "wrong.yaml": BROWSE.replace("status 200", "statsu 200"),
        "elsewhere.yaml": elsewhere, "orders.yaml": ORDERS});
    let cluster = cluster(&data, Duration::ZERO).await;
    let server = start(tester(&json!({}), &cluster, &may_write())).await;
    let inline = |from: &str, to: &str| BROWSE.replace(from, to);
    for (scenario, more, status, why) in [
        ("load/wrong.yaml", json!({}), 400, "load/wrong.yaml:10: flows[0].steps[0].check[0]: \"statsu 200\""),
        (
            "load/none.yaml",
            json!({}),
            424,
            "ConfigMap test/load has no key \"none.yaml\"; it has browse.yaml",
        ),
        ("other/a.yaml", json!({}), 424, "there is no ConfigMap test/other"),
        ("load/elsewhere.yaml", json!({}), 403, "intern.prod is not a target"),
        (
            "load/browse.yaml",
            json!({"param.rat": "1/s"}),
            400,
            "there is no parameter \"rat\"; known are rate",
        ),
        ("load/browse.yaml", json!({"url": "http://a"}), 400, "\"url\" is not known; with a scenario"),
        (
            "load/browse.yaml",
            json!({"base": "http://169.254.169.254"}),
            403,
            "169.254.169.254 is not a target",
        ),
        ("load/orders.yaml", json!({}), 403, "this load tester does not do without -allow-writes"),
        ("https://other.example/a.yaml", json!({}), 424, "other.example is not a trusted host"),
        ("browse.yaml", json!({}), 400, "it takes NAME/KEY of a ConfigMap"),
        (
            &inline("configMap: {name: load", "configMap: {namespace: prod, name: load"),
            json!({}),
            424,
            "only in the canary's namespace, which is test",
        ),
        (
            &inline("configMap: {name: load, key: items.csv}", "file: /etc/passwd"),
            json!({}),
            400,
            "without ..",
        ),
        (
            &inline("configMap: {name: load, key: items.csv}", "secret: {name: tokens, key: items.csv}"),
            json!({}),
            424,
            "the Secret tokens is not shared",
        ),
    ] {
        let mut metadata = json!({"scenario": scenario});
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = payload(&metadata).to_string();
        let (found, said) = server.send("POST", "/v1/runs", &runner(), &body).await;
        assert!(found == status && said.contains(why), "{scenario} {metadata}: {found} {said}");
    }
    let body = payload(&json!({"scenario": "load/browse.yaml"})).to_string();
    assert_eq!(server.send("POST", "/v1/runs", "", &body).await, said(403, "Forbidden"));
    server.idle().await;
    assert!(shop.requests().is_empty());
}

#[tokio::test]
async fn a_host_counts_as_named_by_the_canary_only_where_its_own_metadata_have_it() {
    let text = BROWSE.replace("http://{{ canary.service }}.{{ canary.namespace }}", "http://shop.invalid");
    let cluster = cluster(&json!({"shop.yaml": text, "items.csv": "id\n1\n"}), Duration::ZERO).await;
    let by_file = json!({"type": "load", "scenario": "load/shop.yaml"});
    let server = start(tester(&by_file, &cluster, &json!({}))).await;
    let (status, why) = server.post("/", &payload(&by_file)).await;
    assert!(status == 403 && why.contains("shop.invalid is not a target"), "{why}");
    let by_canary = json!({"type": "load", "scenario": text});
    let server = start(tester(&by_canary, &cluster, &json!({}))).await;
    assert_eq!(server.post("/", &payload(&by_canary)).await, said(202, ""));
}

#[tokio::test]
async fn a_scenario_that_is_fetched_too_slowly_does_not_begin_after_the_rollout() {
    let shop = Shop::open();
    let cluster = cluster(&json!({"browse.yaml": BROWSE}), Duration::from_secs(4)).await;
    let metadata = json!({"type": "load", "scenario": "load/browse.yaml", "base": shop.address});
    let server = start(tester(&metadata, &cluster, &json!({}))).await;
    let progressing = payload(&metadata);
    let asking = server.post("/", &progressing);
    let failing = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        server.state.canaries.set_phase("test", "podinfo", Some("Failed"));
    };
    let began = Instant::now();
    let ((status, why), ()) = tokio::join!(asking, failing);
    assert!(status == 409 && why.contains("left its phase"), "{status} {why}");
    assert!(began.elapsed() < Duration::from_secs(3));
    server.idle().await;
    assert!(shop.requests().is_empty());
}

#[tokio::test]
async fn writes_take_the_leave_of_the_load_tester_and_of_the_canary() {
    let shop = Shop::open();
    let cluster = cluster(&json!({"orders.yaml": ORDERS}), Duration::ZERO).await;
    let metadata = json!({"type": "load", "scenario": "load/orders.yaml", "base": shop.address});
    for annotations in [json!({}), json!({"canaryd/allow-load-writes": "yes"})] {
        let journal = journal();
        let server = start(writing(tester(&metadata, &cluster, &annotations), &journal)).await;
        let (status, why) = server.post("/", &payload(&metadata)).await;
        assert!(status == 403 && why.contains("annotation canaryd/allow-load-writes"), "{status} {why}");
        std::fs::remove_dir_all(journal.parent().unwrap()).unwrap();
    }
    let server = start(tester(&metadata, &cluster, &may_write())).await;
    let (status, why) = server.post("/", &payload(&metadata)).await;
    assert!(status == 403 && why.contains("-allow-writes"), "{status} {why}");
    assert_eq!(shop.made(), 0);
}

#[tokio::test]
async fn nothing_is_left_behind_however_a_run_ends() {
    for end in ["deleted", "the phase", "another revision", "the process"] {
        let (shop, journal) = (Shop::open(), journal());
        let cluster = cluster(&json!({"orders.yaml": ORDERS}), Duration::ZERO).await;
        let metadata = json!({"type": "load", "scenario": "load/orders.yaml", "base": shop.address});
        let server = start(writing(tester(&metadata, &cluster, &may_write()), &journal)).await;
        assert_eq!(server.post("/", &payload(&metadata)).await, said(202, ""), "{end}");
        // Long enough for the phase to have been looked at once.
        let all = server.until("/v1/runs", |all| all["runs"][0]["rate"].as_u64() > Some(10)).await;
        assert!(shop.orders() > 10, "{end}: they are taken back at the end only");
        let id = all["runs"][0]["id"].as_str().unwrap();
        match end {
            "deleted" => {
                assert_eq!(server.send("DELETE", &format!("/v1/runs/{id}"), &runner(), "").await.0, 202);
            }
            "the phase" => server.state.canaries.set_phase("test", "podinfo", Some("Promoting")),
            "another revision" => {
                let mut other = payload(&metadata);
                other["checksum"] = json!("y");
                assert_eq!(server.post("/", &other).await, said(202, ""));
                server.until(&format!("/v1/runs/{id}"), |run| run["scenario"]["cleanup"].is_object()).await;
                server.state.queue.stop_all();
            }
            _ => server.stop.cancel(),
        }
        server.idle().await;
        assert_eq!(shop.orders(), 0, "{end}");
        assert_eq!(std::fs::read_to_string(&journal).unwrap(), "", "{end}");
        if end == "deleted" {
            let (_, run) = server.send("GET", &format!("/v1/runs/{id}"), &runner(), "").await;
            let run: Value = serde_json::from_str(&run).unwrap();
            assert_eq!(run["scenario"]["cleanup"]["removed"], shop.made(), "{run}");
        }
        std::fs::remove_dir_all(journal.parent().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_listed_until_somebody_says_that_it_is_gone() {
    let (shop, journal) = (Shop::open(), journal());
    let cluster = cluster(&json!({"orders.yaml": ORDERS}), Duration::ZERO).await;
    let metadata =
        json!({"type": "load", "scenario": "load/orders.yaml", "base": shop.address, "duration": "200ms"});
    let server = start(writing(tester(&metadata, &cluster, &may_write()), &journal)).await;
    shop.refuse_to_delete();
    assert_eq!(server.post("/", &payload(&metadata)).await, said(202, ""));
    let all = server.until("/v1/runs", |all| all["leftovers"][0].is_object()).await;
    server.idle().await;
    let left = &all["leftovers"][0];
    assert_eq!((&left["canary"], &left["namespace"]), (&json!("podinfo"), &json!("test")));
    assert_eq!(left["leftovers"].as_array().unwrap().len() as u64, shop.made(), "{all}");
    assert!(left["leftovers"][0]["values"]["visit.id"].is_string(), "{all}");
    let path = format!("/v1/leftovers/{}", left["run"].as_str().unwrap());
    assert_eq!(server.send("DELETE", &path, "", "").await.0, 403);
    assert_eq!(server.send("DELETE", &path, &runner(), "").await.0, 200);
    assert_eq!(server.send("DELETE", &path, &runner(), "").await.0, 404);
    assert_eq!(server.until("/v1/runs", |_| true).await["leftovers"], json!([]));
    assert_eq!(std::fs::read_to_string(&journal).unwrap(), "");
    std::fs::remove_dir_all(journal.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn a_scenario_fills_up_real_traffic_that_is_read_from_the_pods() {
    let shop = Shop::open();
    let pods = MockServer::start().await;
    let page = ResponseTemplate::new(200).set_body_string("http_requests_total{status=\"200\"} 7\n");
    Mock::given(any()).respond_with(page).mount(&pods).await;
    let text = BROWSE.replace(
        "load: {target: \"{{ params.rate }}\",",
        "load: {mode: top-up, target: \"{{ params.rate }}\", real: {pods: \"{{ params.pods }}\", query: http_requests_total, scrape: 1s},",
    );
    let text = text.replace("rate: 40/s", "rate: 40/s, pods: null");
    let cluster = cluster(&json!({"browse.yaml": text, "items.csv": "id\n1\n"}), Duration::ZERO).await;
    let metadata = json!({"type": "load", "scenario": "load/browse.yaml", "base": shop.address,
        "param.pods": format!("{}/metrics", pods.uri())});
    let server = start(tester(&metadata, &cluster, &json!({}))).await;
    assert_eq!(server.post("/", &payload(&metadata)).await, said(202, ""));
    // A few of its own are to show up in the counter first.
    server.until("/v1/runs", |all| all["runs"][0]["top_up"]["state"] == "checking").await;
    server.state.queue.stop_all();
    server.idle().await;
    assert!(!pods.received_requests().await.unwrap().is_empty());
}
