//! An object of a mesh's kind as a router sees it, and the place where it is read and written.
//!
//! The view of the spec is the router's. All else of the object is kept as it is.

use canary_core::{Metadata, RouteSpec, RouterError};
use kube::core::ApiResource;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Attempt, ObjectError, ObjectMetadata, Objects};

/// An object with a spec that is seen as `S`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Viewed<S> {
    pub(crate) metadata: ObjectMetadata,
    #[serde(default)]
    pub(crate) spec: S,
    /// All other fields, its kind and status among them.
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// One object, there or not. `failing` is the text of an error up to the API's message.
pub(crate) struct Place<'a> {
    pub(crate) objects: &'a dyn Objects,
    pub(crate) kind: &'a ApiResource,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl Place<'_> {
    /// The object, if there is one.
    pub(crate) async fn read<S>(&self, failing: &str) -> Result<Option<Viewed<S>>, RouterError>
    where
        S: DeserializeOwned + Default,
    {
        let found = self.objects.get_as(self.kind, self.namespace, self.name).await;
        found.map_err(|error| self.error(failing, "get", error))
    }

    /// The object, which must be there.
    pub(crate) async fn existing<S>(&self, failing: &str) -> Result<Viewed<S>, RouterError>
    where
        S: DeserializeOwned + Default,
    {
        let found = self.read(failing).await?;
        found.ok_or_else(|| self.error(failing, "get", ObjectError::absent(self.kind, self.name)))
    }

    /// Creates the object, owned by the canary of `route`.
    pub(crate) async fn create<S: Serialize>(
        &self,
        route: &RouteSpec,
        metadata: &Metadata,
        spec: S,
        failing: &str,
    ) -> Result<(), RouterError> {
        let mut object =
            Viewed { metadata: ObjectMetadata::created(route, self.name), spec, rest: Map::new() };
        object.metadata.enforce(metadata);
        object.rest.insert("apiVersion".into(), self.kind.api_version.clone().into());
        object.rest.insert("kind".into(), self.kind.kind.clone().into());
        self.insert(&object, failing).await
    }

    /// Creates an object that is complete, but for what [`Objects::create`] knows.
    pub(crate) async fn insert<S: Serialize>(
        &self,
        object: &Viewed<S>,
        failing: &str,
    ) -> Result<(), RouterError> {
        let answer = match self.encode(object) {
            Ok(object) => self.objects.create(self.kind, &object).await,
            Err(error) => Err(error),
        };
        answer.map(drop).map_err(|error| self.error(failing, "create", error))
    }

    /// Writes `wanted` if it is not what is there.
    pub(crate) async fn replace<S: Serialize + PartialEq>(
        &self,
        wanted: &Viewed<S>,
        live: &Viewed<S>,
        failing: &str,
    ) -> Result<(), RouterError> {
        if wanted == live {
            return Ok(());
        }
        let answer = match self.encode(wanted) {
            Ok(object) => self.objects.replace(self.kind, &object).await,
            Err(error) => Err(error),
        };
        answer.map(drop).map_err(|error| self.error(failing, "update", error))
    }

    fn error(&self, failing: &str, verb: &'static str, error: ObjectError) -> RouterError {
        Attempt::new(failing, verb, self.kind).failed(error)
    }

    fn encode<T: Serialize>(&self, object: &T) -> Result<Value, ObjectError> {
        serde_json::to_value(object)
            .map_err(|source| ObjectError::Malformed { object: self.kind.kind.clone(), source })
    }
}
