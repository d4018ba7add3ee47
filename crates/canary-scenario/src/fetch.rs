//! Fetches the data of a scenario anew for each run, within limits, and says what it got.

mod git;
mod login;
pub(crate) mod oci;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use canary_egress::Egress;
use reqwest::header::{AUTHORIZATION, ETAG, IF_NONE_MATCH};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use sha2::{Digest, Sha256};
use url::Url;

use crate::login::Login;
use crate::spec::{OnFetchError, SourceSpec};

/// How long one source may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Contents of earlier runs that are kept.
const MOST_KEPT: usize = 32;

/// Data in objects of a cluster.
#[async_trait]
pub trait ClusterFiles: Send + Sync {
    /// In whose name it reads: contents that were fetched for one are not given to another.
    fn scope(&self) -> &str;
    /// A key of a `ConfigMap`; without a namespace, that of the canary.
    ///
    /// # Errors
    /// A sentence about what is missing or refused.
    async fn config_map(&self, namespace: Option<&str>, name: &str, key: &str) -> Result<Bytes, String>;
    /// A key of a Secret in the load tester's namespace.
    ///
    /// # Errors
    /// A sentence about what is missing or refused; never with its content.
    async fn secret(&self, name: &str, key: &str) -> Result<Bytes, String>;
    /// Who one is at a host, with its port if that is not the usual one.
    ///
    /// # Errors
    /// A sentence about what is missing or malformed; never with what stands there.
    async fn login(&self, host: &str) -> Result<Option<Login>, String> {
        let _ = host;
        Ok(None)
    }
}

const _: Option<&dyn ClusterFiles> = None; // object-safe, or this does not compile

/// Fetches sources; keeps what it fetched for the next run. Clones share that.
#[derive(Clone)]
pub struct Fetcher {
    /// Follows redirects: for content whose digest is known.
    following: Client,
    /// Stays at the host that was named.
    staying: Client,
    egress: Egress,
    hosts: Vec<String>,
    folder: Option<PathBuf>,
    login_files: Arc<[PathBuf]>,
    kept: Arc<Mutex<BTreeMap<String, Kept>>>,
}

#[derive(Clone)]
struct Kept {
    tag: Option<String>,
    content: Bytes,
}

/// What was fetched for one run.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Content by name of the source.
    pub data: BTreeMap<String, Bytes>,
    /// SHA-256 by name of the source, in hexadecimal. Not of Secrets: short ones could be guessed by it.
    pub digests: BTreeMap<String, String>,
}

impl Fetcher {
    /// For a load tester that others use: it keeps to the rules of `egress`, reads no files, and fetches from an address
    /// without a digest only when its host is one of `hosts`.
    ///
    /// # Errors
    /// There is no TLS.
    pub fn guarded(egress: Egress, hosts: Vec<String>) -> Result<Self, reqwest::Error> {
        let builder = || egress.guard(Client::builder()).timeout(TIMEOUT);
        Ok(Self {
            following: builder().build()?,
            staying: builder().redirect(Policy::none()).build()?,
            egress,
            hosts,
            folder: None,
            login_files: Arc::default(),
            kept: Arc::default(),
        })
    }

    /// For the one whose machine it runs on, and a scenario from elsewhere: any address, and no files.
    ///
    /// # Errors
    /// There is no TLS.
    pub fn anywhere() -> Result<Self, reqwest::Error> {
        Self::guarded(Egress::default(), vec!["*".to_owned()])
    }

    /// For the one whose machine it runs on: reads files below `folder`, and any address.
    ///
    /// # Errors
    /// There is no TLS.
    pub fn local(folder: PathBuf) -> Result<Self, reqwest::Error> {
        let mut fetcher = Self::anywhere()?;
        fetcher.folder = Some(folder);
        Ok(fetcher)
    }

    /// Fetches all sources. With `pins`, digests by name, the content has to be just that.
    ///
    /// # Errors
    /// The first source that could not be had, and why.
    pub async fn fetch(
        &self,
        sources: &BTreeMap<String, SourceSpec>,
        cluster: Option<&dyn ClusterFiles>,
        pins: &BTreeMap<String, String>,
    ) -> Result<Fetched, String> {
        let mut fetched = Fetched::default();
        for (name, source) in sources {
            let content = self.one(source, cluster).await.map_err(|why| format!("source {name}: {why}"))?;
            let digest = digest(&content);
            let wanted = [source.sha256.as_ref(), pins.get(name)];
            if let Some(wanted) =
                wanted.into_iter().flatten().find(|wanted| !wanted.eq_ignore_ascii_case(&digest))
            {
                return Err(format!("source {name}: its SHA-256 is {digest}, and has to be {wanted}"));
            }
            if source.secret.is_none() {
                fetched.digests.insert(name.clone(), digest);
            }
            fetched.data.insert(name.clone(), content);
        }
        Ok(fetched)
    }

    async fn one(&self, source: &SourceSpec, cluster: Option<&dyn ClusterFiles>) -> Result<Bytes, String> {
        let most = source.most_bytes();
        let scope = cluster.map(ClusterFiles::scope).unwrap_or_default();
        let key = format!("{scope} {}", serde_json::to_string(source).unwrap_or_default());
        let outcome = tokio::time::timeout(TIMEOUT, self.content(source, cluster, most, &key)).await;
        let outcome = outcome.unwrap_or_else(|_| Err("it took longer than 30 s".to_owned()));
        match outcome {
            Ok(content) if content.len() > most => {
                Err(format!("it has {} bytes; {most} are the most", content.len()))
            }
            Ok(content) => Ok(content),
            Err(why) if source.on_fetch_error == OnFetchError::Last => self
                .kept(&key)
                .map(|kept| kept.content)
                .ok_or_else(|| format!("{why}; there is none of an earlier run")),
            Err(why) => Err(why),
        }
    }

    async fn content(
        &self,
        source: &SourceSpec,
        cluster: Option<&dyn ClusterFiles>,
        most: usize,
        key: &str,
    ) -> Result<Bytes, String> {
        if let Some(text) = &source.inline {
            return Ok(Bytes::from(text.clone()));
        }
        if let Some(file) = &source.file {
            return self.file(file, most).await;
        }
        if let Some(url) = &source.url {
            return self.address(url, source.sha256.is_some(), (most, cluster), key).await;
        }
        if let Some(git) = &source.git {
            let content = self.git(git, source.sha256.is_some(), (most, cluster)).await?;
            self.keep(key, None, &content);
            return Ok(content);
        }
        if let Some(artifact) = &source.oci {
            let content = self.artifact(artifact, source.sha256.is_some(), (most, cluster)).await?;
            self.keep(key, None, &content);
            return Ok(content);
        }
        let cluster = cluster.ok_or("ConfigMaps and Secrets can be read only in a cluster")?;
        let content = match (&source.config_map, &source.secret) {
            (Some(at), _) => cluster.config_map(at.namespace.as_deref(), &at.name, &at.key).await?,
            (_, Some(at)) => cluster.secret(&at.name, &at.key).await?,
            (None, None) => return Err("it names nothing to fetch".to_owned()),
        };
        self.keep(key, None, &content);
        Ok(content)
    }

    async fn file(&self, file: &str, most: usize) -> Result<Bytes, String> {
        let folder = self.folder.as_ref().ok_or("files can be read only on the command line")?;
        let path = folder.join(file);
        let told = |error: std::io::Error| format!("{file}: {error}");
        let whole = tokio::fs::canonicalize(&path).await.map_err(told)?;
        // A link may lead out of the folder.
        let inside = tokio::fs::canonicalize(folder).await.map_err(told)?;
        if !whole.starts_with(&inside) {
            return Err(format!("{file} leads out of the scenario's folder"));
        }
        let length = tokio::fs::metadata(&whole).await.map_err(told)?.len();
        if usize::try_from(length).is_ok_and(|length| length > most) {
            return Err(format!("{file} has {length} bytes; {most} are the most"));
        }
        tokio::fs::read(&whole).await.map(Bytes::from).map_err(told)
    }

    async fn address(
        &self,
        address: &str,
        is_digest_known: bool,
        (most, cluster): (usize, Option<&dyn ClusterFiles>),
        key: &str,
    ) -> Result<Bytes, String> {
        let url = Url::parse(address).map_err(|error| format!("{address:?} is no address: {error}"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        if !is_digest_known {
            self.trust(&url, "give the source a sha256")?;
        }
        self.egress.check(&url).map_err(|refused| refused.to_string())?;
        let client = if is_digest_known { &self.following } else { &self.staying };
        let kept = self.kept(key);
        let login = self.login(&url, cluster).await?;
        let mut request = client.get(url);
        if let Some(login) = &login {
            // The client takes it out where it is sent on to another host.
            request = request.header(AUTHORIZATION, login.header()?);
        }
        if let Some(tag) = kept.as_ref().and_then(|kept| kept.tag.as_ref()) {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let answer = request.send().await.map_err(|error| told(&error))?;
        if answer.status() == StatusCode::NOT_MODIFIED
            && let Some(kept) = kept
        {
            return Ok(kept.content);
        }
        if !answer.status().is_success() {
            return Err(format!("{host} answered {}", answer.status()));
        }
        let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let content = read(answer, most).await?;
        self.keep(key, tag, &content);
        Ok(content)
    }

    /// Whether content is taken from there without a digest; if not, `instead` says what would do.
    fn trust(&self, at: &Url, instead: &str) -> Result<(), String> {
        let host = at.host_str().unwrap_or_default();
        let is_trusted = self.hosts.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(host));
        is_trusted.then_some(()).ok_or_else(|| format!("{host} is not a trusted host; {instead}"))
    }

    fn kept(&self, key: &str) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: &str, tag: Option<String>, content: &Bytes) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_KEPT || kept.contains_key(key) {
            kept.insert(key.to_owned(), Kept { tag, content: content.clone() });
        }
    }
}

/// The body of an answer.
async fn read(mut answer: reqwest::Response, most: usize) -> Result<Bytes, String> {
    let mut content = BytesMut::new();
    while let Some(part) = answer.chunk().await.map_err(|error| told(&error))? {
        if content.len() + part.len() > most {
            return Err(format!("it has more than {most} bytes"));
        }
        content.extend_from_slice(&part);
    }
    Ok(content.freeze())
}

/// The whole chain of causes; an address may hold a secret, so it is left out.
fn told(error: &reqwest::Error) -> String {
    let mut text =
        if error.is_timeout() { "it took too long".to_owned() } else { "it cannot be fetched".to_owned() };
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// SHA-256 in hexadecimal.
pub fn digest(content: &[u8]) -> String {
    hex(Sha256::digest(content).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
        text
    })
}

#[cfg(test)]
mod tests;
