//! What the suite has to know of a router and its mesh.

use std::sync::Arc;

use canary_core::{HttpMatch, RouteSpec, Router, StringMatch};
use kube::Client;
use kube::core::ApiResource;
use serde_json::Value;

/// Describes one router, its kinds and what an object of its mesh looks like. A whole one is shown at
/// [`router_contract!`](crate::router_contract).
///
/// The object that holds the weights is called the live object. Objects are JSON with `apiVersion`, `kind` and
/// `metadata`; a missing namespace is filled in.
pub trait RouterAdapter: Send + Sync {
    /// The router on a client of some cluster. It must read and write through this client alone.
    fn router(&self, client: Client) -> Arc<dyn Router>;

    /// The kinds that the router reads and writes, that of the live object first. None: it writes nothing.
    fn kinds(&self) -> Vec<ApiResource>;

    /// Whether objects of that kind are in no namespace.
    fn is_cluster_scoped(&self, kind: &ApiResource) -> bool {
        let _ = kind;
        false
    }

    /// Adds to the route of an ordinary canary what this mesh needs, such as gateways. It has the names of the Services,
    /// port 80, a selector and an owner; the Services are there.
    fn complete(&self, route: &mut RouteSpec) {
        let _ = route;
    }

    /// The name of the live object; usually that of the apex Service.
    fn live_name(&self, route: &RouteSpec) -> String {
        route.apex.clone()
    }

    /// Objects of the user's that have to be there before, such as an Ingress to copy. A router that edits the user's own
    /// object names it here.
    fn needs(&self, route: &RouteSpec) -> Vec<Value> {
        let _ = route;
        Vec::new()
    }

    /// A live object as a user may have written it before there was a canary, which the router takes over; `None`: there is
    /// no such thing.
    fn existing(&self, route: &RouteSpec) -> Option<Value> {
        let _ = route;
        None
    }

    /// Changes, in a live object, something that the router owns and that is no weight: the port of a destination, say.
    fn spoil(&self, object: &mut Value);

    /// Sets, in a live object, a field that is the user's. Setting it again changes nothing.
    fn personalise(&self, object: &mut Value);

    /// The status that the mesh's own controllers give the live object after a write; `None`: it plays no part.
    fn status(&self, object: &Value) -> Option<Value> {
        let _ = object;
        None
    }

    /// Conditions that the mesh can compare, for routers that do A/B testing. They must mention the header `x-canary`.
    fn conditions(&self) -> Vec<HttpMatch> {
        let insider = StringMatch { exact: Some("insider".into()), ..StringMatch::default() };
        vec![HttpMatch { headers: [("x-canary".to_owned(), insider)].into(), ..HttpMatch::default() }]
    }
}

const _: Option<&dyn RouterAdapter> = None; // stays object-safe
