//! Runs a process of Walmart's Concord and waits for its end.

use std::time::Duration;

use reqwest::multipart::Form;
use serde_json::Value;
use url::Url;

use crate::payload::Payload;

/// Time limit of each request.
const REQUEST: Duration = Duration::from_secs(60);
/// Between two looks at the process, unless `pollInterval` says otherwise.
const INTERVAL: Duration = Duration::from_secs(5);
/// For the whole process, unless `pollTimeout` says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a process needs.
struct Process<'a> {
    server: Url,
    key: String,
    /// Fields of the form.
    fields: Vec<(&'a str, &'a str)>,
    interval: Duration,
    patience: Duration,
}

/// Runs a process to its end.
///
/// # Errors
/// What is missing in the metadata, or how the process failed.
pub(crate) async fn run(payload: &Payload, limit: Duration) -> Result<(), String> {
    let process = Process::of(payload)?;
    match tokio::time::timeout(limit.min(process.patience), process.run()).await {
        Ok(outcome) => outcome,
        Err(_) => Err("the process did not finish in time".to_owned()),
    }
}

impl<'a> Process<'a> {
    fn of(payload: &'a Payload) -> Result<Self, String> {
        let required = |key: &str| {
            payload.get(key).filter(|value| !value.is_empty()).ok_or_else(|| format!("{key} is required"))
        };
        let seconds = |key: &str, default: Duration| match payload.get(key) {
            None => Ok(default),
            Some(text) => match text.parse::<u64>() {
                Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
                Ok(_) | Err(_) => Err(format!("{key} is {text:?}; it takes a whole number of seconds")),
            },
        };
        let server = required("server")?;
        let server = server.parse().map_err(|error| format!("server is {server:?}: {error}"))?;
        let (org, project, repo) = (required("org")?, required("project")?, required("repo")?);
        let entry_point = required("entrypoint")?;
        let key_file = required("apiKeyPath")?;
        let key = std::fs::read_to_string(key_file)
            .map_err(|error| format!("apiKeyPath: {key_file} cannot be read: {error}"))?;
        let endpoint = required("endpoint")?;
        if payload.metadata.contains_key("arguments.endpoint") {
            return Err("arguments.endpoint is not allowed; use endpoint".to_owned());
        }
        let mut fields = vec![
            ("org", org),
            ("project", project),
            ("repo", repo),
            ("entryPoint", entry_point),
            ("arguments.endpoint", endpoint),
        ];
        let more = payload.metadata.iter().filter(|(key, _)| key.starts_with("arguments."));
        fields.extend(more.map(|(key, value)| (key.as_str(), value.as_str())));
        Ok(Self {
            server,
            // A line end would make the header malformed.
            key: key.trim_end_matches(['\r', '\n']).to_owned(),
            fields,
            interval: seconds("pollInterval", INTERVAL)?,
            patience: seconds("pollTimeout", PATIENCE)?,
        })
    }

    async fn run(&self) -> Result<(), String> {
        let client = reqwest::Client::builder()
            .timeout(REQUEST)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        let mut form = Form::new();
        for (key, value) in &self.fields {
            form = form.text((*key).to_owned(), (*value).to_owned());
        }
        let started = self.ask(client.post(self.at("/api/v1/process")).multipart(form)).await?;
        let id = match started.get("instanceId") {
            Some(Value::String(id)) => id.clone(),
            _ => return Err("the answer to the start of the process has no instanceId".to_owned()),
        };
        loop {
            tokio::time::sleep(self.interval).await;
            let seen = self.ask(client.get(self.at(&format!("/api/v1/process/{id}")))).await?;
            match seen.get("status").and_then(Value::as_str).unwrap_or_default() {
                "FINISHED" => return Ok(()),
                // The last two never become anything else.
                ended @ ("FAILED" | "CANCELLED" | "TIMED_OUT") => {
                    return Err(format!("the process {id} ended as {ended}"));
                }
                _ => {}
            }
        }
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.server.clone();
        url.set_path(path);
        url.set_query(None);
        url
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, String> {
        let answer = request.header("authorization", &self.key).send().await;
        let answer = answer.map_err(|error| error.without_url().to_string())?;
        answer.json().await.map_err(|_| "the answer of the server is no JSON".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{body_string_contains, header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn payload(server: &str, key: &std::path::Path, more: &[(&str, &str)]) -> Payload {
        let mut payload = Payload::default();
        let key = key.display().to_string();
        let all = [
            ("server", server),
            ("org", "o"),
            ("project", "p"),
            ("repo", "r"),
            ("entrypoint", "e"),
            ("apiKeyPath", &key),
            ("endpoint", "http://podinfo-canary/"),
            ("pollInterval", "1"),
        ];
        for (key, value) in all.iter().chain(more) {
            payload.metadata.insert((*key).into(), (*value).into());
        }
        payload
    }

    fn key() -> std::path::PathBuf {
        let file = std::env::temp_dir().join(format!("key-{}", uuid::Uuid::new_v4()));
        std::fs::write(&file, "secret\n").unwrap();
        file
    }

    #[tokio::test]
    async fn a_process_is_started_and_watched_to_its_end() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for (ending, good) in [("FINISHED", true), ("FAILED", false), ("CANCELLED", false)] {
            let server = MockServer::start().await;
            Mock::given(method("POST"))
                .and(path("/api/v1/process"))
                .and(header("authorization", "secret"))
                .and(body_string_contains("arguments.endpoint"))
                .and(body_string_contains("arguments.more"))
                .respond_with(ResponseTemplate::new(200).set_body_json(json!({"instanceId": "7"})))
                .mount(&server)
                .await;
            Mock::given(path("/api/v1/process/7"))
                .respond_with(ResponseTemplate::new(200).set_body_json(json!({"status": ending})))
                .mount(&server)
                .await;
            let key = key();
            let payload = payload(&server.uri(), &key, &[("arguments.more", "x")]);
            assert_eq!(run(&payload, Duration::from_secs(60)).await.is_ok(), good, "{ending}");
            std::fs::remove_file(key).unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_missing_or_malformed_is_named() {
        let key = key();
        for (more, why) in [
            (("org", ""), "org is required"),
            (("arguments.endpoint", "x"), "arguments.endpoint is not allowed"),
            (("pollInterval", "10s"), "pollInterval is \"10s\""),
            (("apiKeyPath", "/nowhere"), "/nowhere cannot be read"),
        ] {
            let error = run(&payload("http://localhost", &key, &[more]), REQUEST).await.unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        std::fs::remove_file(key).unwrap();
    }
}
