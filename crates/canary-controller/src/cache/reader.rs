//! [`Objects`] from the caches, on behalf of one canary.

use async_trait::async_trait;
use canary_routers::{ObjectError, Objects};
use kube::core::ApiResource;
use serde_json::Value;

use super::{Cache, key_of, lock};
use crate::store::Key;

/// Reads from the caches, remembers who read what, and keeps what the API server answered to a write.
#[derive(Clone)]
pub(crate) struct Reader {
    cache: Cache,
    canary: Key,
    /// Names of what will be made for that canary and was not yet.
    unmade: Vec<String>,
}

impl Reader {
    pub(super) fn new(cache: Cache, canary: Key) -> Self {
        Self { cache, canary, unmade: Vec::new() }
    }

    /// For a canary that was never set up: the copies that it will get, by name, are not asked for before they are made.
    /// Should one be there nevertheless, the API server refuses to create it, it is read, and the effect is repeated.
    pub(crate) fn before_making(self, unmade: Vec<String>) -> Self {
        Self { unmade, ..self }
    }

    /// Keeps an answer. It is newer than what the watch has told so far.
    fn keep(&self, kind: &ApiResource, answer: Result<Value, ObjectError>) -> Result<Value, ObjectError> {
        if let Ok(object) = &answer {
            let key = key_of(object);
            // A watch of our namespace alone tells nothing of objects elsewhere, those of the whole cluster among them.
            if self.is_watched(&key.0) {
                self.note(kind, key);
                self.cache.learn(kind, object.clone());
            }
        }
        answer
    }

    /// Notes that the canary depends on that object.
    fn note(&self, kind: &ApiResource, key: Key) {
        let kind = self.cache.kind(kind, false);
        lock(&kind.readers).entry(key).or_default().insert(self.canary.clone());
    }

    fn is_watched(&self, namespace: &str) -> bool {
        self.cache.shared.namespace.as_deref().is_none_or(|n| n == namespace)
    }
}

#[async_trait]
impl Objects for Reader {
    async fn get(
        &self,
        kind: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, ObjectError> {
        if !self.is_watched(namespace) {
            return self.cache.live().get(kind, namespace, name).await;
        }
        let key = (namespace.to_owned(), name.to_owned());
        self.note(kind, key.clone());
        let cached = self.cache.kind(kind, false);
        cached.listed().await?;
        {
            let store = lock(&cached.store);
            if let Some(object) = store.get(&key) {
                return Ok(Some(object));
            }
            if store.is_absent(&key) || self.unmade.iter().any(|n| n == name) {
                return Ok(None);
            }
        }
        // A canary may be seen before its workload: the list of that kind can be older.
        let found = self.cache.live().get(kind, namespace, name).await?;
        let mut store = lock(&cached.store);
        let Some(object) = found else {
            store.confirm_absent(key);
            return Ok(None);
        };
        store.apply(key.clone(), object, false);
        Ok(store.get(&key))
    }

    async fn list(&self, kind: &ApiResource, namespace: &str) -> Result<Vec<Value>, ObjectError> {
        self.cache.live().list(kind, namespace).await
    }

    async fn create(&self, kind: &ApiResource, object: &Value) -> Result<Value, ObjectError> {
        let answer = self.cache.live().create(kind, object).await;
        if matches!(answer, Err(ObjectError::AlreadyExists(_))) {
            self.refresh(kind, object).await;
        }
        self.keep(kind, answer)
    }

    async fn replace(&self, kind: &ApiResource, object: &Value) -> Result<Value, ObjectError> {
        let answer = self.cache.live().replace(kind, object).await;
        if matches!(answer, Err(ObjectError::Conflict(_) | ObjectError::NotFound(_))) {
            self.refresh(kind, object).await;
        }
        self.keep(kind, answer)
    }

    async fn merge(
        &self,
        kind: &ApiResource,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, ObjectError> {
        let answer = self.cache.live().merge(kind, namespace, name, patch).await;
        if matches!(answer, Err(ObjectError::Conflict(_))) {
            let names = serde_json::json!({"metadata": {"namespace": namespace, "name": name}});
            self.refresh(kind, &names).await;
        }
        self.keep(kind, answer)
    }

    async fn delete(&self, kind: &ApiResource, namespace: &str, name: &str) -> Result<(), ObjectError> {
        self.cache.live().delete(kind, namespace, name).await
    }
}

impl Reader {
    /// Reads an object that turned out to be older here than there, so that the next decision is not made on it again.
    async fn refresh(&self, kind: &ApiResource, object: &Value) {
        let key = key_of(object);
        if let Ok(Some(found)) = self.cache.live().get(kind, &key.0, &key.1).await {
            self.cache.learn(kind, found);
        }
    }
}
