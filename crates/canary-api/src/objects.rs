//! The three resources as they travel: metadata, and the rest as JSON, so that reading one never fails.

use std::borrow::Cow;
use std::fmt;

use kube::Resource;
use kube::api::ObjectMeta;
use kube::core::NamespaceResourceScope;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// A workload to release.
///
/// Decodes whatever the API server stores; [`ValidCanary::new`](crate::ValidCanary::new) says what is wrong with it.
///
/// ```
/// use canary_api::Canary;
/// let odd: Canary = serde_json::from_str(r#"{"metadata": {"name": "podinfo"}, "spec": "what?"}"#).unwrap();
/// assert_eq!(odd.spec, "what?");
/// ```
#[derive(Clone, Default, PartialEq, Deserialize)]
pub struct Canary {
    /// Name, namespace, uid and so on.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What the user wrote, unchecked; `Null` when absent.
    #[serde(default)]
    pub spec: Value,
    /// What the controller wrote, unchecked; `Null` when absent. Read it with [`Canary::status`].
    #[serde(default)]
    pub status: Value,
}

/// A question to a metrics backend. Read it with [`MetricTemplate::check`].
#[derive(Clone, Default, PartialEq, Deserialize)]
pub struct MetricTemplate {
    /// Name, namespace, uid and so on.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What the user wrote, unchecked; `Null` when absent.
    #[serde(default)]
    pub spec: Value,
}

/// A chat or alert service. Read it with [`AlertProvider::check`].
#[derive(Clone, Default, PartialEq, Deserialize)]
pub struct AlertProvider {
    /// Name, namespace, uid and so on.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What the user wrote, unchecked; `Null` when absent.
    #[serde(default)]
    pub spec: Value,
}

impl Canary {
    /// A canary of that namespace, name and spec.
    pub fn new(namespace: &str, name: &str, spec: Value) -> Self {
        Self { metadata: named(namespace, name), spec, status: Value::Null }
    }
}

impl MetricTemplate {
    /// A template of that namespace, name and spec.
    pub fn new(namespace: &str, name: &str, spec: Value) -> Self {
        Self { metadata: named(namespace, name), spec }
    }
}

impl AlertProvider {
    /// A provider of that namespace, name and spec.
    pub fn new(namespace: &str, name: &str, spec: Value) -> Self {
        Self { metadata: named(namespace, name), spec }
    }
}

fn named(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta { namespace: Some(namespace.into()), name: Some(name.into()), ..ObjectMeta::default() }
}

/// `<name>.<namespace>`, as errors and events name an object.
pub(crate) fn label(metadata: &ObjectMeta) -> String {
    let part = |p: &Option<String>| p.clone().unwrap_or_default();
    format!("{}.{}", part(&metadata.name), part(&metadata.namespace))
}

macro_rules! resource {
    ($type:ident, $plural:literal, [$($section:ident),*]) => {
        impl Resource for $type {
            type DynamicType = ();
            type Scope = NamespaceResourceScope;

            fn kind((): &()) -> Cow<'_, str> {
                stringify!($type).into()
            }
            fn group((): &()) -> Cow<'_, str> {
                "flagger.app".into()
            }
            fn version((): &()) -> Cow<'_, str> {
                "v1beta1".into()
            }
            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let sections = 0 $(+ usize::from(!self.$section.is_null()))*;
                let mut object = serializer.serialize_struct(stringify!($type), 3 + sections)?;
                object.serialize_field("apiVersion", &Self::api_version(&()))?;
                object.serialize_field("kind", &Self::kind(&()))?;
                object.serialize_field("metadata", &self.metadata)?;
                $(if !self.$section.is_null() {
                    object.serialize_field(stringify!($section), &self.$section)?;
                })*
                object.end()
            }
        }

        /// The name only: addresses and headers may hold secrets.
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($type)).field(&label(&self.metadata)).finish()
            }
        }
    };
}

resource!(Canary, "canaries", [spec, status]);
resource!(MetricTemplate, "metrictemplates", [spec]);
resource!(AlertProvider, "alertproviders", [spec]);
