//! In what the two API versions differ: the object that holds the routes, and how fields are named.

use canary_core::RouteSpec;
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

/// A generation of App Mesh's kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Routes stand in the VirtualService, nodes are named by text.
    V1beta1,
    /// Routes stand in a VirtualRouter, nodes are references and select pods.
    V1beta2,
}

impl Version {
    pub(super) fn named(name: &str) -> Self {
        if name == "v1beta1" { Self::V1beta1 } else { Self::V1beta2 }
    }

    /// The name of the object with the routes of `name`.
    pub(super) fn router_object(self, route: &RouteSpec, name: &str) -> String {
        match self {
            Self::V1beta1 => format!("{name}.{}", route.namespace),
            Self::V1beta2 => name.to_owned(),
        }
    }

    /// The field of a route that holds its rule for HTTP.
    pub(super) fn http(self) -> &'static str {
        match self {
            Self::V1beta1 => "http",
            Self::V1beta2 => "httpRoute",
        }
    }

    /// A node with its share.
    pub(super) fn target(self, node: &str, weight: i64) -> Value {
        match self {
            Self::V1beta1 => json!({ "virtualNodeName": node, "weight": weight }),
            Self::V1beta2 => json!({ "virtualNodeRef": { "name": node }, "weight": weight }),
        }
    }
}

/// A kind of App Mesh.
pub(super) fn kind(version: &str, kind: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk("appmesh.k8s.aws", version, kind);
    ApiResource::from_gvk_with_plural(&gvk, &format!("{}s", kind.to_lowercase()))
}
