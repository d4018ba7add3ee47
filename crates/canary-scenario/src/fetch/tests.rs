use wiremock::matchers::{header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

fn sources(yaml: &str) -> BTreeMap<String, SourceSpec> {
    serde_saphyr::from_str(yaml).unwrap()
}

fn local() -> Fetcher {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Fetcher::local(std::env::temp_dir()).unwrap()
}

async fn fetch(fetcher: &Fetcher, yaml: &str) -> Result<Fetched, String> {
    fetcher.fetch(&sources(yaml), None, &BTreeMap::new()).await
}

#[tokio::test]
async fn inline_data_has_a_digest_that_can_be_pinned() {
    let fetcher = local();
    let yaml = "a: {inline: hello}";
    let got = fetch(&fetcher, yaml).await.unwrap();
    assert_eq!(got.data["a"], "hello");
    assert_eq!(got.digests["a"], "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    let pins = BTreeMap::from([("a".to_owned(), "00".repeat(32))]);
    let error = fetcher.fetch(&sources(yaml), None, &pins).await.unwrap_err();
    assert!(error.contains("2cf24dba"), "{error}");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again_and_the_last_content_may_stand_in() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(header("if-none-match", "\"v1\""))
        .respond_with(ResponseTemplate::new(304))
        .up_to_n_times(1)
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).insert_header("etag", "\"v1\"").set_body_string("a\nb\n"))
        .up_to_n_times(1)
        .with_priority(2)
        .mount(&server)
        .await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(503)).with_priority(3).mount(&server).await;
    let fetcher = local();
    let yaml = format!("a: {{url: {}/users.txt, on-fetch-error: last}}", server.uri());
    for _ in 0..3 {
        assert_eq!(fetch(&fetcher, &yaml).await.unwrap().data["a"], "a\nb\n");
    }
    let strict = format!("a: {{url: {}/users.txt}}", server.uri());
    assert!(fetch(&fetcher, &strict).await.unwrap_err().contains("503"));
}

#[tokio::test]
async fn a_host_without_a_digest_has_to_be_trusted() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fetcher = Fetcher::guarded(Egress::default(), vec!["data.example".into()]).unwrap();
    let error = fetch(&fetcher, "a: {url: \"https://other.example/a.csv\"}").await.unwrap_err();
    assert!(error.contains("other.example is not a trusted host; give the source a sha256"), "{error}");
    let digest = "0".repeat(64);
    let error =
        fetch(&fetcher, &format!("a: {{url: \"http://169.254.169.254/x\", sha256: \"{digest}\"}}")).await;
    assert!(error.unwrap_err().contains("may not be reached"));
    assert!(fetch(&fetcher, "a: {file: a.csv}").await.unwrap_err().contains("command line"));
    assert!(fetch(&fetcher, "a: {secret: {name: a, key: b}}").await.unwrap_err().contains("cluster"));
}

#[tokio::test]
async fn what_is_too_large_is_not_read_to_its_end() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(vec![b'x'; 5000]))
        .mount(&server)
        .await;
    let yaml = format!("a: {{url: {}, max: 1KiB}}", server.uri());
    assert!(fetch(&local(), &yaml).await.unwrap_err().contains("more than 1024"));
}

#[cfg(unix)]
#[tokio::test]
async fn files_stay_within_the_folder_also_by_a_link() {
    let folder = std::env::temp_dir().join(format!("canary-fetch-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.csv"), "x\n1\n").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", folder.join("link.csv")).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fetcher = Fetcher::local(folder.clone()).unwrap();
    assert_eq!(fetch(&fetcher, "a: {file: a.csv}").await.unwrap().data["a"], "x\n1\n");
    assert!(fetch(&fetcher, "a: {file: link.csv}").await.unwrap_err().contains("leads out"));
    std::fs::remove_dir_all(folder).unwrap();
}
