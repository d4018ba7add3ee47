//! POST.

use std::sync::Arc;

use serde_json::Value;

use super::metadata::{adopt, faults, metadata_mut, text};
use crate::cluster::{Cluster, Resource, stamp};
use crate::errors::ApiError;
use crate::kinds::BuiltIn;
use crate::store::Object;

impl Cluster {
    /// Creates an object and returns it as stored.
    pub(crate) fn create(
        &mut self,
        resource: &Resource,
        mut object: Value,
        dry_run: bool,
    ) -> Result<Object, ApiError> {
        let about = resource.kind.about();
        adopt(resource, &mut object)?;
        self.check_home(resource, text(&object, "name"))?;
        if text(&object, "name").is_empty() && !text(&object, "generateName").is_empty() {
            let name = self.make_name(text(&object, "generateName"));
            metadata_mut(&mut object)?.insert("name".into(), name.into());
        }
        if !matches!(text(&object, "resourceVersion"), "" | "0") {
            return Err(ApiError::new(500, "", "resourceVersion should not be set on objects to be created"));
        }
        let uid = self.make_uid();
        let metadata = metadata_mut(&mut object)?;
        for server in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
            metadata.remove(server);
        }
        metadata.insert("uid".into(), uid.into());
        metadata.insert("creationTimestamp".into(), stamp(self.now));
        if resource.version.traits.generation {
            metadata.insert("generation".into(), 1.into());
        }
        if resource.version.traits.status
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
        let mut object = resource.admit(object, None)?;
        let mut causes = faults(resource, &object);
        causes.extend(resource.faults(&object, None));
        let name = text(&object, "name").to_owned();
        if !causes.is_empty() {
            return Err(ApiError::invalid(about, &name, &causes));
        }
        if self.store.table(resource.id).get(&resource.namespace, &name).is_some() {
            return Err(ApiError::already_exists(about, &name));
        }
        if dry_run {
            return Ok(Arc::new(object));
        }
        self.allocate(resource, &mut object);
        Ok(self.commit(resource.id, object))
    }

    /// The namespace must exist and stay.
    fn check_home(&self, resource: &Resource, name: &str) -> Result<(), ApiError> {
        let about = resource.kind.about();
        let namespace = &resource.namespace;
        if !resource.kind.namespaced {
            return Ok(());
        }
        if namespace.is_empty() {
            return Err(ApiError::method_not_allowed());
        }
        let Some(home) = self.find(BuiltIn::Namespace, "", namespace) else {
            let namespaces = self.kinds.get(self.kinds.of(BuiltIn::Namespace));
            return Err(ApiError::not_found(namespaces.about(), namespace));
        };
        if home["metadata"]["deletionTimestamp"].is_string() {
            let text = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            return Err(ApiError::forbidden(about, name, &text));
        }
        Ok(())
    }
}
