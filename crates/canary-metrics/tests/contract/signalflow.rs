//! The other end of a `SignalFlow` conversation.

use canary_sandbox::{Connection, Content, ContractRequest};
use futures::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Whether that is how the provider asks; then the web socket is opened, it is heard who asks what, and that is answered.
/// `listener` is given the program.
pub(crate) async fn converse(
    provider: &str,
    content: &Content,
    request: &ContractRequest,
    connection: &mut dyn Connection,
    listener: impl FnOnce(&str),
) -> bool {
    if provider != "splunk" || !request.headers.contains_key("sec-websocket-key") {
        return false;
    }
    let key = derive_accept_key(request.headers["sec-websocket-key"].as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut socket = WebSocketStream::from_raw_socket(connection, Role::Server, None).await;
    let mut told = Vec::new();
    for _ in 0..2 {
        let message = socket.next().await.unwrap().unwrap();
        told.push(serde_json::from_str::<serde_json::Value>(message.to_text().unwrap()).unwrap());
    }
    assert_eq!(told[0]["type"], "authenticate");
    assert_eq!((&told[1]["type"], &told[1]["channel"]), (&"execute".into(), &"ch-1".into()));
    assert_eq!(told[1]["stop"].as_i64().unwrap() - told[1]["start"].as_i64().unwrap(), 600_000);
    listener(told[1]["program"].as_str().unwrap());
    let event = |event: &str| {
        Message::text(format!(r#"{{"type":"control-message","channel":"ch-1","event":"{event}"}}"#))
    };
    socket.send(event("STREAM_START")).await.unwrap();
    socket.send(Message::text(r#"{"type":"metadata","tsId":"AAAAAAAAAAE"}"#)).await.unwrap();
    if !content.values().is_empty() {
        socket.send(Message::binary(data(content))).await.unwrap();
    }
    socket.send(event("END_OF_CHANNEL")).await.unwrap();
    // The client says farewell.
    while let Some(Ok(_)) = socket.next().await {}
    true
}

/// A data message: header, time, and the values, each of its own time series.
fn data(content: &Content) -> Vec<u8> {
    let values: Vec<f64> = content.values().into_iter().flatten().collect();
    let mut bytes = vec![1, 5, 0, 0];
    bytes.extend_from_slice(b"ch-1\0\0\0\0\0\0\0\0\0\0\0\0");
    bytes.extend_from_slice(&1_700_000_000_000_u64.to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(values.len()).unwrap().to_be_bytes());
    for (series, value) in (1_u64..).zip(values) {
        bytes.push(2);
        bytes.extend_from_slice(&series.to_be_bytes());
        bytes.extend_from_slice(&value.to_be_bytes());
    }
    bytes
}
