//! A file of a Git repository, out of the archive that its forge makes of a commit.
//!
//! A client of Git would bring its own HTTP, its own TLS and most of a tree for one file; every forge has archives.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use reqwest::Response;
use reqwest::header::{AUTHORIZATION, LOCATION};
use tar::{Archive, EntryType};
use url::Url;

use super::login::refusal;
use super::{ClusterFiles, Fetcher, read, told};
use crate::login::Login;
use crate::source::{MOST_BYTES, fetchable, stays_within};
use crate::spec::GitFile;

/// What an archive may unpack to, in bytes.
const UNPACKED: u64 = 512 << 20;
/// Entries that are looked at.
const ENTRIES: usize = 100_000;
/// Addresses on the way to it.
const MOST_HOPS: usize = 4;

impl GitFile {
    /// What is wrong with it: the field, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        self.archive().map_err(|why| (".git.url", why))?;
        let is_fine = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
        if self.reference.is_empty() || self.reference.contains("..") || !self.reference.chars().all(is_fine)
        {
            return Err((".git.ref", format!("{:?} is no branch, tag or commit", self.reference)));
        }
        if self.path.is_empty() || !stays_within(&self.path) {
            return Err((".git.path", "it takes a path within the repository, without ..".to_owned()));
        }
        Ok(())
    }

    /// Where its forge has the archive: GitHub and Gitea, and so Forgejo, in one way, GitLab and Bitbucket in others.
    fn archive(&self) -> Result<Url, String> {
        let url = fetchable(&self.url)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let repository = url.path().trim_end_matches('/').trim_end_matches(".git");
        let name = repository.rsplit('/').next().unwrap_or_default();
        let reference = &self.reference;
        let path = if host.split('.').any(|part| part == "gitlab") {
            format!("{repository}/-/archive/{reference}/{name}.tar.gz")
        } else if host == "bitbucket.org" {
            format!("{repository}/get/{reference}.tar.gz")
        } else {
            format!("{repository}/archive/{reference}.tar.gz")
        };
        let mut archive = url.clone();
        archive.set_path(&path);
        archive.set_query(None);
        archive.set_fragment(None);
        Ok(archive)
    }
}

impl Fetcher {
    /// The file of a repository.
    pub(super) async fn git(
        &self,
        git: &GitFile,
        is_known: bool,
        (most, cluster): (usize, Option<&dyn ClusterFiles>),
    ) -> Result<Bytes, String> {
        let at = git.archive()?;
        let login = self.login(&at, cluster).await?;
        let answer = self.archive(at, is_known, login.as_ref()).await?;
        let archive = read(answer, MOST_BYTES).await?;
        let path = git.path.clone();
        tokio::task::spawn_blocking(move || file(&archive, &path, most))
            .await
            .map_err(|error| error.to_string())?
    }

    /// The archive. Where its content is not known by a digest, each host on the way has to be trusted. Only the first
    /// is shown the login: where it sends on to, the address says what is needed.
    async fn archive(&self, mut at: Url, is_known: bool, login: Option<&Login>) -> Result<Response, String> {
        let first = at.origin();
        for _ in 0..MOST_HOPS {
            if !is_known {
                self.trust(&at, "give the source a sha256, which is that of the file")?;
            }
            self.egress.check(&at).map_err(|refused| refused.to_string())?;
            let mut request = self.staying.get(at.clone());
            if let Some(login) = login.filter(|_| at.origin() == first) {
                request = request.header(AUTHORIZATION, login.header()?);
            }
            let answer = request.send().await.map_err(|error| told(&error))?;
            if answer.status().is_success() {
                return Ok(answer);
            }
            let next = answer.headers().get(LOCATION).and_then(|next| next.to_str().ok());
            match next.and_then(|next| at.join(next).ok()).filter(|_| answer.status().is_redirection()) {
                Some(next) => at = next,
                None => return Err(refusal(&at, answer.status(), login.is_some())),
            }
        }
        Err("it is redirected too often".to_owned())
    }
}

/// A file of an archive, whose entries are all below one folder.
fn file(archive: &[u8], path: &str, most: usize) -> Result<Bytes, String> {
    let malformed = |error: std::io::Error| format!("its archive is malformed: {error}");
    let mut archive = Archive::new(GzDecoder::new(archive).take(UNPACKED));
    for entry in archive.entries().map_err(malformed)?.take(ENTRIES) {
        let entry = entry.map_err(malformed)?;
        let name = entry.path_bytes();
        let is_meant =
            name.iter().position(|byte| *byte == b'/').is_some_and(|at| &name[at + 1..] == path.as_bytes());
        if !is_meant {
            continue;
        }
        if entry.header().entry_type() != EntryType::Regular {
            return Err(format!("{path} is no file; links and folders are not followed"));
        }
        let mut content = Vec::new();
        entry.take(most as u64 + 1).read_to_end(&mut content).map_err(malformed)?;
        if content.len() > most {
            return Err(format!("it has more than {most} bytes"));
        }
        return Ok(Bytes::from(content));
    }
    Err(format!("the repository has no file {path}"))
}

#[cfg(test)]
pub(super) mod tests;
