//! Looks at everything that a canary needs before anything is released: the objects that it refers to, its metrics with their
//! templates, secrets and providers, and the addresses of its hooks. It asks and reads, and writes nothing.

mod cluster;
mod hooks;
mod metrics;
mod references;
mod report;
#[cfg(test)]
mod tests;

use std::io::Write;

use anyhow::{Context, bail};
use canary_api::{Canary, Options, ValidCanary};
use canary_metrics::{HttpOptions, MetricProviders};
use canary_routers::Routers;
use serde::Serialize;

use crate::manifests::Manifest;
use cluster::Cluster;
pub(crate) use report::{json, text};

/// What was looked at, and how it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// `name.namespace` of the canary.
    pub(crate) canary: String,
    /// What was looked at, such as `metric request-duration`.
    pub(crate) what: String,
    pub(crate) state: State,
    /// What was found.
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Good,
    /// It may be as it should be: no traffic yet, or an address that only the cluster can reach.
    Doubtful,
    Bad,
}

/// How it is looked.
pub(crate) struct Look {
    pub(crate) namespace: String,
    pub(crate) mesh_provider: String,
    /// Address of the Prometheus of built-in metrics, as this machine reaches it.
    pub(crate) metrics_server: String,
}

/// All rows of one canary.
struct Examination<'a> {
    cluster: &'a Cluster,
    providers: &'a MetricProviders,
    look: &'a Look,
    canary: ValidCanary,
    manifest: &'a Manifest,
    rows: Vec<Row>,
}

/// Looks at all canaries of the files, with the cluster that the kubeconfig names.
///
/// # Errors
/// There is no canary in the files, or no cluster.
pub(crate) async fn examine(manifests: Vec<Manifest>, look: &Look) -> anyhow::Result<Vec<Row>> {
    let client = kube::Client::try_default().await.context("the kubeconfig cannot be used")?;
    let version = client.apiserver_version().await.context("the cluster cannot be reached")?;
    remark(&version.git_version)?;
    let providers = MetricProviders::default().with_cluster(client.clone(), HttpOptions::default());
    with_cluster(manifests, look, client, &providers).await
}

/// On standard error, so that the report stays what a program can read.
fn remark(version: &str) -> anyhow::Result<()> {
    writeln!(anstream::stderr(), "cluster: Kubernetes {version}")?;
    Ok(())
}

async fn with_cluster(
    mut manifests: Vec<Manifest>,
    look: &Look,
    client: kube::Client,
    providers: &MetricProviders,
) -> anyhow::Result<Vec<Row>> {
    for manifest in &mut manifests {
        if manifest.text("/metadata/namespace").is_empty() {
            manifest.object["metadata"]["namespace"] = look.namespace.as_str().into();
        }
    }
    let cluster = Cluster::new(client, manifests.clone());
    let is_canary =
        |m: &&Manifest| m.text("/kind") == "Canary" && m.text("/apiVersion").starts_with("flagger.app/");
    let mut rows = Vec::new();
    for manifest in manifests.iter().filter(is_canary) {
        match valid(manifest, look) {
            Ok(canary) => {
                let mut examination =
                    Examination { cluster: &cluster, providers, look, canary, manifest, rows: Vec::new() };
                examination.row("canary", State::Good, "is valid");
                examination.references().await;
                examination.metrics().await;
                examination.hooks().await;
                rows.extend(examination.rows);
            }
            Err(problem) => rows.push(Row {
                canary: format!(
                    "{}.{}",
                    manifest.text("/metadata/name"),
                    manifest.text("/metadata/namespace")
                ),
                what: "canary".into(),
                state: State::Bad,
                text: problem,
            }),
        }
    }
    if rows.is_empty() {
        bail!("there is no Canary of flagger.app among the objects ({})", manifests.len());
    }
    Ok(rows)
}

fn valid(manifest: &Manifest, look: &Look) -> Result<ValidCanary, String> {
    let canary: Canary =
        serde_json::from_value(manifest.object.clone()).map_err(|error| error.to_string())?;
    let routers = Routers::default();
    let capabilities = |provider: &str| routers.capabilities(provider);
    ValidCanary::new(&canary, &Options::new(&look.mesh_provider, &capabilities)).map_err(|invalid| {
        let field = invalid.problems.first().map(|problem| problem.field().to_owned()).unwrap_or_default();
        format!("{}: {invalid}", manifest.place.of(&field))
    })
}

impl Examination<'_> {
    fn row(&mut self, what: impl Into<String>, state: State, text: impl Into<String>) {
        let canary = format!("{}.{}", self.canary.name, self.canary.namespace);
        self.rows.push(Row { canary, what: what.into(), state, text: text.into() });
    }

    /// A row about an object that has to be there.
    async fn presence(&mut self, what: &str, api_version: &str, kind: &str, namespace: &str, name: &str) {
        let label = format!("{kind} {name}.{namespace}");
        match self.cluster.find(api_version, kind, namespace, name).await {
            Ok(Some(found)) => self.row(what, State::Good, format!("{label} is in the {}", found.origin)),
            Ok(None) => {
                let text = self.cluster.absent(api_version, kind, namespace, name).await;
                self.row(what, State::Bad, text);
            }
            Err(error) => self.row(what, State::Bad, format!("{label} cannot be read: {error}")),
        }
    }
}
