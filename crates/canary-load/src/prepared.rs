//! A request that is ready to be sent: everything that can be done once is done.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TE, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri, Version};
use http_body_util::Full;

use crate::connection::Received;
use crate::{Protocol, Target, grpc};

/// A request to a target.
#[derive(Clone, Debug)]
pub struct Prepared {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    /// It is a gRPC call, and how long it may take.
    call: Option<Duration>,
}

/// Who calls, unless the call says otherwise.
const AGENT: &str = concat!("canary-load/", env!("CARGO_PKG_VERSION"));
/// Tells the server how long it may take.
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A request that cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("the request {method} {path} cannot be sent: {why}")]
pub struct RequestError {
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// What is wrong with it.
    pub why: String,
}

impl Prepared {
    /// A request for `path` (with its query) on `target`. The header `host` may be overridden.
    ///
    /// # Errors
    /// [`RequestError`] when method, path or a header is malformed.
    pub fn new(
        target: &Target,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: impl Into<Bytes>,
    ) -> Result<Self, RequestError> {
        let refuse = |why: String| RequestError { method: method.into(), path: path.into(), why };
        let verb = Method::from_bytes(method.as_bytes()).map_err(|e| refuse(e.to_string()))?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let path: PathAndQuery = path.parse().map_err(|e| refuse(format!("its path: {e}")))?;
        let mut fields = HeaderMap::with_capacity(headers.len() + 2);
        for (name, value) in headers {
            let name: HeaderName = name.parse().map_err(|_| refuse(format!("{name:?} is no header name")))?;
            // The value may be a secret.
            let value: HeaderValue =
                value.parse().map_err(|_| refuse(format!("the value of header {name} is malformed")))?;
            fields.append(name, value);
        }
        let host = match fields.remove(HOST) {
            Some(host) => host,
            None => HeaderValue::from_str(&target.authority()).map_err(|e| refuse(e.to_string()))?,
        };
        let uri = match target.protocol {
            Protocol::Http1 => {
                fields.insert(HOST, host);
                Uri::from(path)
            }
            // The authority of HTTP/2 is no header.
            Protocol::Http2 { .. } => Uri::builder()
                .scheme(if target.is_tls() { "https" } else { "http" })
                .authority(host.to_str().map_err(|e| refuse(e.to_string()))?)
                .path_and_query(path)
                .build()
                .map_err(|e| refuse(e.to_string()))?,
        };
        let body = body.into();
        if !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&verb) {
            fields.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        Ok(Self { method: verb, uri, headers: fields, body, call: None })
    }

    /// A unary gRPC call of `path`, such as `/grpc.health.v1.Health/Check`, with that message in its binary form. The server is
    /// told how long it may take: what the request has left until its own timeout, and not more than `timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use canary_load::{Prepared, Protocol, Target};
    ///
    /// let mut target: Target = "http://podinfo-canary.test:9999".parse()?;
    /// target.protocol = Protocol::Http2 { streams: 10 };
    /// let path = "/grpc.health.v1.Health/Check";
    /// let call = Prepared::grpc(&target, path, &[], b"\x0a\x06orders", Duration::from_secs(5))?;
    /// assert_eq!((call.method().as_str(), call.path()), ("POST", path));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RequestError`] when the target does not speak HTTP/2, or the path or a header is malformed.
    pub fn grpc(
        target: &Target,
        path: &str,
        metadata: &[(String, String)],
        message: &[u8],
        timeout: Duration,
    ) -> Result<Self, RequestError> {
        let refuse = |why: String| RequestError { method: "gRPC".into(), path: path.into(), why };
        if matches!(target.protocol, Protocol::Http1) {
            return Err(refuse("gRPC needs HTTP/2, and the target is set to HTTP/1.1".to_owned()));
        }
        let body = grpc::frame(message).map_err(refuse)?;
        let mut call = Self::new(target, "POST", path, metadata, body)?;
        call.headers.remove(CONTENT_LENGTH);
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        call.headers.insert(TE, HeaderValue::from_static("trailers"));
        call.headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        call.call = Some(timeout);
        Ok(call)
    }

    /// Method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query.
    pub fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", PathAndQuery::as_str)
    }

    /// Length of the body in bytes.
    pub(crate) fn length(&self) -> usize {
        self.body.len()
    }

    /// How much of the answer's body has to be kept, of those that a script looks at and of others.
    pub(crate) fn keep(&self, limit: usize, is_looked_at: bool) -> usize {
        match (self.call, is_looked_at) {
            (Some(_), _) => grpc::room(limit),
            (None, true) => limit.max(1),
            (None, false) => 0,
        }
    }

    /// Reads what the answer to a call means.
    pub(crate) fn read(&self, mut received: Received, limit: usize) -> Received {
        if self.call.is_some() {
            let Received { status, headers, trailers, body, length, .. } = &received;
            let (status, message) = grpc::read(*status, headers, trailers.as_ref(), body, *length, limit);
            (received.grpc, received.body) = (Some(status), message);
        }
        received
    }

    /// What is sent, with that much time left.
    pub(crate) fn request(&self, left: Duration) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if self.uri.scheme().is_some() {
            *request.version_mut() = Version::HTTP_2;
        }
        if let Some(most) = self.call {
            let told = request.headers_mut().entry(GRPC_TIMEOUT);
            told.or_insert_with(|| timeout(left.min(most)));
        }
        request
    }
}

/// At most 8 digits, in milliseconds.
fn timeout(left: Duration) -> HeaderValue {
    let text = format!("{}m", left.as_millis().clamp(1, 99_999_999));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("1m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Duration = Duration::from_secs(1);

    fn target() -> Target {
        "http://podinfo:9898".parse().unwrap()
    }

    #[test]
    fn requests_name_the_host_and_the_length_of_their_body() {
        let prepared = Prepared::new(&target(), "POST", "orders?a=b", &[], "{}").unwrap();
        let request = prepared.request(LEFT);
        assert_eq!(request.uri(), "/orders?a=b");
        assert_eq!(request.headers()["host"], "podinfo:9898");
        assert_eq!(request.headers()["content-length"], "2");
    }

    #[test]
    fn the_host_may_be_another() {
        let headers = [("Host".to_owned(), "app.example".to_owned())];
        let prepared = Prepared::new(&target(), "GET", "/", &headers, "").unwrap();
        assert_eq!(
            prepared.request(LEFT).headers().get_all("host").iter().collect::<Vec<_>>(),
            ["app.example"]
        );
    }

    #[test]
    fn a_malformed_header_is_named_without_its_value() {
        let headers = [("x-token".to_owned(), "secret\n".to_owned())];
        let error = Prepared::new(&target(), "GET", "/", &headers, "").unwrap_err().to_string();
        assert!(error.contains("x-token") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn calls_of_grpc_need_http2_and_tell_how_long_they_may_take() {
        let mut target = target();
        let call = |target: &Target, metadata: &[(String, String)]| {
            Prepared::grpc(target, "/a.B/C", metadata, b"x", Duration::from_secs(5))
        };
        assert!(call(&target, &[]).unwrap_err().to_string().contains("needs HTTP/2"));
        target.protocol = Protocol::Http2 { streams: 1 };
        let prepared = call(&target, &[]).unwrap();
        let request = prepared.request(Duration::from_millis(1500));
        let shown = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(shown("grpc-timeout").as_deref(), Some("1500m"));
        assert_eq!(shown("te").as_deref(), Some("trailers"));
        assert_eq!(shown("content-type").as_deref(), Some("application/grpc"));
        assert_eq!(prepared.request(Duration::MAX).headers()["grpc-timeout"], "5000m");
        let own = call(&target, &[("grpc-timeout".to_owned(), "1S".to_owned())]).unwrap();
        assert_eq!(own.request(Duration::MAX).headers()["grpc-timeout"], "1S");
    }
}
