//! The kinds of workload in a cluster in memory.

use std::sync::Arc;

use canary_core::{Autoscaler, Owner, WorkloadSpec};
use canary_routers::MemoryObjects;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ApiResource;
use serde_json::{Value, json};

use super::source::Kind;
use super::{DaemonSets, Deployments, WorkloadSettings};
use crate::Settings;

mod daemonset;
mod knative;
mod observing;
mod past;
mod primary;
mod scaling;
mod service;

/// A canary of one workload and one config.
struct Fixture {
    kind: Kind,
    objects: Arc<MemoryObjects>,
    settings: WorkloadSettings,
    spec: WorkloadSpec,
}

impl Fixture {
    fn new(kind: Kind) -> Self {
        let fixture = Self {
            kind,
            objects: Arc::default(),
            settings: WorkloadSettings::from(&Settings::default()),
            spec: WorkloadSpec::new("test", owner(), "podinfo"),
        };
        fixture.put_config("red");
        fixture.put(target(kind));
        fixture
    }

    fn deployments(&self) -> Deployments {
        Deployments::new(self.objects.clone(), Arc::new(self.settings.clone()))
    }

    fn daemon_sets(&self) -> DaemonSets {
        DaemonSets::new(self.objects.clone(), Arc::new(self.settings.clone()))
    }

    fn with_autoscaler(mut self, kind: &str) -> Self {
        self.spec.autoscaler =
            Some(Autoscaler { kind: kind.into(), name: "podinfo".into(), ..Autoscaler::default() });
        self
    }

    fn put(&self, object: Value) {
        self.objects.insert(&self.kind.resource(), object);
    }

    fn put_config(&self, color: &str) {
        let object = json!({"metadata": {"name": "settings", "namespace": "test"}, "data": {"color": color}});
        self.objects.insert(&config_kind(), object);
    }

    /// Changes a workload as somebody else.
    fn change(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.read(name);
        change(&mut object);
        self.put(object);
    }

    /// A workload without its resource version.
    fn read(&self, name: &str) -> Value {
        let mut object = self.objects.read(&self.kind.resource(), "test", name).unwrap();
        object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        object
    }

    fn config_copy(&self) -> Value {
        self.objects.read(&config_kind(), "test", "settings-primary").unwrap()["data"].clone()
    }

    /// Calls that changed, or tried to change, something since `work` began.
    async fn writes_of<T>(&self, work: impl Future<Output = T>) -> (T, usize) {
        let before = self.objects.writes();
        let result = work.await;
        (result, self.objects.writes() - before)
    }
}

/// The canary that all copies belong to.
fn owner() -> Owner {
    Owner {
        api_version: "flagger.app/v1beta1".into(),
        kind: "Canary".into(),
        name: "podinfo".into(),
        uid: "uid-1".into(),
    }
}

fn config_kind() -> ApiResource {
    ApiResource::erase::<ConfigMap>(&())
}

/// A target of two ready pods as the API server stores it.
fn target(kind: Kind) -> Value {
    let metadata = json!({
        "name": "podinfo", "namespace": "test", "generation": 1,
        "labels": {"app": "podinfo", "team": "web"},
        "annotations": {"owner": "web", "deployment.kubernetes.io/revision": "7", "x.toolkit.fluxcd.io/name": "apps"},
    });
    let selector = json!({"matchLabels": {"app": "podinfo"}});
    let template = json!({
        "metadata": {"annotations": {"prometheus.io/scrape": "true"}, "labels": {"app": "podinfo"}},
        "spec": {
            "containers": [{
                "name": "podinfod", "image": "ghcr.io/stefanprodan/podinfo:6.0.0",
                "envFrom": [{"configMapRef": {"name": "settings"}}],
                "ports": [{"name": "http", "containerPort": 9898, "protocol": "TCP"}],
            }],
            "restartPolicy": "Always",
        },
    });
    match kind {
        Kind::Deployment => json!({
            "metadata": metadata,
            "spec": {
                "minReadySeconds": 1, "progressDeadlineSeconds": 60, "replicas": 2, "revisionHistoryLimit": 5,
                "selector": selector,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
                "template": template,
            },
            "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
        }),
        Kind::DaemonSet => json!({
            "metadata": metadata,
            "spec": {"selector": selector, "template": template, "updateStrategy": {"type": "RollingUpdate"}},
            "status": {
                "observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3,
            },
        }),
    }
}
