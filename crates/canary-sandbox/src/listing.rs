//! GET on a collection: selectors, pages that show one moment, versions.

use serde_json::{Value, json};

use crate::cluster::{Cluster, Resource};
use crate::errors::ApiError;
use crate::paths::Query;
use crate::rendering::Form;
use crate::selector::Selector;
use crate::store::{Object, position};

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    objects: Vec<Object>,
    revision: u64,
    continues: Option<String>,
    remaining: Option<usize>,
}

impl Cluster {
    pub(crate) fn list(&self, resource: &Resource, query: &Query) -> Result<Page, ApiError> {
        let selector = Selector::parse(&query.labels, &query.fields)?;
        let table = self.store.table(resource.id);
        let namespace = &resource.namespace;
        let exact = query.resource_version_match == "Exact";
        let (mut objects, revision) = if query.continues.is_empty() && !exact {
            (table.iter(namespace).cloned().collect::<Vec<_>>(), self.store.revision())
        } else {
            let place = Place::parse(query)?;
            let text = "The provided continue parameter is too old to display a consistent list result. You can start a \
                        new list without the continue parameter, or use the continue token in this response to \
                        retrieve the remainder of the results. Continuing with the provided token results in an \
                        inconsistent list - objects that were created, modified, or deleted between the time the \
                        first chunk was returned and now may show up in the list.";
            let past = table.snapshot(namespace, place.revision, place.after());
            (past.ok_or_else(|| ApiError::expired(text))?, place.revision)
        };
        objects.retain(|object| selector.matches(object));
        // A list from the cache, which version 0 asks for, ignores the limit.
        let paged = query.limit > 0 && query.limit < objects.len() && query.resource_version != "0";
        if !paged {
            return Ok(Page { objects, revision, continues: None, remaining: None });
        }
        let remaining = selector.is_everything().then(|| objects.len() - query.limit);
        objects.truncate(query.limit);
        let continues = objects.last().map(|last| Place::new(revision, last).to_token());
        Ok(Page { objects, revision, continues, remaining })
    }
}

impl Page {
    /// Namespaces and names of the objects.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (String, String)> {
        self.objects.iter().map(|object| position(object))
    }

    pub(crate) fn to_bytes(&self, resource: &Resource, form: &Form) -> Vec<u8> {
        let typed = resource.kind.builtin.is_none();
        let items: Vec<_> = self.objects.iter().map(|object| form.item(object, typed)).collect();
        let (kind, version) = if form.partial {
            ("PartialObjectMetadataList", "meta.k8s.io/v1")
        } else {
            (resource.kind.list_kind.as_str(), form.api_version.as_str())
        };
        let mut metadata = json!({ "resourceVersion": self.revision.to_string() });
        if let Some(token) = &self.continues {
            metadata["continue"] = token.as_str().into();
        }
        if let Some(count) = self.remaining {
            metadata["remainingItemCount"] = count.into();
        }
        // Objects of strings, numbers and maps always serialise.
        serde_json::to_vec(&List { kind, api_version: version, metadata, items }).unwrap_or_default()
    }
}

/// The envelope of a list.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a, T> {
    kind: &'a str,
    api_version: &'a str,
    metadata: Value,
    items: Vec<T>,
}

/// Where the next page begins: after an object, at a revision.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    revision: u64,
    after: Option<(String, String)>,
}

impl Place {
    fn new(revision: u64, last: &Value) -> Self {
        Self { revision, after: Some(position(last)) }
    }

    fn parse(query: &Query) -> Result<Self, ApiError> {
        if query.continues.is_empty() {
            let revision = query.resource_version.parse();
            let revision = revision.map_err(|_| ApiError::bad_request("resourceVersion is not a number"))?;
            return Ok(Self { revision, after: None });
        }
        let mut parts = query.continues.split('_');
        let revision = parts.next().and_then(|r| r.strip_prefix('r')).and_then(|r| r.parse().ok());
        match (revision, parts.next(), parts.next()) {
            (Some(revision), Some(namespace), Some(name)) => {
                Ok(Self { revision, after: Some((namespace.to_owned(), name.to_owned())) })
            }
            _ => Err(ApiError::bad_request("invalid continue token: continue key is not valid")),
        }
    }

    fn after(&self) -> Option<(&str, &str)> {
        self.after.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()))
    }

    /// Names have no underscores.
    fn to_token(&self) -> String {
        let (namespace, name) = self.after().unwrap_or_default();
        format!("r{}_{namespace}_{name}", self.revision)
    }
}
