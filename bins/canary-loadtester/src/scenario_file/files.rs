//! Where the command line takes scenarios from: files, Git repositories and registries, with overlays over them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use canary_scenario::{Fetcher, SourceSpec};
use clap::Args;

/// What is laid over a scenario.
#[derive(Debug, Args)]
pub(crate) struct Overlays {
    /// A file that changes the scenario, or a reference to one; may be given several times, and the later one has the last
    /// word
    #[arg(long, value_name = "FILE")]
    overlay: Vec<String>,
    /// File with logins for private repositories and registries: a config.json of Docker, or lines of git
    /// credential-store; may be given several times
    #[arg(long, value_name = "PATH")]
    login_file: Vec<PathBuf>,
}

impl Overlays {
    /// The base and its overlays, each with its name.
    pub(super) async fn read(&self, base: &str) -> anyhow::Result<Vec<(String, String)>> {
        let mut files = Vec::with_capacity(1 + self.overlay.len());
        for file in std::iter::once(base).chain(self.overlay.iter().map(String::as_str)) {
            files.push(if is_reference(file) {
                self.fetched(file).await?
            } else {
                (file.to_owned(), read(Path::new(file))?)
            });
        }
        Ok(files)
    }

    async fn fetched(&self, reference: &str) -> anyhow::Result<(String, String)> {
        let source = SourceSpec::of_reference(reference, None).map_err(anyhow::Error::msg)?;
        let sources = BTreeMap::from([("scenario".to_owned(), source.clone())]);
        let got = self.fetcher(reference)?.fetch(&sources, None, &BTreeMap::new()).await;
        let content = got.map_err(|why| anyhow::anyhow!("{}: {why}", source.label()))?.data.pop_first();
        let content = content.map(|(_, content)| content).unwrap_or_default();
        let text =
            String::from_utf8(content.to_vec()).with_context(|| format!("{} is no text", source.label()))?;
        Ok((source.label(), text))
    }

    /// For the data of a scenario: of one that comes from elsewhere none is read from this machine.
    pub(super) fn fetcher(&self, file: &str) -> anyhow::Result<Fetcher> {
        let fetcher = if is_reference(file) {
            Fetcher::anywhere()?
        } else {
            let folder = Path::new(file).parent().filter(|folder| !folder.as_os_str().is_empty());
            Fetcher::local(folder.unwrap_or(Path::new(".")).to_owned())?
        };
        Ok(fetcher.with_login_files(self.login_file.clone()))
    }
}

/// Whether it names a file elsewhere.
pub(crate) fn is_reference(text: &str) -> bool {
    text.starts_with("git:") || text.starts_with("oci://")
}

pub(super) fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// A file beside the scenario; for one from elsewhere, here.
pub(super) fn beside(file: &str, extension: &str) -> PathBuf {
    if !is_reference(file) {
        return Path::new(file).with_extension(extension);
    }
    let label = SourceSpec::of_reference(file, None).map(|source| source.label()).unwrap_or_default();
    let name = label.rsplit(['/', '#']).next().unwrap_or_default().replace([':', '@'], "-");
    Path::new(&name).with_extension(extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_a_scenario_from_elsewhere_lies_here() {
        for (file, journal) in [
            ("a/shop.yaml", "a/shop.journal"),
            ("git:https://github.com/shop/load//a/shop.yaml?ref=v1", "shop.journal"),
            ("oci://registry.example/load:v1#shop.yaml", "shop.journal"),
        ] {
            assert_eq!(beside(file, "journal"), Path::new(journal));
        }
    }
}
