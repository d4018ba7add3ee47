//! Routers by the name of their provider.
//!
//! A name is looked up exactly first, then by the longest registered prefix. There is no fallback.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{Capabilities, Registry, Router, UnknownName};
use kube::core::ApiResource;
use serde_json::Value;

use crate::{
    Apisix, AppMesh, Contour, GatewayApi, Gloo, Istio, Knative, KnativeService, Kubernetes, Kuma, Nginx,
    ObjectError, Objects, Skipper, Smi, Traefik,
};

/// Makes a router on a handle to the cluster.
type Constructor = Arc<dyn Fn(Arc<dyn Objects>) -> Arc<dyn Router> + Send + Sync>;

/// One way to route.
#[derive(Clone)]
struct Entry {
    constructor: Constructor,
    kinds: Vec<ApiResource>,
}

/// Maps provider names (`istio`, `smi:v1alpha2:osm`) to routers.
///
/// ```
/// use std::sync::Arc;
/// use canary_routers::{Kubernetes, MemoryObjects, Objects, Routers};
///
/// let routers = Routers::default().with("acme:v1", |_: Arc<dyn Objects>| Arc::new(Kubernetes));
/// assert!(routers.router("acme:v1", Arc::new(MemoryObjects::new())).is_ok());
/// assert!(routers.capabilities("istio").unwrap().mirror);
/// let unknown = routers.capabilities("Istio").unwrap_err().to_string();
/// assert!(unknown.starts_with(r#"unknown mesh provider "Istio"; known are: acme:v1, "#), "{unknown}");
/// ```
#[derive(Clone)]
pub struct Routers {
    exact: Registry<Entry>,
    prefixes: Registry<Entry>,
}

impl Default for Routers {
    /// The routers of this crate.
    fn default() -> Self {
        Self::empty()
            .with_kinds("appmesh", AppMesh::kinds("v1beta1"), |o| Arc::new(AppMesh::new(o, "v1beta1")))
            .with_prefix("appmesh:v1beta2", AppMesh::kinds("v1beta2"), |o| {
                Arc::new(AppMesh::new(o, "v1beta2"))
            })
            .with_kinds("contour", Contour::kinds(), |objects| Arc::new(Contour::new(objects, "")))
            .with_prefix("gatewayapi:v1", GatewayApi::kinds("v1"), |o| Arc::new(GatewayApi::new(o, "v1")))
            .with_prefix("gatewayapi:v1beta1", GatewayApi::kinds("v1beta1"), |o| {
                Arc::new(GatewayApi::new(o, "v1beta1"))
            })
            .with_prefix("gloo", Gloo::kinds(), |objects| Arc::new(Gloo::new(objects)))
            .with_kinds("istio", Istio::kinds(Istio::VERSION), |objects| Arc::new(Istio::new(objects)))
            .with_kinds("knative", vec![KnativeService::kind()], |objects| Arc::new(Knative::new(objects)))
            .with("kubernetes", |_| Arc::new(Kubernetes))
            .with_kinds("kuma", Kuma::kinds(), |objects| Arc::new(Kuma::new(objects)))
            .with_kinds("linkerd", Smi::kinds("v1alpha1"), |o| Arc::new(Smi::new(o, "v1alpha1")))
            .with_kinds("osm", Smi::kinds("v1alpha2"), |o| Arc::new(Smi::new(o, "v1alpha2")))
            .with_kinds("skipper", Skipper::kinds(), |objects| Arc::new(Skipper::new(objects)))
            .with_prefix("smi:v1alpha1", Smi::kinds("v1alpha1"), |o| Arc::new(Smi::new(o, "v1alpha1")))
            .with_prefix("smi:v1alpha2", Smi::kinds("v1alpha2"), |o| Arc::new(Smi::new(o, "v1alpha2")))
            .with_prefix("smi:v1alpha3", Smi::kinds("v1alpha3"), |o| Arc::new(Smi::new(o, "v1alpha3")))
            .with_kinds("traefik", Traefik::kinds(), |objects| Arc::new(Traefik::new(objects)))
            .with_kinds("nginx", Nginx::kinds(), |objects| Arc::new(Nginx::new(objects, Nginx::PREFIX)))
            .with_kinds("apisix", Apisix::kinds(), |objects| Arc::new(Apisix::new(objects)))
    }
}

impl Routers {
    /// No routers at all.
    pub fn empty() -> Self {
        Self { exact: Registry::new("mesh provider"), prefixes: Registry::new("mesh provider") }
    }

    /// With one more router, for exactly this provider name; the same name again replaces. A constructor only keeps the
    /// handle that it gets. The caller is told of no kinds to watch: see [`Routers::with_kinds`].
    #[must_use]
    pub fn with<F>(self, provider: impl Into<String>, constructor: F) -> Self
    where
        F: Fn(Arc<dyn Objects>) -> Arc<dyn Router> + Send + Sync + 'static,
    {
        self.with_kinds(provider, Vec::new(), constructor)
    }

    /// Like [`Routers::with`], for a router that reads objects of `kinds`: they are worth a watch.
    #[must_use]
    pub fn with_kinds<F>(
        mut self,
        provider: impl Into<String>,
        kinds: Vec<ApiResource>,
        constructor: F,
    ) -> Self
    where
        F: Fn(Arc<dyn Objects>) -> Arc<dyn Router> + Send + Sync + 'static,
    {
        self.exact = self.exact.with(provider, Entry { constructor: Arc::new(constructor), kinds });
        self
    }

    /// Like [`Routers::with_kinds`], for all providers whose name starts with `prefix`. Where several prefixes fit, the
    /// longest is used. The router finds the whole name in [`RouteSpec::provider`](canary_core::RouteSpec::provider).
    #[must_use]
    pub fn with_prefix<F>(
        mut self,
        prefix: impl Into<String>,
        kinds: Vec<ApiResource>,
        constructor: F,
    ) -> Self
    where
        F: Fn(Arc<dyn Objects>) -> Arc<dyn Router> + Send + Sync + 'static,
    {
        self.prefixes = self.prefixes.with(prefix, Entry { constructor: Arc::new(constructor), kinds });
        self
    }

    /// The router of `provider`, working on `objects`.
    pub fn router(&self, provider: &str, objects: Arc<dyn Objects>) -> Result<Arc<dyn Router>, UnknownName> {
        self.entry(provider).map(|entry| (entry.constructor)(objects))
    }

    /// What a canary may ask of that router.
    pub fn capabilities(&self, provider: &str) -> Result<Capabilities, UnknownName> {
        self.router(provider, Arc::new(Nowhere)).map(|router| router.capabilities())
    }

    /// The kinds of objects that the router reads, so that a watch of them is started with the first canary that needs it.
    pub fn kinds(&self, provider: &str) -> Result<Vec<ApiResource>, UnknownName> {
        self.entry(provider).map(|entry| entry.kinds.clone())
    }

    /// The known names and prefixes, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.exact.names().chain(self.prefixes.names()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn entry(&self, provider: &str) -> Result<&Entry, UnknownName> {
        let by_prefix = || {
            let longest =
                self.prefixes.names().filter(|p| provider.starts_with(p)).max_by_key(|p| p.len())?;
            self.prefixes.get(longest).ok()
        };
        self.exact.get(provider).or_else(|unknown| {
            let known = self.names().into_iter().map(str::to_owned).collect();
            by_prefix().ok_or(UnknownName { known, ..unknown })
        })
    }
}

impl fmt::Debug for Routers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routers").field("exact", &self.exact).field("prefixes", &self.prefixes).finish()
    }
}

/// A cluster that cannot be reached, for a router that is only asked what it can do.
struct Nowhere;

impl Nowhere {
    fn unreachable<T>() -> Result<T, ObjectError> {
        Err(ObjectError::Unavailable("there is no cluster".into()))
    }
}

#[async_trait]
impl Objects for Nowhere {
    async fn get(&self, _: &ApiResource, _: &str, _: &str) -> Result<Option<Value>, ObjectError> {
        Self::unreachable()
    }
    async fn list(&self, _: &ApiResource, _: &str) -> Result<Vec<Value>, ObjectError> {
        Self::unreachable()
    }
    async fn create(&self, _: &ApiResource, _: &Value) -> Result<Value, ObjectError> {
        Self::unreachable()
    }
    async fn replace(&self, _: &ApiResource, _: &Value) -> Result<Value, ObjectError> {
        Self::unreachable()
    }
    async fn merge(&self, _: &ApiResource, _: &str, _: &str, _: &Value) -> Result<Value, ObjectError> {
        Self::unreachable()
    }
    async fn delete(&self, _: &ApiResource, _: &str, _: &str) -> Result<(), ObjectError> {
        Self::unreachable()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Routers that are told apart by the plural of the one kind that they read.
    fn kind(plural: &str) -> Vec<ApiResource> {
        let gvk = kube::core::GroupVersionKind::gvk("acme.io", "v1", "Split");
        vec![ApiResource::from_gvk_with_plural(&gvk, plural)]
    }

    fn found(routers: &Routers, provider: &str) -> Option<String> {
        routers.kinds(provider).ok().map(|kinds| kinds[0].plural.clone())
    }

    #[test]
    fn an_exact_name_wins_over_a_prefix_and_a_long_prefix_over_a_short_one() {
        let routers = Routers::empty()
            .with_kinds("appmesh", kind("first"), |_| Arc::new(Kubernetes))
            .with_prefix("appmesh:v1beta2", kind("second"), |_| Arc::new(Kubernetes))
            .with_prefix("gatewayapi:v1", kind("stable"), |_| Arc::new(Kubernetes))
            .with_prefix("gatewayapi:v1beta1", kind("beta"), |_| Arc::new(Kubernetes))
            .with_prefix("smi:v1alpha2", kind("split"), |_| Arc::new(Kubernetes));
        let cases = [
            ("appmesh", Some("first")),
            ("appmesh:v1beta2", Some("second")),
            ("appmesh:v1beta1", None),
            ("gatewayapi:v1", Some("stable")),
            ("gatewayapi:v1beta1", Some("beta")),
            ("gatewayapi", None),
            ("smi:v1alpha2:osm", Some("split")),
            ("smi:v1alpha4", None),
            ("", None),
        ];
        for (provider, expected) in cases {
            assert_eq!(found(&routers, provider).as_deref(), expected, "{provider:?}");
        }
    }

    #[test]
    fn an_unknown_name_lists_names_and_prefixes() {
        let routers = Routers::empty()
            .with("istio", |_| Arc::new(Kubernetes))
            .with("kubernetes", |_| Arc::new(Kubernetes))
            .with_prefix("gloo", Vec::new(), |_| Arc::new(Kubernetes));
        let error = routers.kinds("isto").unwrap_err();
        assert_eq!(error.to_string(), r#"unknown mesh provider "isto"; known are: gloo, istio, kubernetes"#);
    }

    #[test]
    fn every_built_in_router_says_what_it_can_do_and_what_it_reads() {
        let routers = Routers::default();
        for name in routers.names() {
            assert!(name == "kubernetes" || !routers.kinds(name).unwrap().is_empty(), "{name}");
        }
        assert!(!routers.capabilities("knative").unwrap().conditions);
        assert!(routers.capabilities("istio").unwrap().session_affinity);
        assert_eq!(routers.capabilities("kubernetes").unwrap(), Capabilities::NONE);
        let kinds: Vec<_> =
            routers.kinds("istio").unwrap().into_iter().map(|k| (k.plural, k.version)).collect();
        let expected = ["destinationrules", "virtualservices"].map(|p| (p.to_owned(), "v1beta1".to_owned()));
        assert_eq!(kinds, expected);
        assert!(routers.kinds("kubernetes").unwrap().is_empty());
    }
}
