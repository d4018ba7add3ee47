//! Splunk Observability (`SignalFx`): the last value that a `SignalFlow` program sends over its web socket.

mod frame;
mod messages;

use std::time::Duration;

use async_trait::async_trait;
use canary_core::{Measurement, MetricError, MetricProvider};
use futures::{SinkExt, StreamExt};
use reqwest::{StatusCode, Upgraded};
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use url::Url;

use crate::backend::{Answer, Backend};
use crate::datadog::below;
use crate::hidden::Hidden;
use crate::http_clients::HttpClients;
use crate::providers::ProviderSpec;
use crate::setting::Window;
use messages::{Conversation, Turn};

/// A program computes before it answers.
const PATIENCE: u32 = 3;
/// Bytes of one message; a value takes some dozens.
const MAX_MESSAGE: usize = 1024 * 1024;

/// A realm of Splunk Observability.
pub(crate) struct Splunk {
    api: Backend,
    stream: Backend,
    api_url: Url,
    stream_url: Url,
    token: String,
    window: Window,
}

impl Splunk {
    pub(crate) fn new(spec: &ProviderSpec, clients: &HttpClients) -> Result<Self, MetricError> {
        let (api_url, stream_url) = addresses(spec)?;
        let token = spec.required_text("sf_token_key")?.to_owned();
        let backend = |url: &Url| Backend::new(url, spec, clients, Hidden::new([token.as_str()]));
        let (api, stream) = (backend(&api_url)?, backend(&stream_url)?.patient(PATIENCE, spec, clients));
        Ok(Self { api, stream, api_url, stream_url, window: spec.window()?, token })
    }

    /// Opens the web socket through the pool, so that its TLS and proxy are those of all requests.
    async fn open(&self) -> Result<WebSocketStream<Upgraded>, MetricError> {
        let key = generate_key();
        let request = self
            .stream
            .client()
            .get(below(&self.stream_url, "/v2/signalflow/connect"))
            .timeout(self.stream.timeout())
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", &key);
        let response = request.send().await.map_err(|error| self.stream.broken(&error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let answer = self.stream.read(response).await?;
            return Err(self.no_socket(&answer));
        }
        let accepted = response.headers().get("sec-websocket-accept");
        if accepted.is_none_or(|accepted| accepted.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes())
        {
            return Err(MetricError::Unusable(format!("{} is no web socket server", self.stream.origin())));
        }
        let socket = response.upgrade().await.map_err(|error| self.stream.broken(&error))?;
        let limits =
            WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        Ok(WebSocketStream::from_raw_socket(socket, Role::Client, Some(limits)).await)
    }

    fn no_socket(&self, answer: &Answer) -> MetricError {
        if answer.status.is_success() {
            let text = self.stream.shown(&String::from_utf8_lossy(&answer.body));
            let origin = self.stream.origin();
            return MetricError::Unusable(format!(
                "{origin} opened no web socket, but answered {}: {text}",
                answer.status
            ));
        }
        self.stream.refusal(answer)
    }

    async fn run(&self, program: &str) -> Result<Measurement, MetricError> {
        let (start, stop) = self.window.seconds();
        let mut socket = self.open().await?;
        let login = json!({ "type": "authenticate", "token": self.token });
        let execute = json!({
            "type": "execute", "program": program, "channel": "ch-1", "start": start * 1000, "stop": stop * 1000,
            "resolution": 0, "maxDelay": 0, "immediate": true, "timezone": "",
        });
        for message in [login, execute] {
            socket.send(Message::text(message.to_string())).await.map_err(|error| self.cut(&error))?;
        }
        let mut conversation = Conversation::default();
        loop {
            let turn = match socket.next().await {
                Some(Ok(Message::Text(text))) => conversation.text(&text),
                Some(Ok(Message::Binary(bytes))) => conversation.data(&bytes),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Turn::More),
                Some(Ok(Message::Close(_))) | None => {
                    let origin = self.stream.origin();
                    return Err(MetricError::Unreachable(format!(
                        "{origin} broke off before the end of the data"
                    )));
                }
                Some(Err(error)) => return Err(self.cut(&error)),
            };
            match turn.map_err(|error| error.map_text(|text| self.stream.shown(&text)))? {
                Turn::More => {}
                Turn::End => break,
            }
        }
        // Whether the server hears the farewell does not matter.
        let _ = tokio::time::timeout(Duration::from_millis(100), socket.close(None)).await;
        conversation.value()
    }

    /// The connection failed in the middle, or what came is no web socket traffic.
    fn cut(&self, error: &Error) -> MetricError {
        let origin = self.stream.origin();
        if matches!(error, Error::Capacity(_) | Error::Utf8(_)) {
            return MetricError::Unusable(format!("the answer of {origin} cannot be read: {error}"));
        }
        MetricError::Unreachable(format!("{origin} broke off: {error}"))
    }
}

#[async_trait]
impl MetricProvider for Splunk {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.measure(query).await.map(|measured| measured.value)
    }

    async fn measure(&self, query: &str) -> Result<Measurement, MetricError> {
        let answer = tokio::time::timeout(self.stream.timeout(), self.run(query)).await;
        answer.unwrap_or_else(|_| Err(self.stream.too_slow()))
    }

    async fn check(&self) -> Result<(), MetricError> {
        let url = below(&self.api_url, "/v2/metric");
        let request = self.api.client().get(url).query(&[("limit", "1")]).header("X-SF-Token", &self.token);
        self.api.body(request).await.map(drop)
    }
}

/// The addresses of API and stream; either may be configured. Flagger exchanges the first `api` or `stream` of the whole
/// address; here it is the first label of the host, so that a name with such letters in it stays whole.
fn addresses(spec: &ProviderSpec) -> Result<(Url, Url), MetricError> {
    let address = spec.address.as_str();
    let address = match address.strip_prefix("ws") {
        Some(rest) if rest.starts_with("://") || rest.starts_with("s://") => format!("http{rest}"),
        _ => address.to_owned(),
    };
    let url = ProviderSpec { address, ..spec.clone() }.url(None)?;
    let with_host = |label: &str| {
        let mut url = url.clone();
        if let Some((first, rest)) = url.host_str().and_then(|host| host.split_once('.'))
            && (first == "api" || first == "stream")
        {
            let host = format!("{label}.{rest}");
            url.set_host(Some(&host)).map_err(|error| spec.wrong(format!("address: {error}")))?;
        }
        Ok(url)
    };
    Ok((with_host("api")?, with_host("stream")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_address_gives_both() {
        for address in ["https://api.us1.signalfx.com", "wss://stream.us1.signalfx.com/"] {
            let (api, stream) = addresses(&ProviderSpec::new("splunk", address)).unwrap();
            assert_eq!(api.as_str(), "https://api.us1.signalfx.com/");
            assert_eq!(stream.as_str(), "https://stream.us1.signalfx.com/");
        }
        let (api, stream) = addresses(&ProviderSpec::new("splunk", "http://myapi.streams.example")).unwrap();
        assert_eq!((api.as_str(), &api), ("http://myapi.streams.example/", &stream));
    }
}
