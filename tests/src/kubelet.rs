//! Stands in for kubelets: every pod of a namespace becomes ready as soon as it is there, and every DaemonSet as if there
//! were one node.

use futures::StreamExt;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::task::JoinHandle;

/// Follows the pods of `namespace` until the handle is aborted.
pub fn pods_become_ready(client: Client, namespace: &str) -> JoinHandle<()> {
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    tokio::spawn(async move {
        let mut seen =
            watcher(pods.clone(), watcher::Config::default()).default_backoff().applied_objects().boxed();
        while let Some(pod) = seen.next().await {
            let Ok(pod) = pod else { continue };
            let running = pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running");
            if running || pod.metadata.deletion_timestamp.is_some() {
                if pod.metadata.deletion_timestamp.is_some() {
                    let now = kube::api::DeleteParams { grace_period_seconds: Some(0), ..Default::default() };
                    let _ = pods.delete(&pod.name_any(), &now).await;
                }
                continue;
            }
            let names = pod.spec.iter().flat_map(|spec| &spec.containers).map(|container| &container.name);
            let containers: Vec<_> = names
                .map(|name| {
                    json!({"name": name, "ready": true, "started": true, "restartCount": 0, "image": "", "imageID": "",
                           "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}})
                })
                .collect();
            let ready = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
            let conditions: Vec<_> =
                ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map(ready).to_vec();
            let status = json!({"status": {
                "phase": "Running", "conditions": conditions, "containerStatuses": containers}});
            let _ = pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status)).await;
        }
    })
}

/// Follows the DaemonSets of `namespace` until the handle is aborted: one node, unless they ask for what no node has.
pub fn daemons_become_ready(client: Client, namespace: &str) -> JoinHandle<()> {
    let daemons: Api<DaemonSet> = Api::namespaced(client, namespace);
    tokio::spawn(async move {
        let mut seen =
            watcher(daemons.clone(), watcher::Config::default()).default_backoff().applied_objects().boxed();
        while let Some(daemon) = seen.next().await {
            let Ok(daemon) = daemon else { continue };
            let generation = daemon.metadata.generation;
            if daemon.status.as_ref().and_then(|status| status.observed_generation) == generation {
                continue;
            }
            let pod = daemon.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
            let rests =
                pod.and_then(|pod| pod.node_selector.as_ref()).is_some_and(|wanted| !wanted.is_empty());
            let nodes = i32::from(!rests);
            let status = json!({"status": {
                "observedGeneration": generation, "desiredNumberScheduled": nodes, "currentNumberScheduled": nodes,
                "updatedNumberScheduled": nodes, "numberReady": nodes, "numberAvailable": nodes, "numberMisscheduled": 0}});
            let patch = Patch::Merge(status);
            let _ = daemons.patch_status(&daemon.name_any(), &PatchParams::default(), &patch).await;
        }
    })
}
