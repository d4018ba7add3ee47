//! What outlives the process: a few named texts, in a file, in a ConfigMap, or nowhere.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::Mutex;

/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps texts by name. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store(Option<Arc<Place>>);

enum Place {
    File {
        path: PathBuf,
        /// What it says, so that one text can be changed.
        texts: Mutex<Option<BTreeMap<String, String>>>,
    },
    ConfigMap {
        maps: Api<ConfigMap>,
        name: String,
    },
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "file {}", path.display()),
            Self::ConfigMap { name, .. } => write!(f, "ConfigMap {name}"),
        }
    }
}

impl Store {
    /// The place that the flags name.
    ///
    /// # Errors
    /// A ConfigMap without a cluster.
    pub(crate) fn of(
        file: Option<PathBuf>,
        config_map: Option<String>,
        client: Option<&Client>,
    ) -> anyhow::Result<Self> {
        Ok(match (file, config_map) {
            (Some(path), _) => Self::file(path),
            (None, Some(name)) => {
                let client = client.context("-state-config-map: there is no cluster")?;
                Self::config_map(Api::default_namespaced(client.clone()), name)
            }
            (None, None) => Self::default(),
        })
    }

    /// A file; it need not be there yet.
    pub(crate) fn file(path: PathBuf) -> Self {
        Self(Some(Arc::new(Place::File { path, texts: Mutex::default() })))
    }

    /// A ConfigMap; it need not be there yet.
    pub(crate) fn config_map(maps: Api<ConfigMap>, name: String) -> Self {
        Self(Some(Arc::new(Place::ConfigMap { maps, name })))
    }

    /// All texts.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) async fn load(&self) -> anyhow::Result<BTreeMap<String, String>> {
        match self.0.as_deref() {
            None => Ok(BTreeMap::new()),
            Some(Place::File { path, texts }) => {
                let found = read(path)?;
                *texts.lock().await = Some(found.clone());
                Ok(found)
            }
            Some(Place::ConfigMap { maps, name }) => {
                let asking = tokio::time::timeout(PATIENCE, maps.get_opt(name)).await;
                let found = asking.context("the API server does not answer")?;
                let found =
                    found.map_err(told).with_context(|| format!("ConfigMap {name} cannot be read"))?;
                Ok(found.and_then(|map| map.data).unwrap_or_default())
            }
        }
    }

    /// Writes a text down, or takes it away.
    ///
    /// # Errors
    /// It cannot be written; the old one stays.
    pub(crate) async fn put(&self, key: &str, text: Option<&str>) -> anyhow::Result<()> {
        match self.0.as_deref() {
            None => Ok(()),
            Some(Place::File { path, texts }) => {
                let mut texts = texts.lock().await;
                let mut changed = match texts.take() {
                    Some(texts) => texts,
                    None => read(path)?,
                };
                match text {
                    Some(text) => drop(changed.insert(key.to_owned(), text.to_owned())),
                    None => drop(changed.remove(key)),
                }
                write(path, &serde_json::to_vec_pretty(&changed)?)
                    .with_context(|| format!("{} cannot be written", path.display()))?;
                *texts = Some(changed);
                Ok(())
            }
            Some(Place::ConfigMap { maps, name }) => {
                tokio::time::timeout(PATIENCE, patch(maps, name, key, text))
                    .await
                    .context("the API server does not answer")?
                    .with_context(|| format!("ConfigMap {name} cannot be written"))
            }
        }
    }
}

async fn patch(maps: &Api<ConfigMap>, name: &str, key: &str, text: Option<&str>) -> anyhow::Result<()> {
    // A merge patch changes one key whatever others do at the same time.
    let change = json!({"data": {key: text}});
    match maps.patch(name, &PatchParams::default(), &Patch::Merge(&change)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            let Some(text) = text else { return Ok(()) };
            let fresh = json!({"metadata": {"name": name}, "data": {key: text}});
            match maps.create(&PostParams::default(), &serde_json::from_value(fresh)?).await {
                Err(kube::Error::Api(status)) if status.is_already_exists() => {
                    maps.patch(name, &PatchParams::default(), &Patch::Merge(&change)).await.map_err(told)?;
                    Ok(())
                }
                outcome => outcome.map(drop).map_err(told),
            }
        }
        Err(error) => Err(told(error)),
    }
}

fn told(error: kube::Error) -> anyhow::Error {
    if let kube::Error::Api(status) = &error { anyhow::anyhow!("{}", status.message) } else { error.into() }
}

fn read(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no file of the load tester", path.display()))
}

/// A reader sees the old file or the new one, never half of it.
fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn texts_survive_in_a_file_and_each_is_changed_alone() {
        let path = std::env::temp_dir().join(format!("store-{}.json", uuid::Uuid::new_v4()));
        let store = Store::file(path.clone());
        assert!(store.load().await.unwrap().is_empty());
        store.put("a", Some("1")).await.unwrap();
        Store::file(path.clone()).put("b", Some("2")).await.unwrap();
        let again = Store::file(path.clone());
        assert_eq!(again.load().await.unwrap().len(), 2);
        again.put("a", None).await.unwrap();
        assert_eq!(
            Store::file(path.clone()).load().await.unwrap(),
            BTreeMap::from([("b".into(), "2".into())])
        );
        std::fs::write(&path, "no").unwrap();
        assert!(Store::file(path.clone()).load().await.is_err());
        std::fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_an_error() {
        assert!(Store::file("/nowhere/at/all.json".into()).put("a", Some("1")).await.is_err());
        assert!(Store::of(None, Some("map".into()), None).is_err());
    }
}
