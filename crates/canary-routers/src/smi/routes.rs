//! The content of a TrafficSplit as a canary asks for it.

use canary_core::{Metadata, RouteSpec};
use serde_json::{Map, Value};

use super::view::{Backend, TrafficSplitSpec};
use super::weights::Split;

/// By which SMI's adapter for Istio learns the gateways.
const GATEWAYS: &str = "VirtualService.v1alpha3.networking.istio.io/spec.gateways";

/// The spec with the weights of `split`, and with what `live` has beyond the fields that we know.
pub(super) fn spec(route: &RouteSpec, split: &Split, live: &TrafficSplitSpec) -> TrafficSplitSpec {
    TrafficSplitSpec {
        // Flagger: the first host stands for the Service that clients use.
        service: Some(route.hosts.first().unwrap_or(&route.apex).clone()),
        backends: Some(backends(route, split, live)),
        rest: live.rest.clone(),
    }
}

/// Both backends, canary first.
pub(super) fn backends(route: &RouteSpec, split: &Split, live: &TrafficSplitSpec) -> Vec<Backend> {
    let backend = |service: &String, weight: &Option<Value>| Backend {
        service: service.clone(),
        weight: weight.clone(),
        rest: live.to(service).map_or_else(Map::new, |backend| backend.rest.clone()),
    };
    vec![backend(&route.canary, &split.canary), backend(&route.primary, &split.primary)]
}

/// Labels and annotations of a TrafficSplit that is created. They are not enforced later.
pub(super) fn first_metadata(route: &RouteSpec) -> Metadata {
    let mut metadata = Metadata::default();
    let mesh = route.provider.splitn(3, ':').nth(2);
    if mesh == Some("istio") && !route.gateways.is_empty() {
        metadata.annotations.insert(GATEWAYS.to_owned(), Value::from(route.gateways.clone()).to_string());
    }
    metadata
}

/// Whether the split leads to one of our two Services.
pub(super) fn is_ours(spec: &TrafficSplitSpec, route: &RouteSpec) -> bool {
    spec.to(&route.primary).is_some() || spec.to(&route.canary).is_some()
}
