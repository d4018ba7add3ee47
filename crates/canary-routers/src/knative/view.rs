//! A Knative Service as far as a rollout is concerned: its revisions, and how traffic is split between them.
//!
//! What is not named here stays in `rest`, at every level. Not for the revisions themselves.

use canary_core::Weights;
use kube::core::{ApiResource, GroupVersionKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::weights;
use crate::ObjectMetadata;

/// Names the revision that plays the part of the primary, as Flagger does.
const PRIMARY_REVISION: &str = "flagger.app/primary-revision";

/// Fields of an object by name.
type Fields = Map<String, Value>;

/// A Service of `serving.knative.dev/v1`.
///
/// Its revisions are immutable and kept, so that no workload has to be copied: the canary is whichever revision is the
/// latest, the primary is one that an annotation names, and traffic is split in the object itself.
///
/// ```
/// use canary_core::Weights;
/// use canary_routers::KnativeService;
/// use serde_json::json;
///
/// let mut service: KnativeService = serde_json::from_value(json!({
///     "metadata": {"name": "podinfo", "namespace": "test"},
///     "status": {"latestCreatedRevisionName": "podinfo-00001"},
/// })).unwrap();
/// assert_eq!(service.primary_revision(), None);
///
/// service.set_primary_revision("podinfo-00001");
/// service.split("podinfo-00001", Weights::PRIMARY);
/// assert_eq!(service.primary_revision(), service.latest_revision());
/// assert_eq!(serde_json::to_value(&service).unwrap()["spec"], json!({"traffic": [
///     {"latestRevision": true, "percent": 0},
///     {"revisionName": "podinfo-00001", "percent": 100},
/// ]}));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnativeService {
    metadata: ObjectMetadata,
    #[serde(default)]
    spec: Routed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(flatten)]
    rest: Fields,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Routed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traffic: Option<Vec<Share>>,
    #[serde(flatten)]
    rest: Fields,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    latest_created_revision_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traffic: Option<Vec<Share>>,
    #[serde(flatten)]
    rest: Fields,
}

/// An entry of `traffic`: a revision, or the latest one, with its share of the requests, or an address of its own, or both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Share {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) latest_revision: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revision_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) percent: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

impl KnativeService {
    /// The kind of Knative Services.
    pub fn kind() -> ApiResource {
        knative("Service", "services")
    }

    /// The kind of their revisions.
    pub fn revision_kind() -> ApiResource {
        knative("Revision", "revisions")
    }

    /// The revision that was created last, ready or not; `None` before there is any.
    pub fn latest_revision(&self) -> Option<&str> {
        let latest = self.status.as_ref()?.latest_created_revision_name.as_deref();
        latest.filter(|name| !name.is_empty())
    }

    /// The revision that plays the part of the primary: the annotated one, or, where somebody took the annotation away, the
    /// one that traffic is held on.
    pub fn primary_revision(&self) -> Option<&str> {
        self.annotated().or_else(|| weights::held(self.spec.traffic.as_deref()?))
    }

    /// Makes `revision` the primary. Traffic stays where it is.
    pub fn set_primary_revision(&mut self, revision: &str) {
        let annotations = self.metadata.annotations.get_or_insert_default();
        annotations.insert(PRIMARY_REVISION.to_owned(), revision.to_owned());
    }

    /// Splits traffic between the latest revision, whichever that is, and `primary`. Tagged entries, which give a revision
    /// an address of its own, stay as such.
    pub fn split(&mut self, primary: &str, weights: Weights) {
        self.spec.traffic = Some(weights::split(self.spec.traffic.take(), primary, weights));
    }

    /// The annotated revision.
    pub(super) fn annotated(&self) -> Option<&str> {
        self.metadata.annotation(PRIMARY_REVISION).filter(|name| !name.is_empty())
    }

    /// The split that is asked for.
    pub(super) fn asked(&self) -> Option<Weights> {
        weights::read(self.spec.traffic.as_deref()?)
    }

    /// The split that is in force.
    pub(super) fn in_force(&self) -> Option<Weights> {
        weights::read(self.status.as_ref()?.traffic.as_deref()?)
    }

    /// Takes the annotation off. Traffic follows the latest revision again where that is what serves anyway; else it stays,
    /// because nobody found the latest revision good.
    pub(super) fn give_back(&mut self) {
        let Some(primary) = self.annotated() else { return };
        if self.latest_revision() == Some(primary) {
            self.spec.traffic = Some(weights::unsplit(self.spec.traffic.take()));
        }
        if let Some(annotations) = &mut self.metadata.annotations {
            annotations.remove(PRIMARY_REVISION);
        }
    }
}

fn knative(kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("serving.knative.dev", "v1", kind), plural)
}
