//! Scenarios that lie in several files, and in Git repositories.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::runs::runner;
use super::scenarios::shop::Shop;
use super::scenarios::{BROWSE, cluster, tester};
use super::*;
use crate::flags::SourceLogin;

/// A forge with one file in a repository.
pub(super) async fn forge(file: &str, content: &str) -> MockServer {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, format!("load-v1/{file}"), content.as_bytes()).unwrap();
    let archive = archive.into_inner().unwrap().finish().unwrap();
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_bytes(archive);
    Mock::given(path("/shop/load/archive/v1.tar.gz")).respond_with(answer).mount(&server).await;
    server
}

#[tokio::test]
async fn a_scenario_of_a_repository_is_played_with_the_overlays_of_its_hook() {
    let (shop, forge) = (Shop::open(), forge("a/browse.yaml", BROWSE).await);
    let night = "name: night\nflows:\n- {name: look, steps: [{get: /night}]}\n";
    let data = json!({"night.yaml": night, "quiet.yaml": "feeds: null\nsources: null\n"});
    let cluster = cluster(&data, Duration::ZERO).await;
    let metadata = json!({"type": "load", "base": shop.address, "duration": "300ms",
        "scenario": format!("git:{}/shop/load//a/browse.yaml?ref=v1", forge.uri()),
        "overlay": "load/night.yaml load/quiet.yaml"});
    let server = start(tester(&metadata, &cluster, &json!({}))).await;
    assert_eq!(server.post("/", &payload(&metadata)).await, said(202, ""));
    let all = server.until("/v1/runs", |all| all["runs"][0]["scenario"]["rules"].is_array()).await;
    let run = &all["runs"][0];
    assert_eq!(run["name"], "night", "{run}");
    assert_eq!(run["scenario"]["overlays"].as_array().map(Vec::len), Some(2), "{run}");
    let requests = shop.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request == "GET /night"), "{requests:?}");
}

#[tokio::test]
async fn what_is_wrong_with_an_overlay_is_said_of_it() {
    let data = json!({"browse.yaml": BROWSE, "items.csv": "id\n1\n", "wrong.yaml": "load: {target: fast}\n"});
    let cluster = cluster(&data, Duration::ZERO).await;
    let server = start(tester(&json!({}), &cluster, &json!({}))).await;
    for (overlay, status, why) in [
        ("load/wrong.yaml", 400, "load/wrong.yaml:1: load.target: \"fast\" is no rate"),
        ("judge: [\"p99 > 1s\", nothing < 1]", 400, "overlay 1:1: judge[1]: "),
        ("load/none.yaml", 424, "source of overlay 1: ConfigMap test/load has no key \"none.yaml\""),
        ("none.yaml", 400, "overlay: \"none.yaml\" is nothing that can be fetched"),
        ("https://other.example/a.yaml", 424, "other.example is not a trusted host"),
    ] {
        let body = payload(&json!({"scenario": "load/browse.yaml", "overlay": overlay})).to_string();
        let (found, said) = server.send("POST", "/v1/runs", &runner(), &body).await;
        assert!(found == status && said.contains(why), "{overlay}: {found} {said}");
    }
}

/// The login is in a Secret of the load tester's namespace, which canaries of this namespace may use.
#[tokio::test]
async fn a_scenario_of_a_private_repository_is_played_and_its_login_is_told_nowhere() {
    const TOKEN: &str = "hush-hush-token";
    let (shop, public) = (Shop::open(), forge("browse.yaml", &BROWSE.replace("browse", "private")).await);
    let forge = MockServer::start().await;
    let to = format!("{}/shop/load/archive/v1.tar.gz", public.uri());
    Mock::given(path("/shop/load/archive/v1.tar.gz"))
        .and(header("authorization", format!("Bearer {TOKEN}").as_str()))
        .respond_with(ResponseTemplate::new(302).insert_header("location", to))
        .mount(&forge)
        .await;
    let cluster = cluster(&json!({"items.csv": "id\n1\n"}), Duration::ZERO).await;
    let secret = json!({"metadata": {"name": "git"}, "data": {"token": BASE64_STANDARD.encode(TOKEN)}});
    Mock::given(path("/api/v1/namespaces/tools/secrets/git"))
        .respond_with(ResponseTemplate::new(200).set_body_json(secret))
        .mount(&cluster)
        .await;
    let metadata = json!({"type": "load", "base": shop.address, "duration": "300ms",
        "scenario": format!("git:{}/shop/load//browse.yaml?ref=v1", forge.uri())});
    let with = |namespace: &str| {
        let state = tester(&metadata, &cluster, &json!({}));
        let login = SourceLogin::parse(&format!("{}=git@{namespace}", forge.address())).unwrap();
        let scenarios = Scenarios { logins: Arc::new([login]), ..state.scenarios };
        State { scenarios, ..state }
    };
    let server = start(with("other")).await;
    let (status, why) = server.post("/", &payload(&metadata)).await;
    assert!(status == 424 && why.contains("if it is private, it takes a login"), "{status} {why}");
    let server = start(with("test")).await;
    assert_eq!(server.post("/", &payload(&metadata)).await, said(202, ""));
    let all = server.until("/v1/runs", |all| all["runs"][0]["scenario"]["rules"].is_array()).await;
    assert_eq!(all["runs"][0]["name"], "private", "{all}");
    let at = format!("/v1/runs/{}/report", all["runs"][0]["id"].as_str().unwrap());
    let (_, report) = server.send("GET", &at, &runner(), "").await;
    assert!(!all.to_string().contains("hush") && !report.contains("hush"), "{all} {report}");
    let received = public.received_requests().await.unwrap();
    assert!(
        !received.is_empty() && received.iter().all(|request| !request.headers.contains_key("authorization"))
    );
}
