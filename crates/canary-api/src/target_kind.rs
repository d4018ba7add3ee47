//! Which of the four kinds of workload a `targetRef` names.

use crate::spec::Reference;

/// The kind of a target.
///
/// ```
/// use canary_api::TargetKind;
/// assert_eq!(TargetKind::of("Service", "serving.knative.dev/v1"), Some(TargetKind::Knative));
/// assert_eq!(TargetKind::of("Service", "v1"), Some(TargetKind::Service));
/// assert_eq!(TargetKind::of("StatefulSet", "apps/v1"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TargetKind {
    /// A Deployment, whatever its API version.
    Deployment,
    /// A DaemonSet, whatever its API version.
    DaemonSet,
    /// A core Service, whatever its API version, except that of Knative.
    Service,
    /// A Service of `serving.knative.dev/v1`.
    Knative,
}

impl TargetKind {
    /// The kind for those two fields of a `targetRef`.
    pub fn of(kind: &str, api_version: &str) -> Option<Self> {
        Some(match (kind, api_version) {
            ("Deployment", _) => Self::Deployment,
            ("DaemonSet", _) => Self::DaemonSet,
            ("Service", "serving.knative.dev/v1") => Self::Knative,
            ("Service", _) => Self::Service,
            _ => return None,
        })
    }

    pub(crate) fn of_reference(target: &Reference) -> Option<Self> {
        Self::of(&target.kind, &target.api_version)
    }

    /// Whether the apex, primary and canary Services are made for it, so that it needs a port. Services and Knative
    /// Services bring their own.
    pub fn has_generated_services(self) -> bool {
        match self {
            Self::Deployment | Self::DaemonSet => true,
            Self::Service | Self::Knative => false,
        }
    }
}
