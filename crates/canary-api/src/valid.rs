//! A canary that makes sense: everything the controller needs to know is derived from it without a further error.

mod abilities;
mod checks;
mod combinations;
mod plan;
mod references;
mod route;
mod workload;

pub use checks::MetricSpec;
pub use references::{QueryModel, References};

use std::collections::BTreeMap;

use canary_core::{Capabilities, Owner};
use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fields::CANARY_SPEC;
use crate::objects::{Canary, label};
use crate::options::Options;
use crate::problem::{FieldProblem, InvalidObject};
use crate::schema::{self, Node};
use crate::spec::CanarySpec;
use crate::target_kind::TargetKind;

/// A canary whose fields were all understood.
///
/// ```
/// use canary_api::{Canary, Options, ValidCanary};
/// use canary_core::Capabilities;
/// use serde_json::json;
///
/// let routers = |_: &str| Ok(Capabilities::default());
/// let canary = Canary::new("test", "podinfo", json!({
///     "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
///     "service": {"port": 80},
///     "analysis": {"interval": "30s", "threshold": 5, "stepWeight": 10, "maxWeight": 50},
/// }));
/// let valid = ValidCanary::new(&canary, &Options::new("istio", &routers)).unwrap();
/// assert_eq!(valid.plan().threshold, 5);
/// assert_eq!(valid.apex(), "podinfo");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ValidCanary {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Uid; empty before the object was created.
    pub uid: String,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// The provider that counts: the canary's own, or the controller's.
    pub provider: String,
    /// The controller's provider.
    pub mesh_provider: String,
    /// What the router of that provider can do.
    pub capabilities: Capabilities,
    /// Kind of the target.
    pub target_kind: TargetKind,
    /// What the user wrote.
    pub spec: CanarySpec,
}

impl ValidCanary {
    /// Reads a canary.
    ///
    /// # Errors
    /// Names every field that is missing, of the wrong kind or in contradiction to another one. Trying again helps only
    /// after the object was changed.
    pub fn new(canary: &Canary, options: &Options<'_>) -> Result<Self, InvalidObject> {
        let (spec, mut problems) = read::<CanarySpec>(&CANARY_SPEC, &canary.spec);
        let target_kind = TargetKind::of_reference(&spec.target_ref);
        let provider = spec.provider.as_deref().unwrap_or(options.mesh_provider);
        let capabilities = (options.capabilities)(provider);
        let namespace = canary.metadata.namespace.clone().unwrap_or_default();
        problems.extend(capabilities.as_ref().err().map(|unknown| FieldProblem::Value {
            field: "spec.provider".into(),
            value: match &spec.provider {
                Some(own) => format!("{own:?}"),
                None => format!("missing, and the flag -mesh-provider is {provider:?}"),
            },
            expected: format!("one of {}", unknown.known.join(", ")),
        }));
        if !problems.iter().any(|p| p.field().starts_with("spec.service")) {
            problems.extend(combinations::port(&spec, target_kind));
        }
        problems.extend(combinations::problems(&spec, target_kind, &namespace, options));
        // One that is being deleted asks for nothing more, and must be able to go.
        if let (Ok(can), None) = (&capabilities, &canary.metadata.deletion_timestamp) {
            problems.extend(abilities::problems(&spec, provider, *can, options));
        }
        match (target_kind, capabilities) {
            (Some(target_kind), Ok(capabilities)) if problems.is_empty() => Ok(Self {
                name: canary.metadata.name.clone().unwrap_or_default(),
                namespace,
                uid: canary.metadata.uid.clone().unwrap_or_default(),
                annotations: canary.metadata.annotations.clone().unwrap_or_default(),
                provider: provider.to_owned(),
                mesh_provider: options.mesh_provider.to_owned(),
                capabilities,
                target_kind,
                spec,
            }),
            _ => Err(InvalidObject::new("Canary", label(&canary.metadata), problems)),
        }
    }

    /// Name of the Service that clients use.
    pub fn apex(&self) -> &str {
        let own = self.spec.service.as_ref().and_then(|s| s.name.as_deref());
        match self.target_kind {
            TargetKind::Service => self.target(), // the target is the Service, whatever `service.name` says
            TargetKind::Deployment | TargetKind::DaemonSet | TargetKind::Knative => {
                own.unwrap_or(self.target())
            }
        }
    }

    /// Name of the target.
    pub fn target(&self) -> &str {
        &self.spec.target_ref.name
    }

    /// The canary as the owner of objects.
    pub fn owner(&self) -> Owner {
        Owner {
            api_version: Canary::api_version(&()).into_owned(),
            kind: Canary::kind(&()).into_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
        }
    }
}

/// Reads the `spec` of an object: whatever fits, and what does not.
pub(crate) fn read<T: DeserializeOwned + Default>(node: &Node, spec: &Value) -> (T, Vec<FieldProblem>) {
    let checked = schema::check(node, spec, "spec");
    let mut problems = checked.problems;
    let typed = serde_json::from_value(checked.value).unwrap_or_else(|error| {
        // Only when nothing at all could be read: the check leaves nothing that the type does not take.
        if problems.is_empty() {
            let expected = format!("other values: {error}");
            problems.push(FieldProblem::Value {
                field: "spec".into(),
                value: "not understood".into(),
                expected,
            });
        }
        T::default()
    });
    (typed, problems)
}

#[cfg(test)]
mod tests;
