//! A request that is ready to be sent: everything that can be done once is done.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri, Version};
use http_body_util::Full;

use crate::{Protocol, Target};

/// A request to a target.
#[derive(Clone, Debug)]
pub struct Prepared {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

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
        Ok(Self { method: verb, uri, headers: fields, body })
    }

    /// Method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query.
    pub fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", PathAndQuery::as_str)
    }

    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if self.uri.scheme().is_some() {
            *request.version_mut() = Version::HTTP_2;
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        "http://podinfo:9898".parse().unwrap()
    }

    #[test]
    fn requests_name_the_host_and_the_length_of_their_body() {
        let prepared = Prepared::new(&target(), "POST", "orders?a=b", &[], "{}").unwrap();
        let request = prepared.request();
        assert_eq!(request.uri(), "/orders?a=b");
        assert_eq!(request.headers()["host"], "podinfo:9898");
        assert_eq!(request.headers()["content-length"], "2");
    }

    #[test]
    fn the_host_may_be_another() {
        let headers = [("Host".to_owned(), "app.example".to_owned())];
        let prepared = Prepared::new(&target(), "GET", "/", &headers, "").unwrap();
        assert_eq!(prepared.request().headers().get_all("host").iter().collect::<Vec<_>>(), ["app.example"]);
    }

    #[test]
    fn a_malformed_header_is_named_without_its_value() {
        let headers = [("x-token".to_owned(), "secret\n".to_owned())];
        let error = Prepared::new(&target(), "GET", "/", &headers, "").unwrap_err().to_string();
        assert!(error.contains("x-token") && !error.contains("secret"), "{error}");
    }
}
