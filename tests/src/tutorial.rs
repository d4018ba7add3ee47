//! What tests of whole rollouts on a real API server need: definitions, workloads that become ready, our own programs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::definitions::{define, open_definition};

/// How often deployments are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Installs our own definitions, and those of Istio without a schema.
///
/// # Errors
/// A definition is refused.
pub async fn install_with_istio(client: &Client) -> anyhow::Result<()> {
    let mesh = |kind: &str, plural: &str| open_definition("networking.istio.io", "v1beta1", kind, plural);
    let meshes = [mesh("VirtualService", "virtualservices"), mesh("DestinationRule", "destinationrules")];
    define(client, canary_api::crds().into_iter().chain(meshes)).await
}

/// Does what the controllers of a cluster would do, as long as it is polled: every deployment of the namespace is ready.
pub async fn deployments_become_ready(client: Client, namespace: &str) {
    let deployments: Api<Deployment> = Api::namespaced(client, namespace);
    loop {
        for deployment in deployments.list(&ListParams::default()).await.into_iter().flatten() {
            let found = serde_json::to_value(&deployment).unwrap_or_default();
            let (replicas, generation) =
                (found["spec"]["replicas"].clone(), found["metadata"]["generation"].clone());
            let status = json!({"observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas,
                "readyReplicas": replicas, "availableReplicas": replicas, "conditions": [
                    {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
                    {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}]});
            if found["status"]["observedGeneration"] != generation {
                let patch = Patch::Merge(json!({"status": status}));
                let _ =
                    deployments.patch_status(&deployment.name_any(), &PatchParams::default(), &patch).await;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A program of this workspace, built as it is now; it lies beside the folder of the test.
///
/// # Errors
/// It cannot be built.
pub fn built(package: &str) -> anyhow::Result<PathBuf> {
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
