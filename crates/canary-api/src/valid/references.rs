//! Other objects that a canary names, and the names that queries are made of.

use super::ValidCanary;
use crate::target_kind::TargetKind;

/// Objects to watch on behalf of a canary. Those without a namespace are in the canary's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct References {
    /// Kind and name of the autoscaler.
    pub autoscaler: Option<(String, String)>,
    /// Name of the Ingress.
    pub ingress: Option<String>,
    /// Name of the `ApisixRoute`.
    pub route: Option<String>,
    /// Namespace and name of the Gloo Upstream.
    pub upstream: Option<(String, String)>,
    /// Namespace and name of each metric template, without repetition.
    pub templates: Vec<(String, String)>,
    /// Namespace and name of each alert provider, without repetition.
    pub alert_providers: Vec<(String, String)>,
}

/// What query templates know about a canary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryModel {
    /// Name of the canary.
    pub name: String,
    /// Namespace of the canary.
    pub namespace: String,
    /// Name of the target.
    pub target: String,
    /// `service.name`, or the target.
    pub service: String,
    /// Name of the Ingress, or the target.
    pub ingress: String,
    /// Name of the route, or the target. For Knative the caller puts the latest created revision here.
    pub route: String,
}

impl ValidCanary {
    /// The objects that the canary names.
    pub fn references(&self) -> References {
        let spec = &self.spec;
        let home = self.namespace.as_str();
        let mut templates: Vec<_> = spec
            .analysis
            .metrics
            .iter()
            .filter_map(|m| Some(m.template_ref.as_ref()?.resolve(home)))
            .collect();
        let mut alert_providers: Vec<_> =
            spec.analysis.alerts.iter().map(|a| a.provider_ref.resolve(home)).collect();
        for names in [&mut templates, &mut alert_providers] {
            names.sort();
            names.dedup();
        }
        References {
            autoscaler: spec.autoscaler_ref.as_ref().map(|r| (r.kind.clone(), r.name.clone())),
            ingress: spec.ingress_ref.as_ref().map(|r| r.name.clone()),
            route: spec.route_ref.as_ref().map(|r| r.name.clone()),
            upstream: spec
                .upstream_ref
                .as_ref()
                .map(|r| (r.namespace.clone().unwrap_or_else(|| home.to_owned()), r.name.clone())),
            templates,
            alert_providers,
        }
    }

    /// The names that queries are made of.
    pub fn query_model(&self) -> QueryModel {
        let target = || self.target().to_owned();
        let or_target = |name: Option<&String>| name.cloned().unwrap_or_else(target);
        QueryModel {
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            target: target(),
            service: or_target(self.spec.service.as_ref().and_then(|s| s.name.as_ref())),
            ingress: or_target(self.spec.ingress_ref.as_ref().map(|r| &r.name)),
            route: or_target(self.spec.route_ref.as_ref().map(|r| &r.name)),
        }
    }

    /// Base URL of the Prometheus for this canary; `None`: the controller's.
    pub fn metrics_server(&self) -> Option<&str> {
        self.spec.metrics_server.as_deref()
    }

    /// The name that chooses the built-in queries, and that events show: usually the provider.
    ///
    /// Flagger: a flag that contains `crossover` means that word; a canary's own provider replaces it, unless the flag
    /// contains `linkerd`; a core Service as target adds `:service`.
    pub fn metrics_provider(&self) -> String {
        let flag = &self.mesh_provider;
        let name = match &self.spec.provider {
            Some(_) if flag.contains("linkerd") => "linkerd",
            Some(own) => own,
            None if flag.contains("crossover") => "crossover",
            None => flag,
        };
        match self.target_kind {
            TargetKind::Service => format!("{name}:service"),
            TargetKind::Deployment | TargetKind::DaemonSet | TargetKind::Knative => name.to_owned(),
        }
    }
}
