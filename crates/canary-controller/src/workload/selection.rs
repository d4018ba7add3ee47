//! By which label a workload's pods are selected, and which ports they serve.
//! Not for making Services.

use std::collections::BTreeMap;

use canary_core::{RouteSpec, TargetPort, WorkloadError};
use serde_json::Value;

use crate::fields::{list_at, number_at, text_at};
use crate::generated::primary_name;

/// Containers of meshes, whose ports are nobody's business.
const SIDECARS: [&str; 2] = ["istio-proxy", "envoy"];

/// The longest name that a port of a Service may have.
const LONGEST_NAME: usize = 63;

/// The label that selects a target's pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    /// Key.
    pub(crate) key: String,
    /// Value on the target's pods.
    pub(crate) value: String,
}

impl Selector {
    /// The value on the primary's pods.
    pub(crate) fn primary_value(&self) -> String {
        primary_name(&self.value)
    }

    /// The first of the candidates that the workload selects by.
    pub(super) fn of(workload: &Value, candidates: &[String]) -> Option<Self> {
        let labels = workload.pointer("/spec/selector/matchLabels")?;
        candidates.iter().find_map(|key| {
            let value = labels.get(key)?.as_str()?.to_owned();
            Some(Self { key: key.clone(), value })
        })
    }

    /// Why a workload has none: `label` is `<kind> <name>.<namespace>`.
    pub(super) fn missing(label: &str, candidates: &[String]) -> WorkloadError {
        WorkloadError::Invalid {
            message: format!(
                "getSelectorLabel failed: {label} spec.selector.matchLabels must contain one of [{}]",
                candidates.join(" ")
            ),
        }
    }
}

/// What Services need to know of a target's pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pods {
    /// The label that selects them.
    pub(crate) selector: Selector,
    /// Further ports, by name; empty unless `service.portDiscovery` is on.
    pub(crate) ports: Vec<DiscoveredPort>,
}

/// A port of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiscoveredPort {
    /// Its name, or one made from the container's.
    pub(crate) name: String,
    /// Its number.
    pub(crate) number: i64,
}

/// The ports of the containers beside the one that the route's own port leads to. Flagger's order is random; ours is
/// that of the names. A port that repeats the number or the name of the route's own, or the number of another, is left
/// out: the API server would refuse the whole Service.
pub(super) fn discovered_ports(workload: &Value, route: &RouteSpec) -> Vec<DiscoveredPort> {
    if !route.port_discovery {
        return Vec::new();
    }
    let mut by_name = BTreeMap::new();
    for container in list_at(workload, "/spec/template/spec/containers") {
        let container_name = text_at(container, "/name").unwrap_or_default();
        if SIDECARS.contains(&container_name) {
            continue;
        }
        for (index, port) in list_at(container, "/ports").iter().enumerate() {
            let Some(number) = number_at(port, "/containerPort") else { continue };
            let name = text_at(port, "/name").filter(|name| !name.is_empty());
            if !is_main(route, name, number) {
                let name = name.map_or_else(|| made_up_name(container_name, index), str::to_owned);
                by_name.insert(name, number);
            }
        }
    }
    let mut ports: Vec<DiscoveredPort> = Vec::new();
    for (name, number) in by_name {
        let taken = number == i64::from(route.port) || ports.iter().any(|port| port.number == number);
        if !taken && name != route.port_name {
            ports.push(DiscoveredPort { name, number });
        }
    }
    ports
}

/// Whether the route's own port leads to that container port.
fn is_main(route: &RouteSpec, name: Option<&str>, number: i64) -> bool {
    match &route.target_port {
        None | Some(TargetPort::Number(0)) => number == i64::from(route.port),
        Some(TargetPort::Name(target)) if target == "0" => number == i64::from(route.port),
        Some(TargetPort::Number(target)) => number == i64::from(*target),
        Some(TargetPort::Name(target)) => name == Some(target),
    }
}

fn made_up_name(container: &str, index: usize) -> String {
    let end = format!("-{index}");
    let room = LONGEST_NAME.saturating_sub("tcp-".len() + end.len());
    let start: String = container.chars().take(room).collect();
    format!("tcp-{start}{end}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn candidates() -> Vec<String> {
        ["app", "name"].map(str::to_owned).into()
    }

    fn route() -> RouteSpec {
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.port_discovery = true;
        route
    }

    fn workload() -> Value {
        json!({"spec": {"template": {"spec": {"containers": [
            {"name": "podinfod", "ports": [
                {"name": "http", "containerPort": 9898},
                {"name": "http-metrics", "containerPort": 9797},
                {"containerPort": 9999, "protocol": "UDP"},
                {"name": "plain", "containerPort": 80},
            ]},
            {"name": "istio-proxy", "ports": [{"containerPort": 15090}]},
            {"name": "second", "ports": [{"name": "copy", "containerPort": 9797}]},
        ]}}}})
    }

    fn found(route: &RouteSpec) -> Vec<(String, i64)> {
        discovered_ports(&workload(), route).into_iter().map(|port| (port.name, port.number)).collect()
    }

    #[test]
    fn the_first_candidate_that_is_there_selects() {
        let workload = json!({"spec": {"selector": {"matchLabels": {"name": "b", "app": "a", "x": "y"}}}});
        let selector = Selector::of(&workload, &candidates()).unwrap();
        assert_eq!((selector.key.as_str(), selector.value.as_str()), ("app", "a"));
        assert_eq!(selector.primary_value(), "a-primary");
    }

    #[test]
    fn expressions_do_not_select() {
        let workload =
            json!({"spec": {"selector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}});
        assert_eq!(Selector::of(&workload, &candidates()), None);
        assert_eq!(
            Selector::missing("deployment podinfo.test", &candidates()).to_string(),
            "getSelectorLabel failed: deployment podinfo.test spec.selector.matchLabels must contain one of [app name]"
        );
    }

    #[test]
    fn without_discovery_there_are_no_further_ports() {
        assert!(discovered_ports(&workload(), &RouteSpec::new("test", "podinfo", "podinfo")).is_empty());
    }

    #[test]
    fn the_port_that_is_served_already_is_not_found_again() {
        let expected = |first: &str| {
            let mut ports = vec![("copy".to_owned(), 9797), ("tcp-podinfod-2".to_owned(), 9999)];
            if !first.is_empty() {
                ports.push((first.to_owned(), 9898));
                ports.sort();
            }
            ports
        };
        for (target, first) in [
            (Some(TargetPort::Number(9898)), ""),
            (Some(TargetPort::Name("http".into())), ""),
            // Its name is that of the route's own port, so it cannot be served beside it.
            (None, ""),
            (Some(TargetPort::Number(0)), ""),
            (Some(TargetPort::Name("0".into())), ""),
        ] {
            let mut route = route();
            route.target_port = target.clone();
            assert_eq!(found(&route), expected(first), "{target:?}");
        }
        let mut renamed = route();
        renamed.port_name = "web".into();
        assert_eq!(found(&renamed), expected("http"));
    }

    #[test]
    fn made_up_names_fit_into_a_service() {
        let name = made_up_name(&"c".repeat(63), 12);
        assert_eq!(name.len(), 63);
        assert!(name.ends_with("c-12"));
    }
}
