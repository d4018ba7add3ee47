//! What is wrong with a file is said with its line, its field and what would be right.

use canary_scenario::{Scenario, Setting};

const GOOD: &str = r#"name: shop
load: {target: "{{ params.rate }}", max: 300/s, duration: 1s}
base: "http://{{ canary.service }}.{{ canary.namespace }}:9898/api"
params: {rate: 20/s, tenant: null}
sources:
  users: {inline: "a\nb"}
feeds:
  user: {from: users, format: lines}
flows:
- name: browse
  steps:
  - get: "/items/{{ user }}"
    headers: {x-tenant: "{{ params.tenant }}"}
    capture: {id: "json $.id"}
    check: ["status 200"]
  - pause: 1s..3s
  - get: "/items/{{ id }}"
judge: ["p99 < 300ms"]
"#;

fn mistakes(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    match Scenario::parse("shop.yaml", &GOOD.replace(from, to)) {
        Ok(_) => String::new(),
        Err(all) => all.to_string(),
    }
}

#[test]
fn a_good_file_is_fine() {
    Scenario::parse("shop.yaml", GOOD).unwrap_or_else(|mistakes| panic!("{mistakes}"));
}

#[test]
fn mistakes_have_a_line_a_field_and_what_would_be_right() {
    for (from, to, said) in [
        ("get: \"/items/{{ id }}\"", "gett: /", "shop.yaml:17: flows[0].steps[2].gett: unknown field"),
        ("status 200", "statsu 200", "shop.yaml:15: flows[0].steps[0].check[0]: \"statsu 200\" is no check"),
        ("json $.id", "json id[", "shop.yaml:14: flows[0].steps[0].capture.id: \"id[\" is no JSON path"),
        (
            "{{ id }}",
            "{{ ids }}",
            "shop.yaml:17: flows[0].steps[2].get: ids is not known here; known are canary, id,",
        ),
        (
            "params.rate",
            "params.rat",
            "shop.yaml:2: load.target: params.rat is not known; of params known are rate, tenant",
        ),
        ("canary.service", "canary.svc", "shop.yaml:3: base: canary.svc is not known"),
        ("1s..3s", "3", "shop.yaml:16: flows[0].steps[1].pause: \"3\" is no length of time"),
        ("max: 300/s", "max: 300/d", "shop.yaml:2: load.max: \"300/d\" is no rate"),
        (
            "from: users",
            "from: user",
            "shop.yaml:8: feeds.user.from: there is no source \"user\"; known are users",
        ),
        (", format: lines", "", "shop.yaml:8: feeds.user: it needs a format: csv, json or lines"),
        ("p99 < 300ms", "p99 < 300", "shop.yaml:18: judge[0]: \"300\" is no length of time"),
        (
            "p99 < 300ms",
            "flow buy: p99 < 1s",
            "shop.yaml:18: judge[0]: there is no flow \"buy\"; known are browse",
        ),
        (
            "get: \"/items/{{ user }}\"",
            "post: /a",
            "flows[0].steps[0].post: it sends POST, which may change something",
        ),
        ("inline: \"a\\nb\"", "inline: a, file: b", "shop.yaml:6: sources.users: it takes exactly one of"),
        ("inline: \"a\\nb\"", "file: ../b", "shop.yaml:6: sources.users.file: it takes a path below"),
        (
            "pause: 1s..3s",
            "pause: 1s\n    get: /",
            "shop.yaml:16: flows[0].steps[1]: it takes exactly one of",
        ),
        ("{{ user }}", "{{ user", "shop.yaml:12: flows[0].steps[0].get: the template"),
        ("duration: 1s", "mode: ramp", "shop.yaml:2: load.over: a ramp needs it"),
        ("duration: 1s", "mode: sideways", "shop.yaml:2: load.mode: unknown variant `sideways`"),
        ("name: shop\n", "", "shop.yaml:1: missing field `name`"),
        ("- name: browse\n  steps", "- weight: 2\n  steps", "shop.yaml:10: flows[0]: missing field `name`"),
        ("{from: users, ", "{", "shop.yaml:8: feeds.user: missing field `from`"),
        ("lines}", "lines, order: ranom}", "shop.yaml:8: feeds.user.order: unknown variant `ranom`"),
        ("name: browse", "weight: much", "flows[0].weight: it takes a number such as 1 or 0.5"),
        ("duration: 1s", "requests: many", "shop.yaml:2: load.requests: it takes a whole number such as 10"),
        ("max: 300/s", "max: 0/s", "shop.yaml:2: load.max: it sends nothing"),
        (
            "\"{{ params.rate }}\"",
            "0/s",
            "shop.yaml:2: load.target: it sends nothing; it takes a rate above 0",
        ),
        (
            "inline: \"a\\nb\"",
            "inline: \"\"",
            "shop.yaml:8: feeds.user: the data of \"users\": it has no row",
        ),
        (
            "format: lines}\nflows:\n- name: browse\n  steps:\n  - get: \"/items/{{ user }}\"",
            "format: csv}\nflows:\n- name: browse\n  steps:\n  - get: \"/items/{{ user.skuu }}\"",
            "shop.yaml:12: flows[0].steps[0].get: user.skuu is not known; the columns of \"users\" are a",
        ),
    ] {
        let all = mistakes(from, to);
        assert!(all.contains(said), "{to}\nsaid: {all}\nwanted: {said}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_their_lines() {
    let text = GOOD.replace("max: 300/s", "max: x").replace("status 200", "y").replace("p99 <", "z <");
    let all = Scenario::parse("shop.yaml", &text).unwrap_err();
    assert_eq!(all.0.iter().map(|mistake| mistake.line).collect::<Vec<_>>(), [2, 15, 18], "{all}");
}

#[test]
fn parameters_are_set_for_each_run_and_those_without_a_value_have_to_be() {
    let scenario = Scenario::parse("shop.yaml", GOOD).unwrap();
    let canary = canary_scenario::CanaryNames {
        name: "podinfo".into(),
        namespace: "test".into(),
        service: "podinfo-canary".into(),
        port: None,
    };
    let mut setting = Setting { canary: Some(canary), run: "r".into(), ..Setting::default() };
    let error = scenario.prepare(&setting, &std::collections::BTreeMap::new()).unwrap_err().to_string();
    assert_eq!(error, "shop.yaml:4: params.tenant: it has no value; it has to be set for each run");
    setting.params = [("tenant".to_owned(), "a".to_owned()), ("rate".to_owned(), "500/s".to_owned())].into();
    let ready = scenario.prepare(&setting, &std::collections::BTreeMap::new()).unwrap();
    assert_eq!(ready.plan.targets[0].to_string(), "http://podinfo-canary.test:9898");
    assert_eq!(ready.plan.flows[0].arm.as_deref(), Some("canary"));
    assert!((ready.most - 300.0).abs() < 1e-9, "{}", ready.most);
    setting.params.insert("tennant".to_owned(), String::new());
    let error = scenario.prepare(&setting, &std::collections::BTreeMap::new()).unwrap_err().to_string();
    assert!(error.contains("there is no parameter \"tennant\"; known are rate, tenant"), "{error}");
}

#[test]
fn a_run_that_nothing_ends_is_refused_where_it_has_to_end() {
    let text = |load: &str| {
        format!(
            "name: a\nload: {{{load}}}\nbase: http://a\nsources: {{r: {{inline: x}}}}\nfeeds: {{r: {{from: r, format: lines}}}}\nflows: [{{name: a, steps: [{{get: /}}]}}]\n"
        )
    };
    let prepared = |text: &str, setting: &Setting| -> Result<(), String> {
        let scenario = Scenario::parse("a.yaml", text).unwrap();
        let ready = scenario.prepare(setting, &std::collections::BTreeMap::new());
        ready.map(|_| ()).map_err(|mistakes| mistakes.to_string())
    };
    let here = Setting { must_end: true, ..Setting::default() };
    let error = prepared(&text("target: 5/s"), &here).unwrap_err();
    assert!(
        error.starts_with("a.yaml:2: load.duration: it is missing") && error.contains("--duration"),
        "{error}"
    );
    // A hook's life ends it as well.
    assert_eq!(prepared(&text("target: 5/s"), &Setting::default()), Ok(()));
    let given = Setting { duration: Some("1s".into()), ..here.clone() };
    assert_eq!(prepared(&text("target: 5/s"), &given), Ok(()));
    for load in [
        "target: 5/s, duration: 1s",
        "target: 5/s, requests: 9",
        "target: 5/s, mode: ramp, over: 1s",
        "mode: stages, stages: [{target: 5/s, for: 1s}, {target: 0/s, for: 1s}]",
    ] {
        assert_eq!(prepared(&text(load), &here), Ok(()), "{load}");
    }
    let queue = text("target: 5/s").replace("lines}", "lines, order: queue}");
    assert_eq!(prepared(&queue, &here), Ok(()));
}

#[test]
fn load_that_is_none_is_a_mistake() {
    let load = |load: &str| {
        let text =
            format!("name: a\nload: {{{load}}}\nbase: http://a\nflows: [{{name: a, steps: [{{get: /}}]}}]\n");
        Scenario::parse("a.yaml", &text).map(|_| ()).map_err(|mistakes| mistakes.to_string())
    };
    for (text, field) in [
        ("mode: ramp, over: 1s, target: 0/s", "load.target"),
        ("mode: ramp, over: 1s, from: 0/s, target: 0/s", "load.target"),
        ("mode: stages, stages: [{target: 0/s, for: 1s}]", "load.stages"),
    ] {
        let error = load(text).unwrap_err();
        assert!(error.contains(&format!("{field}: it sends nothing")), "{error}");
    }
    assert_eq!(load("mode: ramp, over: 1s, from: 9/s, target: 0/s"), Ok(()));
    assert_eq!(load("mode: stages, from: 5/s, stages: [{target: 0/s, for: 1s}]"), Ok(()));
}

#[test]
fn the_schema_knows_the_fields() {
    let schema = serde_json::to_string(&canary_scenario::schema()).unwrap();
    for field in ["on-fetch-error", "cleanup-at", "configMap", "capture", "top-up"] {
        assert!(schema.contains(&format!("\"{field}\"")), "{field}");
    }
}
