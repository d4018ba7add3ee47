//! Session affinity: the rules for cookies over a whole rollout.

use canary_core::{Affinity, HeaderOperations, Headers};

use super::*;

async fn mesh(version: &'static str) -> Mesh {
    let affinity = Affinity {
        cookie_name: "flagger-cookie".into(),
        primary_cookie_name: Some("primary-cookie".into()),
        max_age: 3600,
        primary_max_age: 10,
        ..Affinity::default()
    };
    Mesh::new(version).with(|route| route.affinity = Some(affinity)).reconciled().await.with(|route| {
        let cookies = route.affinity.as_mut().unwrap();
        cookies.cookie = Some("flagger-cookie=abc".into());
        cookies.primary_cookie = Some("primary-cookie=xyz".into());
    })
}

fn holders(regex: &str) -> Value {
    json!([{
        "path": {"type": "PathPrefix", "value": "/"},
        "headers": [{"name": "Cookie", "type": "RegularExpression", "value": regex}],
    }])
}

fn set_cookie(text: &str) -> Value {
    let add = json!([{"name": "Set-Cookie", "value": text}]);
    json!([{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": add}}])
}

#[tokio::test]
async fn a_rollout_adds_rules_for_both_cookies_and_expires_the_canarys_at_its_end() {
    let mesh = mesh("v1").await;
    mesh.set(canary(20)).await;
    let mut weighted = split(80, 20);
    weighted[0]["filters"] = set_cookie("primary-cookie=xyz; Max-Age=10");
    weighted[1]["filters"] = set_cookie("flagger-cookie=abc; Max-Age=3600");
    let everyone = json!([{"path": {"type": "PathPrefix", "value": "/"}}]);
    let expected = json!([
        {"matches": holders(".*flagger-cookie.*abc.*"), "backendRefs": split(0, 100)},
        {"matches": holders(".*primary-cookie.*xyz.*"), "backendRefs": split(100, 0)},
        {"matches": everyone, "backendRefs": weighted},
    ]);
    assert_eq!(mesh.rules(), expected);
    assert_eq!(mesh.weights().await, canary(20));

    // Cookies that the status lost, or has not got yet, are no reason to rewrite routes.
    let writes = mesh.objects.writes();
    let mesh = mesh.with(|route| route.affinity.as_mut().unwrap().cookie = None);
    mesh.reconcile().await;
    assert_eq!(mesh.objects.writes(), writes);
    mesh.edit(|object| object["spec"]["hostnames"] = json!(["elsewhere"]));
    mesh.reconcile().await;
    assert_eq!((mesh.rules(), &mesh.stored()["spec"]["hostnames"][0]), (expected, &json!("app.example.com")));

    let mesh = mesh.with(|route| {
        route.affinity.as_mut().unwrap().previous_cookie = Some("flagger-cookie=abc".into());
    });
    mesh.set(Weights::PRIMARY).await;
    let over = json!([
        {
            "matches": holders(".*flagger-cookie.*abc.*"),
            "filters": set_cookie("flagger-cookie=abc; Max-Age=-1"),
            "backendRefs": split(100, 0),
        },
        {"matches": everyone, "backendRefs": split(100, 0)},
    ]);
    assert_eq!(mesh.rules(), over);
    let writes = mesh.objects.writes();
    mesh.set(Weights::PRIMARY).await;
    mesh.reconcile().await;
    assert_eq!(mesh.objects.writes(), writes);
}

#[tokio::test]
async fn v1beta1_knows_the_cookie_of_the_canary_only() {
    let mesh = mesh("v1beta1").await;
    mesh.set(canary(20)).await;
    let rules = mesh.rules();
    assert_eq!(rules.as_array().unwrap().len(), 2);
    assert!(rules[1]["backendRefs"][0].get("filters").is_none());
    assert_eq!(rules[1]["backendRefs"][1]["filters"], set_cookie("flagger-cookie=abc; Max-Age=3600"));
}

#[tokio::test]
async fn a_rule_never_gets_two_filters_for_the_headers_of_answers() {
    let mesh = mesh("v1").await.with(|route| {
        let response =
            HeaderOperations { add: [("x-a".into(), "1".into())].into(), ..HeaderOperations::default() };
        route.headers = Some(Headers { request: None, response: Some(response) });
    });
    mesh.set(Weights::PRIMARY).await;
    let filters = mesh.rules()[0]["filters"].clone();
    assert_eq!(filters.as_array().unwrap().len(), 1);
    let names: Vec<_> =
        filters[0]["responseHeaderModifier"]["add"].as_array().unwrap().iter().map(|h| &h["name"]).collect();
    assert_eq!(names, ["x-a", "Set-Cookie"]);
    assert_eq!(mesh.rules()[1]["filters"][0]["responseHeaderModifier"]["add"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn traffic_for_the_canary_without_a_cookie_is_refused() {
    let mesh = mesh("v1").await.with(|route| route.affinity.as_mut().unwrap().cookie = None);
    let writes = mesh.objects.writes();
    let error = mesh.router.set_weights(&mesh.route, canary(20)).await.unwrap_err();
    assert_eq!(error.to_string(), "session affinity needs the cookie of the canary");
    assert_eq!(mesh.objects.writes(), writes);
}
