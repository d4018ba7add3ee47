//! App Mesh: virtual nodes for the workloads, and routers and services that lead to them.
//!
//! In v1beta1 a VirtualService holds its routes itself; in v1beta2 a VirtualRouter does. All else is how fields are named.

mod access_log;
mod adoption;
mod gateway;
mod milliseconds;
mod nodes;
mod routes;
mod version;
mod weights;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{Capabilities, Metadata, RouteSpec, Router, RouterError, Weights};
use kube::core::ApiResource;
use serde_json::{Value, json};

use self::adoption::adopt;
use self::version::Version;
use self::weights::Split;
use crate::viewed::{Place, Viewed};
use crate::{Objects, apex_metadata, takeover};

/// The router of App Mesh, for both of its API versions.
///
/// It splits traffic and sends requests with certain headers to the canary. A repair keeps the weights of the live object,
/// and fields that are not ours. The specs that the user had before are given back when the canary goes with
/// `revertOnDeletion`. Reconcile before the primary's pods start: its sidecars look for their node.
///
/// ```
/// use std::sync::Arc;
/// use canary_core::{RouteSpec, Router, Weight, Weights};
/// use canary_routers::{AppMesh, MemoryObjects};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), canary_core::RouterError> {
/// let router = AppMesh::new(Arc::new(MemoryObjects::new()), "v1beta1");
/// let mut route = RouteSpec::new("test", "podinfo", "podinfo");
/// route.mesh_name = Some("global".into());
/// router.reconcile(&route).await?;
///
/// let tenth = Weights::canary(Weight::new(10).unwrap());
/// router.set_weights(&route, tenth).await?;
/// assert_eq!(router.weights(&route).await?, Some(tenth));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AppMesh {
    objects: Arc<dyn Objects>,
    version: Version,
    virtual_nodes: ApiResource,
    virtual_routers: ApiResource,
    virtual_services: ApiResource,
}

/// What one object is to become.
struct Wish<'a> {
    kind: &'a ApiResource,
    name: &'a str,
    /// The spec without what only the live object knows.
    spec: Value,
    metadata: Metadata,
    /// Annotations of ours that are not wanted any more.
    dropped: Vec<&'static str>,
    /// The fields that go when they are not in `spec`, at whatever depth.
    fields: &'static [&'static str],
    /// Whether a live spec comes from us.
    is_ours: fn(&Value, &RouteSpec) -> bool,
    /// The object in errors, each with the text before the API's message.
    errors: Errors,
}

struct Errors {
    create: String,
    query: String,
    update: String,
}

impl AppMesh {
    /// A router that uses that version of `appmesh.k8s.aws`: `v1beta1`, or `v1beta2` and later.
    pub fn new(objects: Arc<dyn Objects>, version: &str) -> Self {
        let kind = |name: &str| version::kind(version, name);
        Self {
            objects,
            version: Version::named(version),
            virtual_nodes: kind("VirtualNode"),
            virtual_routers: kind("VirtualRouter"),
            virtual_services: kind("VirtualService"),
        }
    }

    /// The kinds that it reads and writes, in that version.
    pub fn kinds(version: &str) -> Vec<ApiResource> {
        let names: &[&str] = match Version::named(version) {
            Version::V1beta1 => &["VirtualNode", "VirtualService"],
            Version::V1beta2 => &["VirtualNode", "VirtualRouter", "VirtualService"],
        };
        names.iter().map(|name| version::kind(version, name)).collect()
    }

    fn place<'a>(&'a self, route: &'a RouteSpec, kind: &'a ApiResource, name: &'a str) -> Place<'a> {
        Place { objects: &*self.objects, kind, namespace: &route.namespace, name }
    }

    /// The kind that holds the routes.
    fn router_kind(&self) -> &ApiResource {
        match self.version {
            Version::V1beta1 => &self.virtual_services,
            Version::V1beta2 => &self.virtual_routers,
        }
    }

    /// Makes a wish true.
    async fn fulfil(&self, route: &RouteSpec, wish: Wish<'_>) -> Result<(), RouterError> {
        let place = self.place(route, wish.kind, wish.name);
        let Some(live) = place.read::<Value>(&wish.errors.query).await? else {
            return place.create(route, &wish.metadata, wish.spec, &wish.errors.create).await;
        };
        let mut wanted = live.clone();
        wanted.spec = adopt(wish.spec, &live.spec, wish.fields);
        let owned = route.owner.as_ref().is_some_and(|owner| live.metadata.belongs_to(owner));
        if wanted.spec != live.spec && !owned && !(wish.is_ours)(&live.spec, route) {
            takeover::save(&mut wanted, &live);
        }
        if let Some(annotations) = &mut wanted.metadata.annotations {
            annotations.retain(|key, _| !wish.dropped.contains(&key.as_str()));
        }
        wanted.metadata.enforce(&wish.metadata);
        place.replace(&wanted, &live, &wish.errors.update).await
    }

    async fn reconcile_node(&self, route: &RouteSpec, node: &nodes::Node<'_>) -> Result<(), RouterError> {
        let title = format!("reconcileVirtualNode failed: VirtualNode {}", node.name);
        let errors = Errors {
            create: format!("{title}.{} create error ", route.namespace),
            query: format!("{title} get query error "),
            update: format!("{title} update error "),
        };
        let place = self.place(route, &self.virtual_nodes, node.name);
        let live = place.read::<Value>(&errors.query).await?.map(|live| live.spec).unwrap_or_default();
        let logging = access_log::logging(route, live.get("logging"));
        let spec = nodes::spec(self.version, route, node, logging)
            .map_err(|lack| RouterError::Invalid { message: format!("{title} {lack}") })?;
        // Flagger reconciles App Mesh before the Services, whose selector label its metadata does not get.
        let mut unselected = route.clone();
        unselected.selector = None;
        let metadata = apex_metadata(&unselected);
        let wish = Wish {
            kind: &self.virtual_nodes,
            name: node.name,
            spec,
            metadata,
            dropped: Vec::new(),
            fields: nodes::fields(self.version),
            is_ours: nodes::is_ours,
            errors,
        };
        self.fulfil(route, wish).await
    }

    async fn reconcile_router(&self, route: &RouteSpec, name: &str, spec: Value) -> Result<(), RouterError> {
        let kind = self.router_kind();
        let object_name = self.version.router_object(route, name);
        let (metadata, dropped) = match self.version {
            Version::V1beta1 => gateway::annotations(route, name),
            Version::V1beta2 => (Metadata::default(), Vec::new()),
        };
        let wish = Wish {
            kind,
            name: &object_name,
            spec,
            metadata,
            dropped,
            fields: routes::fields(self.version),
            is_ours: routes::is_ours,
            errors: self.errors(route, name, kind, &object_name),
        };
        self.fulfil(route, wish).await
    }

    /// The VirtualService of v1beta2. Flagger creates it together with its router and never looks at it again.
    async fn reconcile_service(&self, route: &RouteSpec, name: &str) -> Result<(), RouterError> {
        let kind = &self.virtual_services;
        let (metadata, dropped) = gateway::annotations(route, name);
        let wish = Wish {
            kind,
            name,
            spec: json!({ "provider": { "virtualRouter": { "virtualRouterRef": { "name": name } } } }),
            metadata,
            dropped,
            fields: &["virtualNode"], // a service has one provider
            is_ours: |_, _| false,
            errors: self.errors(route, name, kind, name),
        };
        self.fulfil(route, wish).await
    }

    fn errors(&self, route: &RouteSpec, name: &str, kind: &ApiResource, object_name: &str) -> Errors {
        let what = if self.version == Version::V1beta1 || name == route.apex {
            "reconcileVirtualService"
        } else {
            "reconcileVirtualRouter"
        };
        let title = format!("{what} failed: {} {object_name}", kind.kind);
        Errors {
            create: format!("{title} create error "),
            query: format!("{title} get query error: "),
            update: format!("{title} update error: "),
        }
    }

    /// The object with the routes of the apex, its title in errors, and the text of a failed read.
    fn apex(&self, route: &RouteSpec) -> (String, String, String) {
        let name = self.version.router_object(route, &route.apex);
        let title = format!("{} {name}", self.router_kind().kind);
        let query = format!("{title} get query error: ");
        (name, title, query)
    }

    fn check(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let unnamed = route.mesh_name.as_ref().is_none_or(String::is_empty);
        if self.version == Version::V1beta1 && unnamed {
            return Err(RouterError::Unsupported { message: "mesh name cannot be empty".into() });
        }
        if !route.conditions.is_empty() && route.conditions.iter().all(|c| c.headers.is_empty()) {
            // Without headers, the route for the canary would be everyone's.
            let message = "analysis.match has no headers: App Mesh chooses requests by nothing else".into();
            return Err(RouterError::Unsupported { message });
        }
        Ok(())
    }

    async fn give_back(&self, route: &RouteSpec, kind: &ApiResource, name: &str) -> Result<(), RouterError> {
        let (place, title) = (self.place(route, kind, name), format!("{} {name}", kind.kind));
        let found = match place.read::<Value>(&format!("{title} get query error: ")).await {
            Err(RouterError::NotInstalled { .. }) => None,
            other => other?,
        };
        let Some(live) = found else { return Ok(()) };
        let mut wanted: Viewed<Value> = live.clone();
        takeover::restore(&mut wanted).map_err(|annotation| RouterError::Invalid {
            message: format!("{title} annotation {annotation} is not the JSON of a spec"),
        })?;
        place.replace(&wanted, &live, &format!("{title} update error: ")).await
    }
}

#[async_trait]
impl Router for AppMesh {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        self.check(route)?;
        for node in nodes::all(self.version, route) {
            self.reconcile_node(route, &node).await?;
        }
        let (name, _, _) = self.apex(route);
        let query = self.errors(route, &route.apex, self.router_kind(), &name).query;
        let live = self.place(route, self.router_kind(), &name).read::<Value>(&query).await?;
        let split = live.and_then(|live| Split::read(self.version, &live.spec, route));
        let split = split.filter(|split| split.weights().is_some()).unwrap_or(Split::PRIMARY);
        for (name, spec) in [
            (&route.apex, routes::apex(self.version, route, &split)),
            (&route.canary, routes::canary(self.version, route)),
        ] {
            self.reconcile_router(route, name, spec).await?;
            if self.version == Version::V1beta2 {
                self.reconcile_service(route, name).await?;
            }
        }
        Ok(())
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        let (name, title, query) = self.apex(route);
        let Some(live) = self.place(route, self.router_kind(), &name).read::<Value>(&query).await? else {
            return Ok(None);
        };
        let split = Split::read(self.version, &live.spec, route).ok_or_else(|| RouterError::Invalid {
            message: format!("{} routes {name} not found", self.router_kind().kind),
        })?;
        split.weights().map(Some).ok_or_else(|| RouterError::Invalid {
            message: format!("{title} does not contain routes for {} and {}", route.primary, route.canary),
        })
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        self.check(route)?;
        let (name, title, query) = self.apex(route);
        let place = self.place(route, self.router_kind(), &name);
        let live = place.existing::<Value>(&query).await?;
        let split = Split { primary: weights.primary.into(), canary: weights.canary.into() };
        let mut wanted = live.clone();
        wanted.spec =
            adopt(routes::apex(self.version, route, &split), &live.spec, routes::fields(self.version));
        place.replace(&wanted, &live, &format!("{title} update error: ")).await
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let (router, _, _) = self.apex(route);
        self.give_back(route, self.router_kind(), &router).await?;
        if self.version == Version::V1beta2 {
            self.give_back(route, &self.virtual_services, &route.apex).await?;
        }
        for node in nodes::all(self.version, route) {
            self.give_back(route, &self.virtual_nodes, node.name).await?;
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().with_conditions()
    }
}
