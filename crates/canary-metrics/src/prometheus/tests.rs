//! The provider against a server that answers as scripted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::http_clients::HttpOptions;

fn clients(timeout: Duration) -> HttpClients {
    HttpClients::new(HttpOptions { timeout, ..HttpOptions::default() })
}

fn provider(spec: &ProviderSpec) -> Result<Prometheus, MetricError> {
    Prometheus::new(spec, &clients(Duration::from_secs(5)))
}

fn at(address: &str) -> ProviderSpec {
    ProviderSpec::new("prometheus", address)
}

fn data(entries: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
}

fn vector(values: &[&str]) -> serde_json::Value {
    let result: Vec<_> = values.iter().map(|value| json!({"metric": {}, "value": [1.5, value]})).collect();
    json!({"status": "success", "data": {"resultType": "vector", "result": result}})
}

async fn answered(response: ResponseTemplate) -> Result<Option<f64>, MetricError> {
    let server = MockServer::start().await;
    Mock::given(method("GET")).and(path("/api/v1/query")).respond_with(response).mount(&server).await;
    provider(&at(&server.uri())).unwrap().query("up").await
}

async fn answered_json(body: serde_json::Value) -> Result<Option<f64>, MetricError> {
    answered(ResponseTemplate::new(200).set_body_json(body)).await
}

#[tokio::test]
async fn the_last_of_several_series_counts() {
    assert_eq!(answered_json(vector(&["97.5"])).await, Ok(Some(97.5)));
    assert_eq!(answered_json(vector(&["1", "2", "3e2"])).await, Ok(Some(300.0)));
    assert_eq!(answered_json(vector(&["1", "+Inf"])).await, Ok(Some(f64::INFINITY)));
}

#[tokio::test]
async fn nothing_and_nan_are_no_value() {
    assert_eq!(answered_json(vector(&[])).await, Ok(None));
    assert_eq!(answered_json(vector(&["7", "NaN"])).await, Ok(None));
    assert_eq!(
        answered_json(json!({"status": "success", "data": {"resultType": "vector", "result": null}})).await,
        Ok(None)
    );
    let null = json!({"data": {"result": [{"metric": {}, "value": null}]}});
    assert_eq!(answered_json(null).await, Ok(None));
    let number =
        json!({"data": {"result": [{"metric": {}, "value": [1, "4"]}, {"metric": {}, "value": [1, null]}]}});
    assert_eq!(answered_json(number).await, Ok(Some(4.0)));
}

#[tokio::test]
async fn other_shapes_are_errors_that_say_what_is_expected() {
    let scalar = json!({"status": "success", "data": {"resultType": "scalar", "result": [1.5, "1"]}});
    let matrix = json!({"data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "2"]]}]}});
    let short = json!({"data": {"result": [{"metric": {}, "value": [1]}]}});
    let table = [
        (scalar, "the query returned a scalar; expected an instant vector"),
        (matrix, "query returned multiple values"),
        (short, "fewer than two entries"),
        (vector(&["many"]), "the value \"many\" is not a number"),
        (json!([1]), "the answer is not Prometheus' JSON"),
    ];
    for (body, problem) in table {
        let error = answered_json(body).await.unwrap_err();
        assert!(matches!(&error, MetricError::Unusable(text) if text.contains(problem)), "{error:?}");
    }
    let error = answered(ResponseTemplate::new(200).set_body_string("<html>")).await.unwrap_err();
    assert!(matches!(error, MetricError::Unusable(_)), "{error:?}");
}

#[tokio::test]
async fn refusals_show_the_status_and_the_start_of_the_body() {
    let table = [
        (404, "no\n  such page".to_owned(), "answered 404 Not Found: no such page"),
        (422, format!("broken {}", "x".repeat(5_000)), "answered 422 Unprocessable Entity: broken xxx"),
        (400, json!({"status": "error", "error": "parse error"}).to_string(), "parse error"),
        (200, json!({"status": "error", "error": "out of memory"}).to_string(), "out of memory"),
    ];
    for (status, body, problem) in table {
        let error = answered(ResponseTemplate::new(status).set_body_string(body)).await.unwrap_err();
        assert!(
            matches!(&error, MetricError::Refused(text) if text.contains(problem) && text.len() < 400),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_slow_server_is_unreachable() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_body_json(vector(&["1"])).set_delay(Duration::from_secs(60));
    Mock::given(method("GET")).respond_with(slow).mount(&server).await;
    let provider = Prometheus::new(&at(&server.uri()), &clients(Duration::from_millis(50))).unwrap();
    let error = provider.query("up").await.unwrap_err();
    let expected = format!("{} did not answer within 50ms", server.uri());
    assert_eq!(error, MetricError::Unreachable(expected));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"status\":\"succ").await.unwrap();
    });
    let error = provider(&at(&address)).unwrap().query("up").await.unwrap_err();
    server.await.unwrap();
    assert!(matches!(&error, MetricError::Unreachable(text) if text.contains("broke off")), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_unreachable_without_credentials_in_the_text() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let provider =
        provider(&at(&format!("http://user:pass-word@{address}/path-token?key=query-token"))).unwrap();
    let error = provider.query("up{secret=\"x\"}").await.unwrap_err();
    let MetricError::Unreachable(text) = &error else { panic!("{error:?}") };
    assert!(text.starts_with(&format!("http://{address} cannot be reached: ")), "{text}");
    assert!(!text.contains("pass-word") && !text.contains("token") && !text.contains("user"), "{text}");
}

#[tokio::test]
async fn credentials_that_a_server_repeats_are_not_shown() {
    let server = MockServer::start().await;
    let echo = |request: &wiremock::Request| {
        let sent = request.headers.get("authorization").unwrap().to_str().unwrap();
        ResponseTemplate::new(403).set_body_string(format!("you sent {sent}"))
    };
    Mock::given(method("GET")).respond_with(echo).mount(&server).await;
    for entries in [&[("token", "s3cr3t-token")][..], &[("username", "me"), ("password", "s3cr3t-pass")][..]]
    {
        let mut spec = at(&server.uri());
        spec.secret = Some(data(entries));
        let error = provider(&spec).unwrap().query("up").await.unwrap_err().to_string();
        assert!(error.ends_with("you sent ***"), "{error}");
    }
}

#[tokio::test]
async fn the_query_goes_below_the_path_of_the_address_on_one_line() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/prom/tenant/api/v1/query"))
        .and(query_param("query", r#"sum( up{a="b c"} ) + 1"#))
        .respond_with(ResponseTemplate::new(200).set_body_json(vector(&["3"])))
        .mount(&server)
        .await;
    let provider = provider(&at(&format!("{}/prom/tenant/?dropped=1#too", server.uri()))).unwrap();
    let value = provider.query("\n  sum(\n\tup{a=\"b  c\"}\n) + 1 \n").await;
    assert_eq!(value, Ok(Some(3.0)));
    let sent = &server.received_requests().await.unwrap()[0];
    assert!(!sent.url.query().unwrap().contains("dropped"), "{}", sent.url);
}

/// The `Authorization` and `X-Scope` headers that arrive.
async fn headers_sent(spec: ProviderSpec) -> (Vec<String>, Vec<String>) {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(vector(&["1"])))
        .mount(&server)
        .await;
    let address = spec.address.replace("SERVER", &server.address().to_string());
    provider(&ProviderSpec { address, ..spec }).unwrap().query("up").await.unwrap();
    let request = server.received_requests().await.unwrap().remove(0);
    let all = |name: &str| {
        request
            .headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    (all("authorization"), all("x-scope"))
}

#[tokio::test]
async fn it_logs_in_with_a_token_or_a_password_or_the_user_of_the_address() {
    let spec = |secret| ProviderSpec { secret, ..at("http://SERVER") };
    let basic = |text: &str| vec![format!("Basic {text}")];
    assert_eq!(headers_sent(spec(None)).await.0, Vec::<String>::new());
    assert_eq!(headers_sent(spec(Some(data(&[("token", "abc")])))).await.0, ["Bearer abc"]);
    let both = [("token", "abc"), ("username", "user"), ("password", "pass")];
    assert_eq!(headers_sent(spec(Some(data(&both)))).await.0, ["Bearer abc"]);
    assert_eq!(headers_sent(spec(Some(data(&both[1..])))).await.0, basic("dXNlcjpwYXNz"));
    let in_address = ProviderSpec { secret: None, ..at("http://user:p%61ss@SERVER") };
    assert_eq!(headers_sent(in_address.clone()).await.0, basic("dXNlcjpwYXNz"));
    let other = ProviderSpec { secret: Some(data(&[("token", "abc")])), ..in_address };
    assert_eq!(headers_sent(other).await.0, ["Bearer abc"]);
}

#[tokio::test]
async fn the_headers_of_the_template_are_sent_with_all_their_values() {
    let mut spec = at("http://SERVER");
    spec.headers.insert("X-Scope".into(), vec!["a".into(), "b".into()]);
    spec.headers.insert("Authorization".into(), vec!["Custom x".into()]);
    let (authorization, scope) = headers_sent(spec.clone()).await;
    assert_eq!((authorization, scope), (vec!["Custom x".into()], vec!["a".into(), "b".into()]));
    // A token is added, and a password replaces.
    spec.secret = Some(data(&[("token", "abc")]));
    assert_eq!(headers_sent(spec.clone()).await.0, ["Custom x", "Bearer abc"]);
    spec.secret = Some(data(&[("username", "user"), ("password", "pass")]));
    assert_eq!(headers_sent(spec).await.0, ["Basic dXNlcjpwYXNz"]);
}

#[test]
fn a_wrong_setting_is_refused_with_what_would_be_right() {
    let table: Vec<(ProviderSpec, &str)> = vec![
        (at(""), "is empty; expected a URL such as http://prometheus:9090"),
        (at("prometheus"), "is not a URL"),
        (at("ftp://prometheus"), "has the scheme \"ftp\"; expected http or https"),
        (at("http://"), "is not a URL"),
        (
            ProviderSpec { secret: Some(data(&[])), ..at("http://p") },
            "neither \"token\" nor \"username\" and \"password\"",
        ),
        (ProviderSpec { secret: Some(data(&[("username", "u")])), ..at("http://p") }, "neither \"token\""),
        (
            ProviderSpec { secret: Some(data(&[("token", "a\nb")])), ..at("http://p") },
            "the value of header \"authorization\"",
        ),
        (
            ProviderSpec { headers: [("a b".to_owned(), vec!["c".to_owned()])].into(), ..at("http://p") },
            "header name \"a b\" is malformed",
        ),
    ];
    for (spec, problem) in table {
        let error = provider(&spec).err();
        assert!(
            matches!(&error, Some(MetricError::Configuration(text)) if text.contains(problem)),
            "{problem}: {error:?}"
        );
    }
}

#[tokio::test]
async fn it_is_online_if_vector_one_is_one() {
    for (answer, online) in [("1", true), ("2", false)] {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(query_param("query", "vector(1)"))
            .and(header("user-agent", "test/1"))
            .respond_with(ResponseTemplate::new(200).set_body_json(vector(&[answer])))
            .mount(&server)
            .await;
        let options = HttpOptions { user_agent: "test/1".into(), ..HttpOptions::default() };
        let provider = Prometheus::new(&at(&server.uri()), &HttpClients::new(options)).unwrap();
        assert_eq!(provider.check().await.is_ok(), online);
    }
}

#[tokio::test]
async fn the_number_of_samples_is_asked_for_and_the_age_of_the_newest_when_that_is_wanted() {
    let server = MockServer::start().await;
    let mut body = vector(&["97.5"]);
    body["data"]["stats"] =
        json!({"timings": {}, "samples": {"totalQueryableSamples": 24, "peakSamples": 8}});
    let answer = ResponseTemplate::new(200).set_body_json(body);
    let asked =
        Mock::given(query_param("query", "sum(rate(a[1m])) / sum(b)")).and(query_param("stats", "all"));
    asked.respond_with(answer).expect(1).mount(&server).await;
    let newest = r#"max(label_replace(max(timestamp({__name__="a"})), "n", "0", "", "") or label_replace(max(timestamp({__name__="b"})), "n", "1", "", ""))"#;
    let taken = (jiff::Timestamp::now().as_second() - 14).to_string();
    let answer = ResponseTemplate::new(200).set_body_json(vector(&[&taken]));
    Mock::given(query_param("query", newest)).respond_with(answer).expect(1).mount(&server).await;
    let nonsense = ResponseTemplate::new(200).set_body_json(vector(&["90"]));
    let one = Mock::given(query_param("query", r#"max(timestamp({__name__="c"}))"#));
    one.respond_with(nonsense).mount(&server).await;

    let provider = provider(&at(&server.uri())).unwrap();
    let query = "sum(rate(a[1m])) / sum(b)";
    let measured = provider.measure(query).await.unwrap();
    assert_eq!((measured.samples.series, measured.samples.count), (Some(1), Some(24)));
    let age = provider.samples(query).await.age.unwrap().as_secs();
    assert!((14..60).contains(&age), "{age}");
    assert_eq!(provider.samples("c").await.age, None, "that was no time");
    assert_eq!(provider.samples("no(promql").await, Samples::default());
}
