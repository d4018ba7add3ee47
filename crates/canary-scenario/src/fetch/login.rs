//! Who one is where data is fetched from: asked for anew each time, since tokens change.

use std::path::PathBuf;

use reqwest::StatusCode;
use url::Url;

use super::{ClusterFiles, Fetcher};
use crate::login::{Login, Logins, is_private, place};

impl Fetcher {
    /// The same, with the logins of files: configurations of Docker, or lines of `git credential-store`. They are for all
    /// that is fetched, and are read anew for each.
    #[must_use]
    pub fn with_login_files(mut self, files: Vec<PathBuf>) -> Self {
        self.login_files = files.into();
        self
    }

    /// Who one is at that address, if anything is known of that.
    pub(super) async fn login(
        &self,
        at: &Url,
        cluster: Option<&dyn ClusterFiles>,
    ) -> Result<Option<Login>, String> {
        let Some(host) = place(at) else { return Ok(None) };
        let mut login = match cluster {
            Some(cluster) => cluster.login(&host).await?,
            None => None,
        };
        for path in self.login_files.iter() {
            if login.is_some() {
                break;
            }
            let told = |why: String| format!("the logins in {}: {why}", path.display());
            let text = tokio::fs::read_to_string(path).await.map_err(|error| told(error.to_string()))?;
            login = Logins::read(&text).map_err(told)?.at(&host).cloned();
        }
        if login.is_some() && !is_private(at) {
            return Err(format!("there is a login for {host}, which goes by https only"));
        }
        Ok(login)
    }
}

/// What is told of an answer that is none.
pub(super) fn refusal(at: &Url, status: StatusCode, has_login: bool) -> String {
    let told = format!("{} answered {status}", at.host_str().unwrap_or_default());
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if has_login => {
            format!("{told}; the login may not read it")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND if !has_login => {
            format!("{told}; if it is private, it takes a login")
        }
        _ => told,
    }
}

#[cfg(test)]
mod tests;
