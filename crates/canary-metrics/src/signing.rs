//! What the signers of cloud providers need from the process: files, environment and HTTP, through our own clients.
//! Credentials are kept with their signer until they expire, since a provider is made anew for every query.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use canary_core::MetricError;
use reqsign_core::{Context, Error, ErrorKind, FileRead, HttpSend, OsEnv, Signer, SigningCredential};
use reqwest::Client;

use crate::backend::shortened;

/// Signers at hand; more are made anew rather than kept.
const KEPT: usize = 100;

/// Signers by what they sign for.
pub(crate) struct Signers<K: SigningCredential>(Mutex<BTreeMap<String, Signer<K>>>);

impl<K: SigningCredential> Default for Signers<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: SigningCredential> Signers<K> {
    /// The signer for `key`, made if there is none yet.
    pub(crate) fn get(&self, key: &str, make: impl FnOnce() -> Signer<K>) -> Signer<K> {
        let mut signers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signer) = signers.get(key) {
            return signer.clone();
        }
        if signers.len() >= KEPT {
            signers.clear();
        }
        let signer = make();
        signers.insert(key.to_owned(), signer.clone());
        signer
    }
}

/// The world as signers see it. Tokens are asked for at `token_uri`, where a key names one.
pub(crate) fn context(client: Client, timeout: Duration, token_uri: Option<String>) -> Context {
    Context::new().with_file_read(Files).with_env(OsEnv).with_http_send(Sender { client, timeout, token_uri })
}

/// What is wrong with credentials. The library keeps secrets out of its errors.
pub(crate) fn unsigned(who: &str, error: &Error) -> MetricError {
    let text = format!("no credentials for {who}: {}", shortened(&error.to_string()));
    let denied = [ErrorKind::CredentialInvalid, ErrorKind::PermissionDenied, ErrorKind::ConfigInvalid];
    if denied.contains(&error.kind()) { MetricError::Denied(text) } else { MetricError::Unreachable(text) }
}

#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> Result<Vec<u8>, Error> {
        tokio::fs::read(path)
            .await
            .map_err(|error| Error::config_invalid(format!("a credentials file cannot be read: {error}")))
    }
}

#[derive(Debug)]
struct Sender {
    client: Client,
    timeout: Duration,
    token_uri: Option<String>,
}

impl HttpSend for Sender {
    async fn http_send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Error> {
        let failed = |error: reqwest::Error| {
            Error::unexpected(format!("the server of credentials: {}", error.without_url()))
        };
        let mut request = reqwest::Request::try_from(request).map_err(failed)?;
        *request.timeout_mut() = Some(self.timeout);
        if let Some(uri) = &self.token_uri
            && request.url().as_str() == GOOGLE_TOKENS
        {
            *request.url_mut() = uri
                .parse()
                .map_err(|_| Error::config_invalid("token_uri of the service account key is not a URL"))?;
        }
        let response = self.client.execute(request).await.map_err(failed)?;
        let mut answer = http::Response::builder().status(response.status());
        if let Some(headers) = answer.headers_mut() {
            headers.extend(response.headers().clone());
        }
        let body = response.bytes().await.map_err(failed)?;
        answer.body(body).map_err(|error| Error::unexpected(error.to_string()))
    }
}

/// Where the library asks for tokens of service accounts, whatever their key says.
const GOOGLE_TOKENS: &str = "https://oauth2.googleapis.com/token";
