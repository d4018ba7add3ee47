//! A server on loopback that gives the answer that it was told last.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Status, type of content and further heads, body.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) heads: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first line of an input is its first words, of which the first is a status, the rest heads; what follows is the body.
    pub(crate) fn read(line: &str, body: &[u8]) -> Self {
        let mut words = line.split_whitespace();
        let status = words.next().and_then(|word| word.parse().ok()).filter(|s| (100..1000).contains(s));
        let heads = words.filter_map(|word| word.split_once('='));
        let lines: Vec<_> = heads.flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
        let heads = lines.concat();
        Self { status: status.unwrap_or(200), heads, body: body.to_owned() }
    }
}

/// The first line of an input, and the rest.
pub(crate) fn first_line(input: &[u8]) -> (String, &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let rest = input.get(end + 1..).unwrap_or_default();
    (String::from_utf8_lossy(&input[..end]).into_owned(), rest)
}

/// The server; it lives as long as its runtime.
pub(crate) struct Server {
    pub(crate) address: String,
    answer: Arc<Mutex<Answer>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::<Mutex<Answer>>::default();
        let told = Arc::clone(&answer);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&told)));
            }
        });
        Self { address, answer }
    }

    /// What every request gets from now on.
    pub(crate) fn say(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

async fn serve(mut connection: TcpStream, told: Arc<Mutex<Answer>>) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read) = connection.read(&mut buffer).await {
        request.extend_from_slice(&buffer[..read]);
        if read == 0 || is_complete(&request) {
            break;
        }
    }
    let answer = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(key) = field(&request, "sec-websocket-key:") {
        return converse(connection, &key, &answer.body).await;
    }
    // Those that log in first get what they need for it.
    let token = br#"{"access_token": "a", "expires_in": 3600, "token_type": "Bearer"}"#;
    let is_login = request.starts_with(b"POST /token");
    let (status, heads, body) = if is_login {
        (200, "", &token[..])
    } else {
        (answer.status, answer.heads.as_str(), &answer.body[..])
    };
    let head =
        format!("HTTP/1.1 {status} X\r\n{heads}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = connection.write_all(head.as_bytes()).await;
    let _ = connection.write_all(body).await;
    let _ = connection.shutdown().await;
}

/// Says each line of the body as a message of a web socket.
async fn converse(mut connection: TcpStream, key: &str, body: &[u8]) {
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    let _ = connection.write_all(head.as_bytes()).await;
    for line in body.split(|byte| *byte == b'\n').take(100) {
        let length = u16::try_from(line.len()).unwrap_or(u16::MAX);
        let mut frame = vec![0x81, 126];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&line[..usize::from(length)]);
        let _ = connection.write_all(&frame).await;
    }
    let _ = connection.shutdown().await;
}

/// The value of a head of a request.
fn field(request: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(request);
    let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
    Some(line[name.len()..].trim().to_owned())
}

fn is_complete(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    request.len() >= end + 4 + length.unwrap_or(0)
}
