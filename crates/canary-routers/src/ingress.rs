//! A user's Ingress and the copy of it beside it, `NAME-canary`, that the ingress routers keep.
//!
//! The user's own is read, never written. The copy is put back under its resourceVersion, and only if it changed.

use std::sync::Arc;

use canary_core::{RouteSpec, RouterError};
use kube::core::{ApiResource, GroupVersionKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Attempt, ObjectError, ObjectMetadata, Objects};

/// What `kubectl apply` keeps; it speaks of the user's own object, so the copy must not have it.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The fields of a spec that the copy has only if the user's Ingress has them.
const COPIED: &[&str] = &["defaultBackend", "ingressClassName", "rules", "tls"];

/// `Ingress`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ingress {
    pub(crate) metadata: ObjectMetadata,
    #[serde(default)]
    pub(crate) spec: Map<String, Value>,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

impl Ingress {
    /// A new object named `name`, with the labels of `source`.
    pub(crate) fn copy_of(source: &Self, route: &RouteSpec, name: &str, spec: Map<String, Value>) -> Self {
        let mut rest = Map::new();
        rest.insert("apiVersion".into(), "networking.k8s.io/v1".into());
        rest.insert("kind".into(), "Ingress".into());
        let mut metadata = ObjectMetadata::created(route, name);
        metadata.labels.clone_from(&source.metadata.labels);
        Self { metadata, spec, rest }
    }

    /// Makes the spec `wanted`, with what this one has beyond the fields of an Ingress; whether that changed it.
    pub(crate) fn set_spec(&mut self, mut wanted: Map<String, Value>) -> bool {
        for (field, value) in self.spec.iter().filter(|(field, _)| !COPIED.contains(&field.as_str())) {
            wanted.entry(field).or_insert_with(|| value.clone());
        }
        let changed = self.spec != wanted;
        self.spec = wanted;
        changed
    }
}

/// The paths of each rule. Rules without `http` have none.
pub(crate) fn paths(spec: &mut Map<String, Value>) -> impl Iterator<Item = &mut Vec<Value>> {
    let rules = spec.get_mut("rules").and_then(Value::as_array_mut);
    rules.into_iter().flatten().filter_map(|rule| rule.pointer_mut("/http/paths")?.as_array_mut())
}

/// Whether the backend of that path is the Service `name`.
pub(crate) fn leads_to(path: &Value, name: &str) -> bool {
    path.pointer("/backend/service/name").and_then(Value::as_str) == Some(name)
}

/// That path with the Service `name` as its backend.
pub(crate) fn leading_to(path: &Value, name: &str) -> Value {
    let mut path = path.clone();
    if let Some(service) = path.pointer_mut("/backend/service/name") {
        *service = name.into();
    }
    path
}

/// The error of an Ingress that does not lead to the apex Service.
pub(crate) fn no_backend(route: &RouteSpec, source: &str) -> RouterError {
    RouterError::Invalid { message: format!("backend {} not found in ingress {source}", route.apex) }
}

/// Names of the user's Ingress and of the copy.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) source: String,
    pub(crate) copy: String,
    namespace: String,
}

impl Names {
    /// From `spec.ingressRef`, which both routers need.
    pub(crate) fn of(route: &RouteSpec) -> Result<Self, RouterError> {
        match route.ingress.as_deref() {
            Some(source) if !source.is_empty() => Ok(Self {
                source: source.to_owned(),
                copy: format!("{source}-canary"),
                namespace: route.namespace.clone(),
            }),
            _ => Err(RouterError::Invalid { message: "ingress selector is empty".into() }),
        }
    }

    /// The copy as errors name it, followed by what was tried.
    pub(crate) fn copy_failing(&self, what: &str) -> String {
        format!("ingress {}.{} {what}", self.copy, self.namespace)
    }
}

/// Reads and writes Ingresses.
#[derive(Clone)]
pub(crate) struct Ingresses {
    objects: Arc<dyn Objects>,
    kind: ApiResource,
}

impl Ingresses {
    pub(crate) fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, kind: Self::kind() }
    }

    pub(crate) fn kind() -> ApiResource {
        let gvk = GroupVersionKind::gvk("networking.k8s.io", "v1", "Ingress");
        ApiResource::from_gvk_with_plural(&gvk, "ingresses")
    }

    /// The copy, if there is one. `failing` is how its error begins.
    pub(crate) async fn copy(&self, names: &Names, failing: &str) -> Result<Option<Ingress>, RouterError> {
        let found = self.objects.get_as(&self.kind, &names.namespace, &names.copy).await;
        found.map_err(|error| Attempt::new(names.copy_failing(failing), "get", &self.kind).failed(error))
    }

    /// The copy, which has to be there.
    pub(crate) async fn present_copy(&self, names: &Names, failing: &str) -> Result<Ingress, RouterError> {
        self.copy(names, failing).await?.ok_or_else(|| {
            let absent = ObjectError::absent(&self.kind, &names.copy);
            Attempt::new(names.copy_failing(failing), "get", &self.kind).failed(absent)
        })
    }

    /// The user's Ingress, which errors call `title`.
    pub(crate) async fn source(&self, names: &Names, title: &str) -> Result<Ingress, RouterError> {
        let text = format!("{title} {}.{} get query error: ", names.source, names.namespace);
        let attempt = Attempt::new(text, "get", &self.kind);
        let found = self.objects.get_as(&self.kind, &names.namespace, &names.source).await;
        let found = found.map_err(|error| attempt.failed(error))?;
        found.ok_or_else(|| attempt.failed(ObjectError::absent(&self.kind, &names.source)))
    }

    pub(crate) async fn create(&self, names: &Names, copy: &Ingress) -> Result<(), RouterError> {
        let attempt = Attempt::new(names.copy_failing("create error: "), "create", &self.kind);
        let object = encode(copy).map_err(|error| attempt.failed(error))?;
        self.objects.create(&self.kind, &object).await.map(drop).map_err(|error| attempt.failed(error))
    }

    /// Writes `wanted` if it is not what is there.
    pub(crate) async fn update(
        &self,
        names: &Names,
        wanted: &Ingress,
        live: &Ingress,
        failing: &str,
    ) -> Result<(), RouterError> {
        if wanted == live {
            return Ok(());
        }
        let attempt = Attempt::new(names.copy_failing(failing), "update", &self.kind);
        let object = encode(wanted).map_err(|error| attempt.failed(error))?;
        self.objects.replace(&self.kind, &object).await.map(drop).map_err(|error| attempt.failed(error))
    }

    /// Deletes the copy; one that is gone is fine.
    pub(crate) async fn delete(&self, names: &Names) -> Result<(), RouterError> {
        let text = names.copy_failing("unable to remove canary ingress: ");
        let attempt = Attempt::new(text, "delete", &self.kind);
        let answer = self.objects.delete(&self.kind, &names.namespace, &names.copy).await;
        answer.map_err(|error| attempt.failed(error))
    }
}

fn encode(ingress: &Ingress) -> Result<Value, ObjectError> {
    serde_json::to_value(ingress)
        .map_err(|source| ObjectError::Malformed { object: "Ingress".into(), source })
}
