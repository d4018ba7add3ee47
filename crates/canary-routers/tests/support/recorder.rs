//! Objects in memory that remember which of them were asked for.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use canary_routers::kube::core::ApiResource;
use canary_routers::{MemoryObjects, ObjectError, Objects};
use serde_json::Value;

/// Where an object is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) kind: ApiResource,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Objects in memory.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) objects: MemoryObjects,
    places: Mutex<BTreeMap<(String, String, String), Place>>,
}

impl Recorder {
    /// The objects that were asked for and are there.
    pub(crate) fn stored(&self) -> Vec<(Place, Value)> {
        let places = self.places.lock().unwrap();
        let found = places.values().filter_map(|place| {
            let object = self.objects.read(&place.kind, &place.namespace, &place.name)?;
            Some((place.clone(), object))
        });
        found.collect()
    }

    fn note(&self, kind: &ApiResource, namespace: &str, name: &str) {
        let place = Place { kind: kind.clone(), namespace: namespace.into(), name: name.into() };
        self.places.lock().unwrap().insert((kind.plural.clone(), namespace.into(), name.into()), place);
    }
}

#[async_trait]
impl Objects for Recorder {
    async fn get(
        &self,
        kind: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, ObjectError> {
        self.note(kind, namespace, name);
        self.objects.get(kind, namespace, name).await
    }
    async fn list(&self, kind: &ApiResource, namespace: &str) -> Result<Vec<Value>, ObjectError> {
        self.objects.list(kind, namespace).await
    }
    async fn create(&self, kind: &ApiResource, object: &Value) -> Result<Value, ObjectError> {
        self.objects.create(kind, object).await
    }
    async fn replace(&self, kind: &ApiResource, object: &Value) -> Result<Value, ObjectError> {
        self.objects.replace(kind, object).await
    }
    async fn merge(
        &self,
        kind: &ApiResource,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, ObjectError> {
        self.objects.merge(kind, namespace, name, patch).await
    }
    async fn delete(&self, kind: &ApiResource, namespace: &str, name: &str) -> Result<(), ObjectError> {
        self.objects.delete(kind, namespace, name).await
    }
}
