//! Clones and starts a test of nGrinder, and waits for its end.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::payload::Payload;

/// Time limit of each request.
const REQUEST: Duration = Duration::from_secs(60);

/// A test to clone, and how to log in.
#[derive(Debug)]
pub(crate) struct Test {
    server: Url,
    clone: i64,
    user: String,
    password: String,
    interval: Duration,
}

impl Test {
    /// Reads the metadata.
    ///
    /// # Errors
    /// What is missing or malformed.
    pub(crate) fn of(payload: &Payload) -> Result<Self, String> {
        let required = |key: &str| {
            payload.get(key).filter(|value| !value.is_empty()).ok_or_else(|| format!("{key} is required"))
        };
        let server = required("server")?;
        let server: Url = server.parse().map_err(|error| format!("server is {server:?}: {error}"))?;
        let clone = required("clone")?;
        let clone = clone.parse().map_err(|_| format!("clone is {clone:?}; it takes a whole number"))?;
        let user = required("username")?.to_owned();
        let password = STANDARD.decode(required("passwd")?).ok().and_then(|p| String::from_utf8(p).ok());
        Ok(Self {
            server,
            clone,
            user,
            password: password.ok_or("passwd is not a password in base64")?,
            interval: interval(payload.get("pollInterval")),
        })
    }

    /// Which test is cloned.
    pub(crate) fn clone_id(&self) -> i64 {
        self.clone
    }

    /// Runs the clone to its end; when the time is up or `stop` comes, it is stopped.
    ///
    /// # Errors
    /// How it failed.
    pub(crate) async fn run(&self, limit: Duration, stop: &CancellationToken) -> Result<(), String> {
        let client = reqwest::Client::builder()
            .timeout(REQUEST)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        let start = client.post(self.at(&format!("perftest/api/{}/clone_and_start", self.clone))?);
        let started = self.ask(start).await?;
        if started.get("success") == Some(&Value::Bool(false)) {
            return Err(format!("the test was not started: {started}"));
        }
        let id = started.get("id").and_then(Value::as_i64).ok_or("the answer to the start has no id")?;
        let outcome = tokio::select! {
            outcome = self.watch(&client, id) => return outcome,
            () = tokio::time::sleep(limit) => Err("the test did not finish in time".to_owned()),
            () = stop.cancelled() => Err("the test was stopped".to_owned()),
        };
        self.ask(client.put(self.at(&format!("perftest/api/{id}?action=stop"))?)).await?;
        outcome
    }

    async fn watch(&self, client: &reqwest::Client, id: i64) -> Result<(), String> {
        loop {
            tokio::time::sleep(self.interval).await;
            let seen = self.ask(client.get(self.at(&format!("perftest/api/{id}/status"))?)).await?;
            match seen.pointer("/status/0/status_id").and_then(Value::as_str).unwrap_or_default() {
                "FINISHED" => return Ok(()),
                ended @ ("STOP_BY_ERROR" | "CANCELED" | "UNKNOWN") => {
                    return Err(format!("the test {id} ended as {ended}"));
                }
                _ => {}
            }
        }
    }

    fn at(&self, path: &str) -> Result<Url, String> {
        self.server.join(path).map_err(|error| error.to_string())
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, String> {
        let answer = request.basic_auth(&self.user, Some(&self.password)).send().await;
        let answer = answer.map_err(|error| error.without_url().to_string())?;
        answer.json().await.map_err(|_| "the answer of the server is no JSON".to_owned())
    }
}

/// Seconds, or a duration such as `5s`; one second when it is neither.
fn interval(text: Option<&str>) -> Duration {
    let text = text.unwrap_or_default();
    let number = text.strip_suffix('s').unwrap_or(text).parse::<u64>().unwrap_or(1);
    Duration::from_secs(number.clamp(1, 3600))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{header, method, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn payload(server: &str) -> Payload {
        let mut payload = Payload::default();
        for (key, value) in [("server", server), ("clone", "7"), ("username", "me"), ("passwd", "c2VjcmV0")] {
            payload.metadata.insert(key.into(), value.into());
        }
        payload
    }

    async fn grinder(started: Value, status: &str) -> MockServer {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path("/perftest/api/7/clone_and_start"))
            .and(header("authorization", format!("Basic {}", STANDARD.encode("me:secret"))))
            .respond_with(ResponseTemplate::new(200).set_body_json(started))
            .mount(&server)
            .await;
        Mock::given(path("/perftest/api/9/status"))
            .respond_with(
                ResponseTemplate::new(200).set_body_json(json!({"status": [{"status_id": status}]})),
            )
            .mount(&server)
            .await;
        server
    }

    #[tokio::test]
    async fn a_test_is_cloned_and_watched_to_its_end() {
        for (status, good) in [("FINISHED", true), ("STOP_BY_ERROR", false)] {
            let server = grinder(json!({"id": 9}), status).await;
            let test = Test::of(&payload(&server.uri())).unwrap();
            let outcome = test.run(REQUEST, &CancellationToken::new()).await;
            assert_eq!(outcome.is_ok(), good, "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_an_id_is_an_error_and_no_crash() {
        let server = grinder(json!({}), "").await;
        let error = Test::of(&payload(&server.uri())).unwrap().run(REQUEST, &CancellationToken::new()).await;
        assert_eq!(error.unwrap_err(), "the answer to the start has no id");
    }

    #[tokio::test]
    async fn a_test_that_takes_too_long_is_stopped() {
        let server = grinder(json!({"id": 9}), "TESTING").await;
        Mock::given(method("PUT"))
            .and(path("/perftest/api/9"))
            .and(query_param("action", "stop"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({})))
            .expect(1)
            .mount(&server)
            .await;
        let test = Test::of(&payload(&server.uri())).unwrap();
        let error = test.run(Duration::from_millis(50), &CancellationToken::new()).await.unwrap_err();
        assert!(error.contains("in time"), "{error}");
    }

    #[test]
    fn intervals_with_a_unit_are_seconds() {
        for (text, seconds) in [(None, 1), (Some("5"), 5), (Some("5s"), 5), (Some("soon"), 1), (Some("0"), 1)]
        {
            assert_eq!(interval(text).as_secs(), seconds);
        }
    }
}
