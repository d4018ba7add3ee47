//! A file that was pushed to a registry as an OCI artifact, such as by `oras push`.
//!
//! By the distribution API itself: a manifest and a blob are two requests, and ours go through the rules about addresses.

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use url::{Host, Url};

use super::login::refusal;
use super::{ClusterFiles, Fetcher, digest, read, told};
use crate::login::{Login, bearer, is_private};
use crate::source::is_sha256;

/// The largest manifest that is read.
const MANIFEST: usize = 4 << 20;
const MANIFESTS: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
/// Names the file that a layer is.
const TITLE: &str = "org.opencontainers.image.title";

/// `REGISTRY/REPOSITORY[:TAG][@sha256:DIGEST][#FILE]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Artifact {
    registry: String,
    repository: String,
    /// `latest` when left out.
    tag: String,
    /// In hexadecimal.
    digest: Option<String>,
    /// Which of its files; not needed for one that has a single one.
    pub(crate) file: Option<String>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

/// Who one is at a registry, and what is shown to it for that.
struct Access {
    login: Option<Login>,
    header: Option<HeaderValue>,
}

impl Artifact {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no artifact; it takes one such as registry.example/shop/load:v1, with @sha256:… or #FILE behind it"
            )
        };
        let (rest, file) =
            text.split_once('#').map_or((text, None), |(rest, file)| (rest, Some(file.to_owned())));
        let (rest, digest) = rest.split_once('@').map_or((rest, None), |(rest, digest)| (rest, Some(digest)));
        let (registry, rest) = rest.split_once('/').ok_or_else(wrong)?;
        let (repository, tag) = rest.split_once(':').unwrap_or((rest, "latest"));
        let digest = digest.map(|digest| digest.strip_prefix("sha256:").ok_or_else(wrong)).transpose()?;
        // What is not of these letters could lead elsewhere in the registry.
        let is_word = |word: &str, more: &str| {
            word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                && word.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let is_fine = is_word(registry, ".-:")
            && repository.split('/').all(|part| is_word(part, "._-"))
            && is_word(tag, "._-")
            && digest.is_none_or(is_sha256)
            && file.as_ref().is_none_or(|file| !file.is_empty());
        let digest = digest.map(str::to_ascii_lowercase);
        let (registry, repository, tag) = (registry.to_owned(), repository.to_owned(), tag.to_owned());
        is_fine.then_some(Self { registry, repository, tag, digest, file }).ok_or_else(wrong)
    }

    /// An address of it in the API. Registries on this machine speak no TLS, as is usual.
    fn address(&self, kind: &str, reference: &str) -> Result<Url, String> {
        let url = |scheme: &str| {
            let text = format!("{scheme}://{}/v2/{}/{kind}/{reference}", self.registry, self.repository);
            Url::parse(&text).map_err(|error| format!("{text:?} is no address: {error}"))
        };
        let url_with_tls = url("https")?;
        let is_here = match url_with_tls.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if is_here { url("http") } else { Ok(url_with_tls) }
    }
}

impl Fetcher {
    /// The file of an artifact.
    pub(super) async fn artifact(
        &self,
        text: &str,
        is_known: bool,
        (most, cluster): (usize, Option<&dyn ClusterFiles>),
    ) -> Result<Bytes, String> {
        let artifact = Artifact::parse(text)?;
        let reference = artifact
            .digest
            .as_ref()
            .map_or_else(|| artifact.tag.clone(), |digest| format!("sha256:{digest}"));
        let at = artifact.address("manifests", &reference)?;
        let is_known = is_known || artifact.digest.is_some();
        if !is_known {
            self.trust(&at, "name it by @sha256:… or give the source a sha256")?;
        }
        let client = if artifact.digest.is_some() { &self.following } else { &self.staying };
        let mut access = Access { login: self.login(&at, cluster).await?, header: None };
        let manifest = self.answer(client, &at, &mut access).await?;
        let manifest = read(manifest, MANIFEST).await?;
        if let Some(wanted) = &artifact.digest {
            same(&manifest, wanted)?;
        }
        let manifest: Manifest = serde_json::from_slice(&manifest)
            .map_err(|error| format!("its manifest is malformed: {error}"))?;
        let layer = layer(&manifest, artifact.file.as_deref())?;
        if usize::try_from(layer.size).map_or(true, |size| size > most) {
            return Err(format!("it has {} bytes; {most} are the most", layer.size));
        }
        let wanted = layer.digest.strip_prefix("sha256:").ok_or("its digest is none of SHA-256")?;
        if !is_sha256(wanted) {
            return Err("its digest is malformed".to_owned());
        }
        // Registries send whoever wants a blob to where it is stored; what it has to be is known. The client takes the
        // header out on the way to another host.
        let at = artifact.address("blobs", &layer.digest)?;
        let content = read(self.answer(&self.following, &at, &mut access).await?, most).await?;
        same(&content, wanted)?;
        Ok(content)
    }

    /// Asks, with what the registry wants to see when it wants that.
    async fn answer(&self, client: &Client, at: &Url, access: &mut Access) -> Result<Response, String> {
        self.egress.check(at).map_err(|refused| refused.to_string())?;
        let ask = async |header: Option<&HeaderValue>| {
            let mut request = client.get(at.clone()).header(ACCEPT, MANIFESTS);
            if let Some(header) = header {
                request = request.header(AUTHORIZATION, header);
            }
            request.send().await.map_err(|error| told(&error))
        };
        let mut answer = ask(access.header.as_ref()).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && access.header.is_none() {
            let challenge = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
            access.header =
                Some(self.permission(challenge.unwrap_or_default(), access.login.as_ref()).await?);
            answer = ask(access.header.as_ref()).await?;
        }
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(refusal(at, answer.status(), access.login.is_some()))
    }

    /// What the challenge asks for: the login itself, or a token that is got for it, or for anybody.
    async fn permission(&self, challenge: &str, login: Option<&Login>) -> Result<HeaderValue, String> {
        let wrong = || match login {
            Some(_) => "the registry does not accept the login".to_owned(),
            None => "the registry wants a login, and there is none for it".to_owned(),
        };
        let (scheme, parts) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return login.ok_or_else(wrong)?.basic();
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(wrong());
        }
        let part = |name: &str| {
            let beginning = format!("{name}=\"");
            let (_, rest) = parts.split_once(&beginning)?;
            rest.split('"').next()
        };
        let mut at = part("realm").and_then(|realm| Url::parse(realm).ok()).ok_or_else(wrong)?;
        for name in ["service", "scope"] {
            if let Some(value) = part(name) {
                at.query_pairs_mut().append_pair(name, value);
            }
        }
        self.egress.check(&at).map_err(|refused| refused.to_string())?;
        let mut request = self.staying.get(at.clone());
        if let Some(login) = login {
            // Docker's registry has its tokens elsewhere; in the clear nobody is told.
            if !is_private(&at) {
                return Err(
                    "the registry has its tokens at an address without https, where no login goes".to_owned()
                );
            }
            request = request.header(AUTHORIZATION, login.basic()?);
        }
        let answer = request.send().await.map_err(|error| told(&error))?;
        if !answer.status().is_success() {
            return Err(wrong());
        }
        let body = read(answer, MANIFEST).await?;
        let token = serde_json::from_slice::<Token>(&body).map_err(|_| wrong())?;
        bearer(&token.token)
    }
}

fn same(content: &[u8], wanted: &str) -> Result<(), String> {
    let found = digest(content);
    let is_same = found.eq_ignore_ascii_case(wanted);
    is_same.then_some(()).ok_or_else(|| format!("its SHA-256 is {found}, and has to be {wanted}"))
}

/// The layer of that file, or the only one.
fn layer<'a>(manifest: &'a Manifest, file: Option<&str>) -> Result<&'a Layer, String> {
    let titles = || {
        let all = manifest.layers.iter().filter_map(|layer| layer.annotations.get(TITLE));
        all.map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    match (file, manifest.layers.as_slice()) {
        (_, []) => Err("it has no files; an index of images is not followed".to_owned()),
        (None, [layer]) => Ok(layer),
        (None, _) => Err(format!("it has several files; name one by #FILE of {}", titles())),
        (Some(file), layers) => {
            let is_meant = |layer: &&Layer| layer.annotations.get(TITLE).is_some_and(|title| title == file);
            layers
                .iter()
                .find(is_meant)
                .ok_or_else(|| format!("it has no file {file:?}; it has {}", titles()))
        }
    }
}

#[cfg(test)]
mod tests;
