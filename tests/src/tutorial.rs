//! What tests of whole rollouts on a real API server need: definitions, workloads that become ready, our own programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::definitions::{define, open_definition};

/// Installs our own definitions, and those of Istio without a schema.
///
/// # Errors
/// A definition is refused.
pub async fn install_with_istio(client: &Client) -> anyhow::Result<()> {
    install_beside_istio(client, canary_api::crds()).await
}

/// Installs these definitions, and those of Istio without a schema.
///
/// # Errors
/// A definition is refused.
pub async fn install_beside_istio(
    client: &Client,
    definitions: impl IntoIterator<Item = CustomResourceDefinition>,
) -> anyhow::Result<()> {
    let mesh = |kind: &str, plural: &str| open_definition("networking.istio.io", "v1beta1", kind, plural);
    let meshes = [mesh("VirtualService", "virtualservices"), mesh("DestinationRule", "destinationrules")];
    define(client, definitions.into_iter().chain(meshes)).await
}

/// The status that a Deployment's controllers report of one whose pods are all ready.
pub fn all_ready(generation: i64, replicas: u64) -> Value {
    json!({"observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas,
        "readyReplicas": replicas, "availableReplicas": replicas,
        "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
                       {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}]})
}

/// Does what the controllers of a cluster would do, as long as it is polled: every deployment of the namespace is ready.
pub async fn deployments_become_ready(client: Client, namespace: &str) {
    let deployments: Api<Deployment> = Api::namespaced(client, namespace);
    let changes =
        watcher(deployments.clone(), watcher::Config::default()).default_backoff().applied_objects();
    let settle = changes.for_each(|deployment| async {
        let Ok(deployment) = deployment else { return }; // the watch begins anew
        let generation = deployment.metadata.generation.unwrap_or_default();
        if deployment.status.as_ref().and_then(|status| status.observed_generation) == Some(generation) {
            return;
        }
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let status = all_ready(generation, u64::try_from(replicas).unwrap_or_default());
        let patch = Patch::Merge(json!({"status": status}));
        let _ = deployments.patch_status(&deployment.name_any(), &PatchParams::default(), &patch).await; // or at the next change
    });
    settle.await;
}

/// A program of this workspace: the one that a variable named after it names, such as `CANARYD`; else it is built as it is
/// now, and lies beside the folder of the test.
///
/// # Errors
/// It cannot be built.
pub fn built(package: &str) -> anyhow::Result<PathBuf> {
    let variable = package.to_uppercase().replace('-', "_");
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    // As part of the workspace, it is built from the same dependencies as the test.
    let build =
        Command::new(env!("CARGO")).args(["build", "--quiet", "--workspace", "--bin", package]).status()?;
    if !build.success() {
        bail!("{package} cannot be built");
    }
    let here = std::env::current_exe()?;
    let folder = here.ancestors().find(|folder| folder.join(package).is_file());
    folder.map(|folder: &Path| folder.join(package)).with_context(|| format!("{package} is not there"))
}
