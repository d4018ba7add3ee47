//! From a canary to what its router is told.

use canary_core::{Affinity, CookieAttributes, RouteSpec, Status, Strategy, TargetPort, Weight};

use super::ValidCanary;
use super::plan::strategy;
use crate::spec::{ServiceSpec, SessionAffinity};

/// Life of the canary's cookie when the user gave none, in seconds.
const ONE_DAY: i64 = 86_400;

impl ValidCanary {
    /// What the router is told, with the session cookies of `status`. The selector is left to the caller, who knows the
    /// labels of the target.
    pub fn route(&self, status: &Status) -> RouteSpec {
        let spec = &self.spec;
        let analysis = &spec.analysis;
        let mut route = RouteSpec::new(&self.namespace, &self.name, self.apex());
        route.canary_annotations.clone_from(&self.annotations);
        route.provider.clone_from(&self.provider);
        route.owner = Some(self.owner());
        route.target.clone_from(&spec.target_ref.name);
        add_service(&mut route, spec.service.clone().unwrap_or_default());
        route.ingress = spec.ingress_ref.as_ref().map(|r| r.name.clone());
        route.route = spec.route_ref.as_ref().map(|r| r.name.clone());
        route.upstream = spec.upstream_ref.as_ref().map(|r| (r.namespace.clone(), r.name.clone()));
        route.conditions = match strategy(analysis) {
            Strategy::AbTesting { .. } => analysis.matches.clone(),
            Strategy::Weighted(_) | Strategy::BlueGreen { .. } => Vec::new(),
        };
        route.mirror_weight =
            (analysis.mirror_weight > 0).then(|| Weight::clamped(analysis.mirror_weight).percent());
        let primary_max_age = i64::try_from(analysis.period().as_secs()).unwrap_or(i64::MAX);
        route.affinity = analysis.session_affinity.as_ref().map(|a| affinity(a, primary_max_age, status));
        route
    }
}

fn add_service(route: &mut RouteSpec, service: ServiceSpec) {
    route.port = service.port;
    route.port_name = service.port_name.unwrap_or_else(|| "http".into());
    route.target_port = service.target_port.filter(|p| *p != TargetPort::Number(0));
    route.app_protocol = service.app_protocol;
    route.port_discovery = service.port_discovery;
    route.timeout = service.timeout;
    route.backend_timeout = service.backend_timeout;
    route.gateways = service.gateways;
    route.gateway_refs = service.gateway_refs;
    route.hosts = service.hosts;
    route.delegation = service.delegation;
    route.traffic_policy = service.traffic_policy;
    route.matches = service.matches;
    route.rewrite = service.rewrite;
    route.retries = service.retries;
    route.headers = service.headers;
    route.static_mirrors = service.mirror;
    route.cors_policy = service.cors_policy;
    route.mesh_name = service.mesh_name;
    route.backends = service.backends;
    route.apex_metadata = service.apex;
}

fn affinity(written: &SessionAffinity, primary_max_age: i64, status: &Status) -> Affinity {
    Affinity {
        cookie_name: written.cookie_name.clone(),
        primary_cookie_name: written.primary_cookie_name.clone(),
        cookie: status.cookie.clone(),
        primary_cookie: status.primary_cookie.clone(),
        previous_cookie: status.previous_cookie.clone(),
        max_age: if written.max_age == 0 { ONE_DAY } else { written.max_age },
        primary_max_age,
        attributes: CookieAttributes {
            domain: written.domain.clone(),
            http_only: written.http_only,
            partitioned: written.partitioned,
            path: written.path.clone(),
            same_site: written.same_site.clone(),
            secure: written.secure,
        },
    }
}
