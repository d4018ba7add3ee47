use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use canary_egress::Egress;
use serde_json::{Value, json};
use wiremock::matchers::{any, header, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::fetch::digest;

const USERS: &str = "item\n1\n";
/// `me:hush-password`.
const BASIC: &str = "Basic bWU6aHVzaC1wYXNzd29yZA==";

/// Knows one login, for one host.
struct One(String, Login);

#[async_trait]
impl ClusterFiles for One {
    fn scope(&self) -> &str {
        &self.0
    }

    async fn config_map(&self, _: Option<&str>, _: &str, _: &str) -> Result<Bytes, String> {
        Err("none".to_owned())
    }

    async fn secret(&self, _: &str, _: &str) -> Result<Bytes, String> {
        Err("none".to_owned())
    }

    async fn login(&self, host: &str) -> Result<Option<Login>, String> {
        Ok((host == self.0).then(|| self.1.clone()))
    }
}

fn me() -> Login {
    Login::password("me", "hush-password")
}

async fn fetch(source: Value, login: Option<(&str, Login)>) -> Result<Bytes, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fetcher = Fetcher::guarded(Egress::default(), vec!["*".to_owned()]).unwrap();
    let sources = serde_json::from_value(json!({ "users": source })).unwrap();
    let cluster = login.map(|(host, login)| One(host.to_owned(), login));
    let cluster = cluster.as_ref().map(|one| one as &dyn ClusterFiles);
    let got = fetcher.fetch(&sources, cluster, &BTreeMap::new()).await;
    if let Err(why) = &got {
        assert!(!why.contains("hush"), "{why}");
    }
    got.map(|mut got| got.data.remove("users").unwrap())
}

fn host(server: &MockServer) -> String {
    server.address().to_string()
}

/// What is anywhere in requests of a login.
fn shown(requests: &[Request]) -> Vec<String> {
    let headers = requests.iter().filter_map(|request| request.headers.get("authorization"));
    headers.map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// Answers with `content` where somebody is logged in as `as_whom` says, and sends him elsewhere for it first.
async fn guarded_by(as_whom: &str, at: &str, to: String) -> MockServer {
    let server = MockServer::start().await;
    let sent_on = ResponseTemplate::new(302).insert_header("location", to);
    Mock::given(path(at)).and(header("authorization", as_whom)).respond_with(sent_on).mount(&server).await;
    server
}

async fn store(content: impl Into<Vec<u8>>) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/stored"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(content.into()))
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn a_private_repository_is_read_and_where_it_sends_on_to_sees_no_login() {
    let store = store(super::super::git::tests::archive()).await;
    let to = || format!("{}/stored?token=once", store.uri());
    let known = json!(digest(USERS.as_bytes()));
    for (login, as_whom) in [(me(), BASIC), (Login::token("hush-token"), "Bearer hush-token")] {
        let forge = guarded_by(as_whom, "/me/shop/archive/main.tar.gz", to()).await;
        let git = json!({"url": format!("{}/me/shop", forge.uri()), "ref": "main", "path": "load/users.csv"});
        for source in [json!({ "git": git }), json!({"git": git, "sha256": known})] {
            assert_eq!(fetch(source, Some((&host(&forge), login.clone()))).await.unwrap(), USERS);
        }
        assert_eq!(shown(&forge.received_requests().await.unwrap()), [as_whom, as_whom]);
        let error = fetch(json!({ "git": git }), None).await.unwrap_err();
        assert!(error.contains("answered 404 Not Found; if it is private, it takes a login"), "{error}");
    }
    let received = store.received_requests().await.unwrap();
    assert!(received.len() == 4 && shown(&received).is_empty(), "{received:?}");
}

#[tokio::test]
async fn an_address_that_sends_on_to_another_host_takes_no_login_there() {
    let store = store(USERS).await;
    let first = guarded_by(BASIC, "/users", format!("{}/stored", store.uri())).await;
    let source = json!({"url": format!("{}/users", first.uri()), "sha256": digest(USERS.as_bytes())});
    assert_eq!(fetch(source, Some((&host(&first), me()))).await.unwrap(), USERS);
    assert_eq!(shown(&first.received_requests().await.unwrap()), [BASIC]);
    let received = store.received_requests().await.unwrap();
    assert!(received.len() == 1 && shown(&received).is_empty(), "{received:?}");
}

/// A registry that wants what `challenge` says, and shows what it has to whoever brings `as_whom`.
async fn registry(challenge: &str, as_whom: &str, blobs: &MockServer) -> MockServer {
    let server = MockServer::start().await;
    let sum = digest(USERS.as_bytes());
    let layers = json!([{"digest": format!("sha256:{sum}"), "size": USERS.len()}]);
    let manifest = ResponseTemplate::new(200).set_body_json(json!({ "layers": layers }));
    let sent_on = ResponseTemplate::new(307).insert_header("location", format!("{}/stored", blobs.uri()));
    for (at, answer) in [
        ("/v2/shop/load/manifests/v1".to_owned(), manifest),
        (format!("/v2/shop/load/blobs/sha256:{sum}"), sent_on),
    ] {
        Mock::given(path(at)).and(header("authorization", as_whom)).respond_with(answer).mount(&server).await;
    }
    let refused = ResponseTemplate::new(401).insert_header("www-authenticate", challenge);
    Mock::given(any()).respond_with(refused).with_priority(9).mount(&server).await;
    server
}

#[tokio::test]
async fn a_private_registry_gets_a_login_or_a_token_for_one_and_its_store_neither() {
    let (tokens, store) = (MockServer::start().await, store(USERS).await);
    let token = ResponseTemplate::new(200).set_body_json(json!({"access_token": "short"}));
    Mock::given(path("/token")).and(header("authorization", BASIC)).respond_with(token).mount(&tokens).await;
    let bearer =
        format!("Bearer realm=\"{}/token\",service=\"r\",scope=\"repository:shop/load:pull\"", tokens.uri());
    for (challenge, as_whom) in [("Basic realm=\"r\"", BASIC), (&bearer, "Bearer short")] {
        let registry = registry(challenge, as_whom, &store).await;
        let source = || json!({"oci": format!("{}/shop/load:v1", host(&registry))});
        assert_eq!(fetch(source(), Some((&host(&registry), me()))).await.unwrap(), USERS);
        for (login, why) in [
            (None, "the registry wants a login, and there is none for it"),
            (Some(Login::password("me", "hush")), ""),
            (Some(Login::token("hush")), ""),
        ] {
            let at = host(&registry);
            let error = fetch(source(), login.map(|login| (at.as_str(), login))).await.unwrap_err();
            assert!(error.contains(why) && error.contains("login"), "{error}");
        }
    }
    let received = store.received_requests().await.unwrap();
    assert!(received.len() == 2 && shown(&received).is_empty(), "{received:?}");
}

#[tokio::test]
async fn a_login_goes_to_no_address_in_the_clear() {
    let login = || Some(("git.test", me()));
    for source in [
        json!({"url": "http://git.test/users"}),
        json!({"git": {"url": "http://git.test/me/shop", "ref": "main", "path": "a"}}),
    ] {
        let error = fetch(source, login()).await.unwrap_err();
        assert!(error.contains("there is a login for git.test, which goes by https only"), "{error}");
    }
    let tokens = registry("Bearer realm=\"http://tokens.test/token\"", BASIC, &store(USERS).await).await;
    let source = json!({"oci": format!("{}/shop/load:v1", host(&tokens))});
    let error = fetch(source, Some((&host(&tokens), me()))).await.unwrap_err();
    assert!(error.contains("without https, where no login goes"), "{error}");
}

#[tokio::test]
async fn files_with_logins_are_read_anew_each_time() {
    let store = store(USERS).await;
    let first = guarded_by(BASIC, "/users", "/stored".to_owned()).await;
    let answer = ResponseTemplate::new(200).set_body_string(USERS);
    Mock::given(path("/private"))
        .and(header("authorization", BASIC))
        .respond_with(answer)
        .mount(&first)
        .await;
    let file = std::env::temp_dir().join(format!("logins-{}", uuid::Uuid::new_v4()));
    let fetcher = Fetcher::anywhere().unwrap().with_login_files(vec![file.clone()]);
    let sources =
        serde_json::from_value(json!({"users": {"url": format!("{}/private", first.uri())}})).unwrap();
    let fetch = async || fetcher.fetch(&sources, None, &BTreeMap::new()).await;
    assert!(fetch().await.unwrap_err().contains("the logins in "));
    std::fs::write(&file, format!("https://me:hush-old@{}\n", host(&first))).unwrap();
    let error = fetch().await.unwrap_err();
    assert!(error.contains("answered 404") && !error.contains("hush"), "{error}");
    std::fs::write(&file, format!("https://me:hush-password@{}\n", host(&first))).unwrap();
    assert_eq!(fetch().await.unwrap().data["users"], USERS);
    std::fs::remove_file(file).unwrap();
    drop(store);
}
