use crate::Scenario;

const BASE: &str = r#"
name: shop
load: {target: 50/s, duration: 2m, connections: 7}
base: http://shop.test
params: {tenant: a, version: 1.10}
sources: {users: {inline: "item\n1\n"}}
feeds: {user: {from: users, format: csv}}
flows:
- name: browse
  weight: 80
  steps:
  - get: "/items/{{ user.item }}"
    check: ["status 200"]
  - pause: 1s
  - name: detail
    get: /detail
    headers: {x-tenant: a, x-version: 1.10}
- name: order
  weight: 20
  writes: true
  steps:
  - {name: place, post: /orders, json: {sku: a, note: null, count: 007}}
judge: ["errors < 1%", "p99 < 300ms"]
"#;

fn with(overlays: &[&str]) -> Result<Scenario, String> {
    let mut files = vec![("base.yaml".to_owned(), BASE.to_owned())];
    files.extend(overlays.iter().enumerate().map(|(n, text)| (format!("o{n}.yaml"), (*text).to_owned())));
    Scenario::layered(&files).map_err(|mistakes| mistakes.to_string())
}

fn json(scenario: &Scenario) -> serde_json::Value {
    serde_json::to_value(scenario.spec()).unwrap()
}

#[test]
fn mappings_are_merged_and_null_removes() {
    let scenario =
        with(&["load: {target: 5/s, connections: null, seed: null}\n", "load: {target: 9/s}\n"]).unwrap();
    let load = &json(&scenario)["load"];
    assert_eq!((&load["target"], &load["duration"]), (&"9/s".into(), &"2m".into()));
    assert!(load["connections"].is_null());
}

#[test]
fn flows_and_steps_are_merged_by_name_and_the_rest_stays_in_its_order() {
    let overlay = r#"
flows:
- name: order
  steps: [{name: place, headers: {x-a: b}}, {name: look, get: /orders}]
- name: browse
  weight: 10
  steps: [{name: "GET /items/{{ user.item }}", check: ["status 200..204"]}, {name: detail, headers: {x-tenant: null}}]
- name: new
  steps: [{get: /new, headers: {x-none: null}}]
"#;
    let scenario = json(&with(&[overlay]).unwrap());
    let flows = scenario["flows"].as_array().unwrap();
    assert_eq!(flows.iter().map(|flow| &flow["name"]).collect::<Vec<_>>(), ["browse", "order", "new"]);
    let steps = &flows[0]["steps"];
    assert_eq!((&flows[0]["weight"], steps.as_array().unwrap().len()), (&10.0.into(), 3));
    assert_eq!(
        (&steps[0]["check"][0], &steps[0]["get"]),
        (&"status 200..204".into(), &"/items/{{ user.item }}".into())
    );
    assert!(steps[0]["name"].is_null());
    assert_eq!(steps[2]["headers"], serde_json::json!({"x-version": "1.10"}));
    assert_eq!(
        (&flows[1]["steps"][0]["post"], &flows[1]["steps"][1]["get"]),
        (&"/orders".into(), &"/orders".into())
    );
    assert_eq!(flows[2]["steps"][0]["headers"], serde_json::json!({}));
}

#[test]
fn other_lists_and_lists_without_names_take_the_place_of_those_before() {
    let overlay = "judge: []\nflows: [{name: browse, steps: [{get: /a}, {get: /b}]}]\n";
    let scenario = json(&with(&[overlay]).unwrap());
    assert_eq!(scenario["judge"], serde_json::json!([]));
    assert_eq!(scenario["flows"][0]["steps"].as_array().unwrap().len(), 2);
    let whole = "flows: [{$patch: replace}, {name: only, steps: [{get: /}]}]\nsources: {users: {$patch: replace, url: \"https://a.test/u\"}}\nfeeds: {user: null}\n";
    let scenario = json(&with(&[whole]).unwrap());
    assert_eq!(scenario["flows"].as_array().unwrap().len(), 1);
    assert!(scenario["sources"]["users"]["inline"].is_null() && scenario["feeds"].get("user").is_none());
}

#[test]
fn a_flow_is_deleted_by_its_name() {
    let scenario = json(&with(&["flows: [{name: order, $patch: delete}]\n"]).unwrap());
    assert_eq!(scenario["flows"].as_array().unwrap().len(), 1);
    let error = with(&["flows:\n- {name: oder, $patch: delete}\n"]).unwrap_err();
    assert_eq!(error, "o0.yaml:2: flows[0]: there is no flow \"oder\" to delete; known are browse, order");
}

#[test]
fn null_is_a_value_in_bodies_and_parameters_and_bodies_are_replaced_whole() {
    let overlay =
        "params: {tenant: null}\nflows: [{name: order, steps: [{name: place, json: {sku: null}}]}]\n";
    let scenario = json(&with(&[overlay]).unwrap());
    assert_eq!(scenario["params"]["tenant"], serde_json::Value::Null);
    assert!(scenario["params"].as_object().unwrap().contains_key("tenant"));
    assert_eq!(scenario["flows"][1]["steps"][0]["json"], serde_json::json!({"sku": null}));
}

/// What is merged is read in the same way as a file by itself.
#[test]
fn words_stay_as_they_were_written() {
    let merged = with(&["{}\n"]).unwrap();
    let alone = Scenario::parse("base.yaml", BASE).unwrap();
    assert_eq!(json(&merged), json(&alone));
    assert_eq!(json(&merged)["flows"][0]["steps"][2]["headers"]["x-version"], "1.10");
    // And what it comes to is a file of its own.
    assert_eq!(json(&Scenario::parse("again", merged.text()).unwrap()), json(&alone));
}

#[test]
fn a_mistake_is_said_of_the_file_and_the_field_where_it_stands() {
    for (overlays, expected) in [
        (
            vec![
                "load: {target: 9/s}\n",
                "name: x\nflows:\n- name: order\n  steps:\n  - name: place\n    check: [\"statsu 200\"]\n",
            ],
            "o1.yaml:6: flows[0].steps[0].check[0]: \"statsu 200\" is no check",
        ),
        (vec!["load:\n  target: fast\n"], "o0.yaml:2: load.target: \"fast\" is no rate"),
        (vec!["load: {target: null}\n"], "base.yaml:3: load.target: it is missing"),
        (vec!["\nlaod: {target: 1/s}\n"], "o0.yaml:2: laod: unknown field"),
        (vec!["load: {target: 1/s\n"], "o0.yaml:"),
        (vec!["- a\n"], "o0.yaml:1: it takes fields"),
        (vec!["flows:\n- {name: order, weight: 1}\n- {weight: 2}\n"], "o0.yaml:3: flows[1]: it has no name"),
        (
            vec!["load: {$patch: merge}\n"],
            "o0.yaml:1: load.$patch: \"merge\" is not known; known are replace and delete",
        ),
        (vec!["load: {$patch: delete}\n"], "of anything else null removes it"),
    ] {
        let error = with(&overlays).unwrap_err();
        assert!(error.contains(expected), "{error}\n{expected}");
    }
}

#[test]
fn of_several_steps_with_one_name_none_is_taken_for_the_other() {
    let twice = BASE.replace("name: detail\n    get: /detail", "get: \"/items/{{ user.item }}\"");
    let files = [
        ("base.yaml".to_owned(), twice),
        (
            "o.yaml".to_owned(),
            "flows: [{name: browse, steps: [{name: \"GET /items/{{ user.item }}\", check: []}]}]\n"
                .to_owned(),
        ),
    ];
    let error = Scenario::layered(&files).unwrap_err().to_string();
    assert!(error.contains("o.yaml:1: flows[0].steps[0]: 2 steps are called"), "{error}");
}

/// What is laid over is not what the test above has: anchors, texts of several lines, and words that could be numbers.
#[test]
fn anchors_long_texts_and_odd_words_come_through_a_merge() {
    let base = r#"
name: "007"
load: {target: &rate 1.50, duration: 1m}
base: http://shop.test
params: {one: *rate, yes: "yes", empty: "", hex: 0x1F, text: "a: b # c", "odd key: x": ok}
headers: &common {x-a: "1.0", x-b: 'it''s'}
flows:
- name: a
  steps:
  - post: /
    headers: {<<: *common, x-c: "\u00e9"}
    body: |
      first: {{ params.one }}

      last
  writes: true
"#;
    let alone = Scenario::parse("base.yaml", base).unwrap();
    let files = [("base.yaml".to_owned(), base.to_owned()), ("o.yaml".to_owned(), "{}\n".to_owned())];
    let merged = Scenario::layered(&files).unwrap();
    assert_eq!(json(&merged), json(&alone));
    assert_eq!(merged.name(), "007");
    let again = Scenario::parse("again", merged.text()).unwrap();
    assert_eq!(json(&again), json(&alone), "{}", merged.text());
}

#[test]
fn hostile_files_cost_no_more_than_their_size() {
    let deep = format!("params: {{a: {}1{}}}\n", "[".repeat(40), "]".repeat(40));
    let error = with(&[&deep]).unwrap_err();
    assert!(error.starts_with("o0.yaml:1: ") && error.contains("depth"), "{error}");
    // Each of these items has a name of a thousand letters.
    let wide = format!("params: {{{}: [{}]}}\n", "k".repeat(1000), "1, ".repeat(20_000));
    let scenario = with(&[&wide]).unwrap();
    assert!(scenario.text().len() < 1_000_000, "{}", scenario.text().len());
}
