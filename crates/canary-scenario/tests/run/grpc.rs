//! Scenarios that call gRPC methods.

use std::collections::BTreeMap;

use base64::Engine;
use bytes::Bytes;
use canary_scenario::{Mistakes, Scenario, Setting};

use super::grpc_shop::{GrpcShop, descriptors};
use super::run;

fn setting(shop: &GrpcShop) -> Setting {
    Setting { base: Some(shop.address.clone()), run: "run-1".into(), writes: true, ..Setting::default() }
}

/// Descriptors in base64, as a text holds them.
fn with_descriptors(text: &str) -> String {
    text.replace("DESCRIPTORS", &base64::engine::general_purpose::STANDARD.encode(descriptors()))
}

const ORDER: &str = r#"
name: orders
load: {target: 200/s, requests: 20, arrivals: even}
base: http://unused
sources:
  shop: {inline: "DESCRIPTORS"}
  users: {inline: "sku,count\na,2\n"}
feeds: {user: {from: users, format: csv}}
headers: {x-tenant: synthetic}
flows:
- name: order
  writes: true
  steps:
  - grpc: shop.v1.Orders/Make
    descriptors: shop
    message: {sku: "{{ user.sku }}", itemCount: "{{ user.count | int }}"}
    capture: {id: "json $.id"}
    check: ["grpc OK", "json $.totalCents == 500", "latency < 5s"]
  - grpc: shop.v1.Orders/Look
    descriptors: shop
    message: {id: "{{ id }}"}
    check: ["json $.id exists"]
  - grpc: shop.v1.Orders/Look
    descriptors: shop
    message: {id: missing}
    check: ["grpc NOT_FOUND"]
    capture: {how: grpc}
  cleanup:
  - grpc: shop.v1.Orders/Remove
    descriptors: shop
    message: {id: "{{ id }}"}
    check: ["grpc OK, NOT_FOUND"]
"#;

#[tokio::test]
async fn calls_take_templates_are_checked_and_captured_and_are_taken_back() {
    let shop = GrpcShop::open();
    let outcome = run(&with_descriptors(ORDER), &setting(&shop)).await;
    assert_eq!((outcome.load.sent, outcome.load.counts().errors()), (60, 0), "{:?}", outcome.complaints);
    assert_eq!(outcome.load.grpc, [("OK", 40), ("NOT_FOUND", 20)].into());
    assert_eq!(shop.orders(), (0, 20));
    assert_eq!((outcome.cleanup.removed, outcome.cleanup.leftovers.len()), (20, 0));
    let calls = shop.calls();
    assert!(calls.iter().any(|call| call == "Make sku:\"a\",item_count:2 synthetic"), "{calls:?}");
    assert_eq!(outcome.load.steps[1].step, "gRPC shop.v1.Orders/Look");
}

#[tokio::test]
async fn a_status_that_is_not_ok_is_an_error_of_its_own_and_is_told_in_words() {
    let shop = GrpcShop::open();
    let text = with_descriptors(ORDER).replace("check: [\"grpc NOT_FOUND\"]", "check: []");
    let outcome = run(&text, &setting(&shop)).await;
    assert_eq!(outcome.load.errors, [("grpc", 20)].into());
    let told = &outcome.complaints[0];
    assert_eq!((told.what.as_str(), told.times), ("the gRPC status was NOT_FOUND: no such order", 20));
    let text = with_descriptors(ORDER).replace("grpc NOT_FOUND", "grpc 0");
    let outcome = run(&text, &setting(&shop)).await;
    assert_eq!(outcome.load.errors, [("check", 20)].into());
    let told = &outcome.complaints[0].what;
    assert_eq!(told, "check \"grpc 0\": the gRPC status was NOT_FOUND: no such order");
}

#[tokio::test]
async fn a_flow_without_descriptors_of_its_own_may_ask_for_health() {
    let text = r#"
name: health
load: {target: 100/s, requests: 2}
base: http://127.0.0.1:9
flows:
- name: health
  steps: [{grpc: grpc.health.v1.Health/Check, message: {service: "{{ uuid }}"}, check: ["json $.status == SERVING"]}]
"#;
    let outcome = run(text, &Setting::default()).await;
    assert_eq!(outcome.load.errors, [("connect", 2)].into());
}

fn mistakes(text: &str) -> String {
    let scenario = Scenario::parse("test.yaml", &with_descriptors(text));
    scenario.err().unwrap_or_else(|| Mistakes(Vec::new())).to_string()
}

#[test]
fn mistakes_in_calls_are_named_with_their_line_and_field() {
    for (from, to, told) in [
        ("shop.v1.Orders/Look", "shop.v1.Orders/Lok", "has no such method; it has Make, Look, Remove"),
        (
            "message: {id: missing}",
            "message: {ident: missing}",
            "25: flows[0].steps[2].message: it is no message shop.v1.Which",
        ),
        (
            "message: {id: missing}",
            "body: x",
            "flows[0].steps[2].body: a step with grpc has a message instead",
        ),
        (
            "descriptors: shop",
            "descriptors: shp",
            "flows[0].steps[0].descriptors: there is no source \"shp\"",
        ),
        ("grpc NOT_FOUND", "grpc MISSING", "\"MISSING\" is no gRPC status"),
        ("grpc NOT_FOUND", "status 404", "flows[0].steps[2].check[0]: a step with grpc has a gRPC status"),
        ("  - grpc: shop.v1.Orders/Make", "  - get: /", "only a step with grpc has it"),
        ("  writes: true\n", "", "flows[0].steps[0].grpc: it sends gRPC, which may change something"),
        ("arrivals: even", "protocol: http1", "load.protocol: gRPC needs http2"),
        (
            "inline: \"DESCRIPTORS\"",
            "inline: \"proto\"",
            "the data of \"shop\": it is neither a descriptor set",
        ),
        (
            "inline: \"DESCRIPTORS\"",
            "file: shop.binpb",
            "flows[0].cleanup[0].descriptors: a clean-up has to work after",
        ),
    ] {
        let text = ORDER.replacen(from, to, 1);
        assert_ne!(text, ORDER, "{from}");
        let found = mistakes(&text);
        assert!(found.contains(told), "{to}: {found}");
    }
    assert_eq!(mistakes(ORDER), "");
}

/// A flow that only looks.
const LOOK: &str = r#"
name: look
load: {target: 200/s, requests: 4}
base: http://unused
sources: {shop: {file: shop.binpb}}
flows:
- name: look
  steps: [{grpc: shop.v1.Orders/Look, descriptors: shop, message: {id: a}, check: ["grpc NOT_FOUND"]}]
"#;

#[tokio::test]
async fn descriptors_that_are_fetched_are_known_when_the_run_begins() {
    let shop = GrpcShop::open();
    let prepare = |text: &str, data: &[(&str, Vec<u8>)]| {
        let data: BTreeMap<String, Bytes> =
            data.iter().map(|(name, bytes)| ((*name).to_owned(), Bytes::copy_from_slice(bytes))).collect();
        let setting = Setting { writes: false, ..setting(&shop) };
        Scenario::parse("look.yaml", text)
            .unwrap()
            .prepare(&setting, &data)
            .map_err(|error| error.to_string())
    };
    let ready = prepare(LOOK, &[("shop", descriptors())]).unwrap();
    let report = canary_load::Engine::start(ready.plan).unwrap().finish().await.unwrap();
    assert_eq!((report.sent, report.counts().errors()), (4, 0), "{report}");

    let missing = prepare(LOOK, &[]).err().unwrap();
    assert!(missing.contains("steps[0].descriptors: the data of \"shop\" was not fetched"), "{missing}");
    // Only now it is known that the method may change something.
    let text = LOOK.replace("Orders/Look", "Orders/Remove");
    let writes = prepare(&text, &[("shop", descriptors())]).err().unwrap();
    assert!(writes.contains("or the step read-only: true"), "{writes}");
    let text = text.replace("message:", "read-only: true, message:");
    assert!(prepare(&text, &[("shop", descriptors())]).is_ok());
}
