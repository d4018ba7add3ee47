//! A cluster's objects in memory: the test double of this crate and of routers elsewhere.
//!
//! It keeps what routers rely on (conditional writes, the server's messages) and can be told to fail. No watches, no schemas.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kube::core::ApiResource;
use serde_json::{Value, json};

use crate::objects::resource_name;
use crate::{ObjectError, Objects};

/// Plural and group, namespace, name.
type Key = (String, String, String);

/// Something that can be asked of [`Objects`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`Objects::get`].
    Get,
    /// [`Objects::list`].
    List,
    /// [`Objects::create`].
    Create,
    /// [`Objects::replace`].
    Replace,
    /// [`Objects::merge`].
    Merge,
    /// [`Objects::delete`].
    Delete,
}

/// Objects in memory.
///
/// ```
/// use canary_routers::kube::core::{ApiResource, GroupVersionKind};
/// use canary_routers::{MemoryObjects, ObjectError, Objects};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ObjectError> {
/// let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("acme.io", "v1", "Split"));
/// let objects = MemoryObjects::new();
/// let mine = objects.create(&kind, &json!({"metadata": {"name": "podinfo", "namespace": "test"}})).await?;
///
/// objects.touch(&kind, "test", "podinfo"); // somebody else was faster
/// assert!(objects.replace(&kind, &mine).await.unwrap_err().is_conflict());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct MemoryObjects {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<Key, Value>,
    version: u64,
    writes: usize,
    failures: VecDeque<(Operation, ObjectError)>,
    not_served: BTreeSet<String>,
}

impl MemoryObjects {
    /// No objects.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `object` there (its metadata names it), as if somebody else had written it.
    pub fn insert(&self, kind: &ApiResource, object: Value) {
        let mut state = self.state();
        let key = key_of(kind, &object);
        state.store(key, object);
    }

    /// The object as stored.
    pub fn read(&self, kind: &ApiResource, namespace: &str, name: &str) -> Option<Value> {
        self.state().objects.get(&key(kind, namespace, name)).cloned()
    }

    /// Changes the resourceVersion of the object, as if somebody else had written it. Nothing happens when there is none.
    pub fn touch(&self, kind: &ApiResource, namespace: &str, name: &str) {
        let mut state = self.state();
        let key = key(kind, namespace, name);
        if let Some(object) = state.objects.get(&key).cloned() {
            state.store(key, object);
        }
    }

    /// The next `operation` fails with `error`; several failures of one operation come in the given order.
    pub fn fail_next(&self, operation: Operation, error: ObjectError) {
        self.state().failures.push_back((operation, error));
    }

    /// From now on `kind` is not served, as if its CRD were not installed.
    pub fn uninstall(&self, kind: &ApiResource) {
        self.state().not_served.insert(resource_name(kind));
    }

    /// How many writes have been asked for through [`Objects`], failed ones included.
    pub fn writes(&self) -> usize {
        self.state().writes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Everything that may go wrong before an operation looks at its object.
    fn begin(&mut self, operation: Operation, kind: &ApiResource) -> Result<(), ObjectError> {
        if operation != Operation::Get {
            self.writes += 1;
        }
        if self.not_served.contains(&resource_name(kind)) {
            return Err(ObjectError::NotServed("the server could not find the requested resource".into()));
        }
        let due = self.failures.iter().position(|(failing, _)| *failing == operation);
        due.and_then(|at| self.failures.remove(at)).map_or(Ok(()), |(_, error)| Err(error))
    }

    fn store(&mut self, key: Key, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = Value::from(self.version.to_string());
        self.objects.insert(key, object.clone());
        object
    }

    /// Stores what differs; a write without a change keeps its resourceVersion, as on a real server.
    fn update(&mut self, kind: &ApiResource, key: Key, object: Value) -> Result<Value, ObjectError> {
        let Some(stored) = self.objects.get(&key) else {
            return Err(ObjectError::absent(kind, &key.2));
        };
        let present = &stored["metadata"]["resourceVersion"];
        let seen = object["metadata"].get("resourceVersion").unwrap_or(present);
        if seen != present {
            return Err(ObjectError::Conflict(format!(
                "Operation cannot be fulfilled on {} {:?}: the object has been modified; please apply your changes to \
                 the latest version and try again",
                resource_name(kind),
                key.2
            )));
        }
        if *stored == object { Ok(object) } else { Ok(self.store(key, object)) }
    }
}

#[async_trait]
impl Objects for MemoryObjects {
    async fn get(
        &self,
        kind: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, ObjectError> {
        let mut state = self.state();
        state.begin(Operation::Get, kind)?;
        Ok(state.objects.get(&key(kind, namespace, name)).cloned())
    }

    async fn list(&self, kind: &ApiResource, namespace: &str) -> Result<Vec<Value>, ObjectError> {
        let mut state = self.state();
        state.begin(Operation::List, kind)?;
        let (plural, of_kind) = (resource_name(kind), state.objects.iter());
        let found = of_kind.filter(|((kind, place, _), _)| *kind == plural && place == namespace);
        Ok(found.map(|(_, object)| object.clone()).collect())
    }

    async fn create(&self, kind: &ApiResource, object: &Value) -> Result<Value, ObjectError> {
        let mut state = self.state();
        state.begin(Operation::Create, kind)?;
        let key = key_of(kind, object);
        if state.objects.contains_key(&key) {
            return Err(ObjectError::AlreadyExists(format!(
                "{} {:?} already exists",
                resource_name(kind),
                key.2
            )));
        }
        let mut object = object.clone();
        object["apiVersion"] = json!(kind.api_version);
        object["kind"] = json!(kind.kind);
        Ok(state.store(key, object))
    }

    async fn replace(&self, kind: &ApiResource, object: &Value) -> Result<Value, ObjectError> {
        let mut state = self.state();
        state.begin(Operation::Replace, kind)?;
        state.update(kind, key_of(kind, object), object.clone())
    }

    async fn merge(
        &self,
        kind: &ApiResource,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, ObjectError> {
        let mut state = self.state();
        state.begin(Operation::Merge, kind)?;
        let key = key(kind, namespace, name);
        let mut object = state.objects.get(&key).cloned().unwrap_or_default();
        merge_patch(&mut object, patch);
        state.update(kind, key, object)
    }

    async fn delete(&self, kind: &ApiResource, namespace: &str, name: &str) -> Result<(), ObjectError> {
        let mut state = self.state();
        state.begin(Operation::Delete, kind)?;
        state.objects.remove(&key(kind, namespace, name));
        Ok(())
    }
}

/// RFC 7396.
fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (field, change) in patch {
        if change.is_null() {
            target.as_object_mut().map(|fields| fields.remove(field));
        } else {
            merge_patch(&mut target[field.as_str()], change);
        }
    }
}

fn key(kind: &ApiResource, namespace: &str, name: &str) -> Key {
    (resource_name(kind), namespace.to_owned(), name.to_owned())
}

fn key_of(kind: &ApiResource, object: &Value) -> Key {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (resource_name(kind), text("namespace"), text("name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind() -> ApiResource {
        ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk("acme.io", "v1", "Split"))
    }

    fn split(share: u8) -> Value {
        json!({"metadata": {"name": "podinfo", "namespace": "test"}, "spec": {"share": share, "note": "x"}})
    }

    #[tokio::test]
    async fn a_write_of_what_is_there_keeps_the_resource_version() {
        let objects = MemoryObjects::new();
        let stored = objects.create(&kind(), &split(1)).await.unwrap();
        assert_eq!(objects.replace(&kind(), &stored).await.unwrap(), stored);
    }

    #[tokio::test]
    async fn a_merge_patch_changes_and_removes_fields_and_may_be_conditional() {
        let objects = MemoryObjects::new();
        let stored = objects.create(&kind(), &split(1)).await.unwrap();
        let patch = json!({"metadata": {"resourceVersion": stored["metadata"]["resourceVersion"]}, "spec": {"share": 2, "note": null}});
        let merged = objects.merge(&kind(), "test", "podinfo", &patch).await.unwrap();
        assert_eq!(merged["spec"], json!({"share": 2}));
        assert!(objects.merge(&kind(), "test", "podinfo", &patch).await.unwrap_err().is_conflict());
    }

    #[tokio::test]
    async fn what_is_absent_cannot_be_changed_and_what_exists_not_created() {
        let objects = MemoryObjects::new();
        let absent = objects.merge(&kind(), "test", "podinfo", &json!({})).await.unwrap_err();
        assert_eq!(absent.to_string(), r#"splits.acme.io "podinfo" not found"#);
        objects.create(&kind(), &split(1)).await.unwrap();
        let exists = objects.create(&kind(), &split(1)).await.unwrap_err();
        assert_eq!(exists.category(), "already-exists");
        objects.delete(&kind(), "test", "podinfo").await.unwrap();
        assert!(objects.read(&kind(), "test", "podinfo").is_none());
    }

    #[tokio::test]
    async fn a_failure_meets_only_the_operation_that_it_is_for() {
        let objects = MemoryObjects::new();
        objects.fail_next(Operation::Create, ObjectError::Forbidden("no".into()));
        assert!(objects.get(&kind(), "test", "podinfo").await.unwrap().is_none());
        assert_eq!(objects.create(&kind(), &split(1)).await.unwrap_err().category(), "forbidden");
        assert!(objects.create(&kind(), &split(1)).await.is_ok());
        assert_eq!(objects.writes(), 2);
    }
}
