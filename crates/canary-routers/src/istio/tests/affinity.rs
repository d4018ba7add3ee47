//! Session affinity: the rules for cookies over a whole rollout.

use canary_core::{Affinity, CookieAttributes, HeaderOperations, Headers};

use super::*;

/// A mesh for a canary with cookies, before its first rollout.
async fn mesh() -> Mesh {
    let affinity = Affinity {
        cookie_name: "flagger-cookie".into(),
        primary_cookie_name: Some("primary-cookie".into()),
        max_age: 3600,
        primary_max_age: 10,
        attributes: CookieAttributes {
            path: Some("/".into()),
            same_site: Some("Lax".into()),
            secure: true,
            ..CookieAttributes::default()
        },
        ..Affinity::default()
    };
    Mesh::new().with(|route| route.affinity = Some(affinity)).reconciled().await
}

impl Mesh {
    fn cookies(self, change: impl FnOnce(&mut Affinity)) -> Self {
        self.with(|route| change(route.affinity.as_mut().unwrap()))
    }

    fn started(self) -> Self {
        self.cookies(|cookies| {
            cookies.cookie = Some("flagger-cookie=abc".into());
            cookies.primary_cookie = Some("primary-cookie=xyz".into());
        })
    }

    fn ended(self) -> Self {
        self.cookies(|cookies| cookies.previous_cookie = cookies.cookie.take())
    }
}

#[tokio::test]
async fn a_rollout_adds_rules_for_both_cookies_and_expires_the_canarys_at_its_end() {
    let mesh = mesh().await;
    assert_eq!(mesh.http(), json!([{"route": split(100, 0)}]));

    let mesh = mesh.started();
    mesh.set(canary(20)).await;
    let attributes = "Path=/; SameSite=Lax; Secure";
    assert_eq!(
        mesh.http(),
        json!([
            {
                "match": [{"headers": {"Cookie": {"regex": ".*flagger-cookie.*abc.*"}}}],
                "route": split(0, 100),
            },
            {
                "match": [{"headers": {"Cookie": {"regex": ".*primary-cookie.*xyz.*"}}}],
                "route": split(100, 0),
            },
            {"route": [
                {
                    "destination": {"host": "podinfo-primary"},
                    "headers": {"response": {"add":
                        {"Set-Cookie": format!("primary-cookie=xyz; Max-Age=10; {attributes}")}}},
                    "weight": 80,
                },
                {
                    "destination": {"host": "podinfo-canary"},
                    "headers": {"response": {"add":
                        {"Set-Cookie": format!("flagger-cookie=abc; Max-Age=3600; {attributes}")}}},
                    "weight": 20,
                },
            ]},
        ])
    );
    assert_eq!(mesh.weights().await, canary(20));

    mesh.set(Weights::PRIMARY).await;
    let over = json!([
        {
            "headers": {"response": {"add": {"Set-Cookie": "flagger-cookie=abc; Max-Age=-1"}}},
            "match": [{"headers": {"Cookie": {"regex": ".*flagger-cookie.*abc.*"}}}],
            "route": split(100, 0),
        },
        {"route": split(100, 0)},
    ]);
    assert_eq!(mesh.http(), over);

    // The status now calls the same cookie the previous one.
    let writes = mesh.objects.writes();
    let mesh = mesh.ended();
    mesh.set(Weights::PRIMARY).await;
    mesh.reconcile().await;
    assert_eq!(mesh.objects.writes(), writes);
    assert_eq!(mesh.http(), over);
}

#[tokio::test]
async fn a_reconcile_between_the_steps_leaves_the_rules_for_cookies_alone() {
    let mesh = mesh().await.started();
    mesh.reconcile().await;
    assert_eq!(mesh.http(), json!([{"route": split(100, 0)}]));
    mesh.set(canary(20)).await;
    let (before, writes) = (mesh.http(), mesh.objects.writes());

    // Cookies that the status lost, or has not got yet, are no reason to rewrite routes.
    let mesh = mesh.cookies(|cookies| cookies.cookie = None);
    mesh.reconcile().await;
    assert_eq!((mesh.http(), mesh.objects.writes()), (before, writes));
}

#[tokio::test]
async fn a_repair_keeps_cookies_and_weights() {
    let mesh = mesh().await.started();
    mesh.set(canary(20)).await;
    let before = mesh.spec();
    mesh.edit(|object| object["spec"]["http"][2]["timeout"] = json!("1s"));
    mesh.reconcile().await;
    assert_eq!(mesh.spec(), before);
    mesh.edit(|object| object["spec"]["http"][2]["route"][0]["destination"]["port"] = json!({"number": 1}));
    mesh.reconcile().await;
    assert_eq!(mesh.spec(), before);
}

#[tokio::test]
async fn what_nobody_here_knows_survives_the_coming_and_going_of_rules() {
    let mesh = mesh().await.started();
    let marks = || {
        let http = mesh.http();
        http.as_array().unwrap().iter().map(|rule| rule.get("newFeature").is_some()).collect::<Vec<_>>()
    };
    mesh.edit(|object| object["spec"]["http"][0]["newFeature"] = json!("x"));
    mesh.set(canary(20)).await;
    assert_eq!(marks(), [true, true, true]);

    for sticky in [0, 1] {
        mesh.edit(|object| {
            drop(object["spec"]["http"][sticky].as_object_mut().unwrap().remove("newFeature"));
        });
    }
    mesh.set(canary(40)).await;
    assert_eq!(marks(), [false, false, true]);
    mesh.set(Weights::PRIMARY).await;
    assert_eq!(marks(), [true, true]);
}

#[tokio::test]
async fn cookies_go_when_the_canary_no_longer_asks_for_them() {
    let mesh = mesh().await.started();
    mesh.set(canary(20)).await;
    let mesh = mesh.with(|route| route.affinity = None).reconciled().await;
    assert_eq!(mesh.http(), json!([{"route": split(80, 20)}]));
}

#[tokio::test]
async fn a_renamed_cookie_does_not_make_the_live_rules_drift() {
    let mesh = mesh().await.started();
    mesh.set(canary(20)).await;
    let writes = mesh.objects.writes();
    let mesh = mesh.cookies(|cookies| cookies.cookie_name = "renamed".into());
    mesh.reconcile().await;
    assert_eq!(mesh.objects.writes(), writes);
}

#[tokio::test]
async fn the_mirror_is_on_the_rule_that_it_is_read_from() {
    let mesh = mesh().await.cookies(|cookies| cookies.previous_cookie = Some("flagger-cookie=old".into()));
    mesh.set(Weights::MIRROR).await;
    assert_eq!(mesh.weights().await, Weights::MIRROR);
    let http = mesh.http();
    assert!(http[0].get("mirror").is_none());
    assert_eq!(http[1]["mirror"], json!({"host": "podinfo-canary"}));
    let writes = mesh.objects.writes();
    mesh.reconcile().await;
    assert_eq!(mesh.objects.writes(), writes);
}

#[tokio::test]
async fn only_holders_of_the_old_cookie_are_told_to_forget_it() {
    let response =
        HeaderOperations { add: [("x-a".into(), "1".into())].into(), ..HeaderOperations::default() };
    let mesh = mesh().await.with(|route| {
        route.headers = Some(Headers { request: None, response: Some(response) });
    });
    let mesh = mesh.cookies(|cookies| cookies.previous_cookie = Some("flagger-cookie=old".into()));
    mesh.set(Weights::PRIMARY).await;
    let added = |rule: usize| mesh.http()[rule]["headers"]["response"]["add"].clone();
    assert_eq!(added(0), json!({"Set-Cookie": "flagger-cookie=old; Max-Age=-1", "x-a": "1"}));
    assert_eq!(added(1), json!({"x-a": "1"}));
}

#[tokio::test]
async fn every_attribute_has_its_place_and_special_letters_are_escaped() {
    let mesh = mesh().await.started().cookies(|cookies| {
        cookies.primary_cookie_name = None;
        cookies.max_age = 0;
        cookies.cookie = Some("app.id=a+b".into());
        cookies.attributes.domain = Some("example.com".into());
        (cookies.attributes.http_only, cookies.attributes.partitioned) = (true, true);
    });
    mesh.set(canary(20)).await;
    let http = mesh.http();
    assert_eq!(http.as_array().unwrap().len(), 2);
    assert_eq!(http[0]["match"][0]["headers"]["Cookie"]["regex"], r".*app\.id.*a\+b.*");
    assert_eq!(
        http[1]["route"][1]["headers"]["response"]["add"]["Set-Cookie"],
        "app.id=a+b; Max-Age=86400; Domain=example.com; HttpOnly; Partitioned; Path=/; SameSite=Lax; Secure"
    );
    assert!(http[1]["route"][0].get("headers").is_none());
}

#[tokio::test]
async fn a_cookie_stored_without_a_name_gets_the_configured_one() {
    let mesh = mesh().await.started().cookies(|cookies| cookies.primary_cookie = Some("=xyz".into()));
    mesh.set(canary(20)).await;
    let regex = &mesh.http()[1]["match"][0]["headers"]["Cookie"]["regex"];
    assert_eq!(regex, ".*primary-cookie.*xyz.*");
    let writes = mesh.objects.writes();
    mesh.reconcile().await;
    assert_eq!(mesh.objects.writes(), writes);
}

#[tokio::test]
async fn traffic_for_the_canary_without_a_cookie_is_refused_and_nothing_is_written() {
    let mesh = mesh().await;
    let writes = mesh.objects.writes();
    let error = mesh.router.set_weights(&mesh.route, canary(20)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "VirtualService podinfo.test update failed: session affinity needs the cookie of the canary"
    );
    assert_eq!((error.category(), mesh.objects.writes()), ("invalid", writes));
}
