//! The target as it was read: its kind, its template, how its pods are selected, which configs it uses.
//! Not for reading it.

use canary_core::WorkloadSpec;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet};
use kube::core::ApiResource;
use serde_json::Value;

use super::template::{Conversion, identity};
use super::{Selector, WorkloadSettings};
use crate::configs::Configs;
use crate::fields::{edit, into_fields, set_map};
use crate::revision::revision;

/// The node label that no node has: a `DaemonSet` that asks for it is at rest.
pub(super) const SCALE_TO_ZERO: &str = "flagger.app/scale-to-zero";

/// A kind of workload whose pods come from a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number of pods, anywhere.
    Deployment,
    /// A pod on each node.
    DaemonSet,
}

impl Kind {
    /// The kind as the API knows it.
    pub(super) fn resource(self) -> ApiResource {
        match self {
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::DaemonSet => ApiResource::erase::<DaemonSet>(&()),
        }
    }

    /// What its controller keeps of each template that it had.
    pub(super) fn past(self) -> ApiResource {
        match self {
            Self::Deployment => ApiResource::erase::<ReplicaSet>(&()),
            Self::DaemonSet => ApiResource::erase::<ControllerRevision>(&()),
        }
    }

    /// The word in messages.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::DaemonSet => "daemonset",
        }
    }

    /// What a primary takes over besides the template.
    pub(super) fn copied_fields(self) -> &'static [&'static str] {
        match self {
            Self::Deployment => {
                &["strategy", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"]
            }
            Self::DaemonSet => &["updateStrategy", "minReadySeconds", "revisionHistoryLimit"],
        }
    }

    /// Whether the number of pods is a field.
    pub(super) fn has_replicas(self) -> bool {
        self == Self::Deployment
    }

    /// The keys by which spreading rules are rewritten for the primary. A `DaemonSet` has a pod on each node anyway.
    fn scheduling_keys(self, settings: &WorkloadSettings) -> &[String] {
        match self {
            Self::Deployment => &settings.selector_labels,
            Self::DaemonSet => &[],
        }
    }
}

/// The target as it was read.
pub(super) struct Source {
    pub(super) kind: Kind,
    pub(super) object: Value,
    pub(super) selector: Selector,
    /// `None` when configs are not tracked.
    pub(super) configs: Option<Configs>,
}

impl Source {
    /// The pod template, without what only says that the target is at rest.
    pub(super) fn template(&self) -> Value {
        template_of(self.kind, &self.object)
    }

    /// Its revision.
    pub(super) fn revision(&self) -> String {
        revision(&self.template())
    }

    /// The template that the primary gets.
    pub(super) fn converted(&self, spec: &WorkloadSpec, settings: &WorkloadSettings) -> Value {
        let configs = self.configs.as_ref().map(Configs::checksums);
        let id = identity(&spec.owner.uid, &self.revision(), configs.as_ref());
        self.conversion(spec, settings).apply(&self.template(), &id)
    }

    /// Whether `primary` runs this template.
    pub(super) fn is_run_by(
        &self,
        primary: &Value,
        spec: &WorkloadSpec,
        settings: &WorkloadSettings,
    ) -> bool {
        let primary = primary.pointer("/spec/template").cloned().unwrap_or_default();
        self.conversion(spec, settings).is_run_by(&self.template(), &primary)
    }

    fn conversion<'a>(&'a self, spec: &'a WorkloadSpec, settings: &'a WorkloadSettings) -> Conversion<'a> {
        Conversion {
            target: &spec.target,
            selector: &self.selector,
            scheduling_keys: self.kind.scheduling_keys(settings),
            configs: self.configs.as_ref(),
        }
    }
}

/// The pod template of a workload of that kind, at rest or not.
pub(super) fn template_of(kind: Kind, workload: &Value) -> Value {
    let template = workload.pointer("/spec/template").cloned().unwrap_or_default();
    match kind {
        Kind::Deployment => template,
        Kind::DaemonSet => {
            let mut template = into_fields(template);
            edit(&mut template, "spec", |spec| {
                let mut selector = into_fields(spec.remove("nodeSelector").unwrap_or_default());
                selector.remove(SCALE_TO_ZERO);
                set_map(spec, "nodeSelector", selector);
            });
            Value::Object(template)
        }
    }
}
