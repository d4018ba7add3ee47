use std::collections::BTreeMap;

use canary_egress::Egress;
use serde_json::json;
use wiremock::matchers::{header, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::fetch::Fetched;

const USERS: &str = "item\n1\n";

/// A registry with an artifact of two files, which wants a token of anybody. Its address without a scheme.
async fn registry(users: &str) -> (MockServer, String, String) {
    let server = MockServer::start().await;
    let host = server.uri().replace("http://", "");
    let layer = |title: &str, content: &str, size: usize| json!({"digest": format!("sha256:{}", digest(content.as_bytes())), "size": size, "annotations": {(TITLE): title}});
    let layers = [layer("users.csv", USERS, USERS.len()), layer("large.csv", "x", 1 << 40)];
    let manifest = json!({"schemaVersion": 2, "layers": layers}).to_string();
    let manifest_digest = digest(manifest.as_bytes());
    for reference in ["v1".to_owned(), format!("sha256:{manifest_digest}")] {
        Mock::given(path(format!("/v2/shop/load/manifests/{reference}")))
            .and(header("authorization", "Bearer anybody"))
            .respond_with(ResponseTemplate::new(200).set_body_string(manifest.clone()))
            .mount(&server)
            .await;
    }
    let blob = format!("/v2/shop/load/blobs/sha256:{}", digest(USERS.as_bytes()));
    // As registries do whose blobs are stored elsewhere.
    let elsewhere = ResponseTemplate::new(307).insert_header("location", "/store/users");
    Mock::given(path(blob))
        .and(header("authorization", "Bearer anybody"))
        .respond_with(elsewhere)
        .mount(&server)
        .await;
    let stored = ResponseTemplate::new(200).set_body_string(users);
    Mock::given(path("/store/users")).respond_with(stored).mount(&server).await;
    Mock::given(path("/token"))
        .and(query_param("scope", "repository:shop/load:pull"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"token": "anybody"})))
        .mount(&server)
        .await;
    let challenge = format!(
        "Bearer realm=\"{}/token\",service=\"registry\",scope=\"repository:shop/load:pull\"",
        server.uri()
    );
    let refused = ResponseTemplate::new(401).insert_header("www-authenticate", challenge.as_str());
    Mock::given(wiremock::matchers::any()).respond_with(refused).with_priority(9).mount(&server).await;
    (server, host, manifest_digest)
}

async fn fetch(hosts: &[&str], oci: &str) -> Result<Fetched, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    let fetcher = Fetcher::guarded(Egress::default(), hosts).unwrap();
    let sources = serde_json::from_value(json!({"users": {"oci": oci}})).unwrap();
    fetcher.fetch(&sources, None, &BTreeMap::new()).await
}

#[tokio::test]
async fn a_file_of_an_artifact_comes_by_tag_from_a_trusted_host_and_by_digest_from_any() {
    let (_server, host, digest) = registry(USERS).await;
    let by_tag = format!("{host}/shop/load:v1#users.csv");
    assert_eq!(fetch(&["127.0.0.1"], &by_tag).await.unwrap().data["users"], USERS);
    let error = fetch(&[], &by_tag).await.unwrap_err();
    assert!(error.contains("127.0.0.1 is not a trusted host; name it by @sha256:"), "{error}");
    let by_digest = format!("{host}/shop/load:v1@sha256:{digest}#users.csv");
    assert_eq!(fetch(&[], &by_digest).await.unwrap().data["users"], USERS);
}

#[tokio::test]
async fn what_is_not_what_it_should_be_is_not_taken() {
    let (_server, host, _) = registry("item\n2\n").await;
    for (reference, why) in [
        ("shop/load:v1#users.csv", "and has to be"),
        ("shop/load:v1", "it has several files; name one by #FILE of users.csv, large.csv"),
        ("shop/load:v1#none.csv", "it has no file \"none.csv\""),
        ("shop/load:v1#large.csv", "67108864 are the most"),
        ("shop/load:v2#users.csv", "answered 401"),
    ] {
        let error = fetch(&["*"], &format!("{host}/{reference}")).await.unwrap_err();
        assert!(error.contains(why), "{reference}: {error}");
    }
}

#[test]
fn references_have_the_parts_that_are_usual() {
    let hex = "ab".repeat(32);
    let parsed = Artifact::parse(&format!("localhost:5000/a/b-c:v1.2@sha256:{hex}#x.csv")).unwrap();
    assert_eq!((parsed.registry.as_str(), parsed.repository.as_str()), ("localhost:5000", "a/b-c"));
    assert_eq!(
        (parsed.tag.as_str(), parsed.digest, parsed.file.as_deref()),
        ("v1.2", Some(hex), Some("x.csv"))
    );
    let plain = Artifact::parse("registry.example/shop").unwrap();
    assert_eq!(
        plain.address("manifests", &plain.tag).unwrap().as_str(),
        "https://registry.example/v2/shop/manifests/latest"
    );
    for wrong in
        ["", "shop", "a/../b", "a/b:", "a//b", "user:pw@a/b", "a/b@md5:00", "a/b@sha256:00", "a/b#", "a/b?c"]
    {
        assert!(Artifact::parse(wrong).is_err(), "{wrong}");
    }
}
