use std::collections::BTreeMap;

use canary_egress::Egress;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::fetch::Fetched;

pub(in crate::fetch) fn archive() -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in [("shop-main/README.md", "no"), ("shop-main/load/users.csv", "item\n1\n")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(EntryType::Symlink);
    link.set_size(0);
    archive.append_link(&mut link, "shop-main/load/link.csv", "/etc/passwd").unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

/// A forge that sends whoever wants an archive elsewhere on it, as GitHub does.
async fn forge() -> MockServer {
    let server = MockServer::start().await;
    let elsewhere = ResponseTemplate::new(302).insert_header("location", "/code/shop");
    Mock::given(path("/me/shop/archive/main.tar.gz")).respond_with(elsewhere).mount(&server).await;
    let answer = ResponseTemplate::new(200).set_body_bytes(archive());
    Mock::given(path("/code/shop")).respond_with(answer).mount(&server).await;
    server
}

async fn fetch(forge: &MockServer, hosts: &[&str], more: serde_json::Value) -> Result<Fetched, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    let fetcher = Fetcher::guarded(Egress::default(), hosts).unwrap();
    let mut source = json!({"git": {"url": format!("{}/me/shop.git", forge.uri()), "ref": "main", "path": "load/users.csv"}});
    for (key, value) in more.as_object().unwrap() {
        source.pointer_mut("/git").unwrap()[key] = value.clone();
    }
    if let Some(sum) = source["git"].as_object_mut().unwrap().remove("sha256") {
        source["sha256"] = sum;
    }
    let sources = serde_json::from_value(json!({"users": source})).unwrap();
    fetcher.fetch(&sources, None, &BTreeMap::new()).await
}

#[tokio::test]
async fn a_file_comes_from_a_trusted_forge_or_with_a_digest() {
    let forge = forge().await;
    let got = fetch(&forge, &["127.0.0.1"], json!({})).await.unwrap();
    assert_eq!(got.data["users"], "item\n1\n");
    let error = fetch(&forge, &[], json!({})).await.unwrap_err();
    assert!(error.contains("127.0.0.1 is not a trusted host; give the source a sha256"), "{error}");
    let sum = json!({"sha256": got.digests["users"]});
    assert_eq!(fetch(&forge, &[], sum).await.unwrap().data["users"], "item\n1\n");
}

#[tokio::test]
async fn what_is_no_file_of_the_repository_is_not_taken() {
    let forge = forge().await;
    for (more, why) in [
        (json!({"path": "load/none.csv"}), "the repository has no file load/none.csv"),
        (json!({"path": "load/link.csv"}), "links and folders are not followed"),
        (json!({"path": "users.csv"}), "the repository has no file users.csv"),
        (json!({"ref": "other"}), "answered 404"),
    ] {
        let error = fetch(&forge, &["*"], more).await.unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    assert!(file(&archive()[..40], "a", 10).unwrap_err().contains("malformed"));
    assert!(file(&archive(), "load/users.csv", 3).unwrap_err().contains("more than 3 bytes"));
}

#[test]
fn each_forge_has_its_archives_elsewhere() {
    let at = |url: &str| {
        let git = GitFile { url: url.into(), reference: "v1".into(), path: "a".into() };
        git.check().map(|()| git.archive().unwrap().to_string())
    };
    assert_eq!(at("https://github.com/me/shop.git").unwrap(), "https://github.com/me/shop/archive/v1.tar.gz");
    assert_eq!(
        at("https://gitlab.example/a/b/shop/").unwrap(),
        "https://gitlab.example/a/b/shop/-/archive/v1/shop.tar.gz"
    );
    assert_eq!(at("https://bitbucket.org/me/shop").unwrap(), "https://bitbucket.org/me/shop/get/v1.tar.gz");
    for wrong in
        ["git@github.com:me/shop.git", "ssh://git@github.com/me/shop", "https://me:pw@github.com/me/shop"]
    {
        assert!(at(wrong).is_err(), "{wrong}");
    }
    for (reference, path) in
        [("", "a"), ("a..b", "a"), ("a b", "a"), ("v1", "/a"), ("v1", "../a"), ("v1", "")]
    {
        let git = GitFile {
            url: "https://github.com/me/shop".into(),
            reference: reference.into(),
            path: path.into(),
        };
        assert!(git.check().is_err(), "{reference} {path}");
    }
}
