//! The copies of a Service: what of it they take over, and what stays each copy's own.
//! Not for reading or writing them.

use canary_core::WorkloadSpec;
use serde_json::{Value, json};

use crate::fields::{Fields, each_mut, edit, fields_at, into_fields, list_at, set_map, text_at};
use crate::generated::{owner_reference, without_toolkit};

/// The addresses of a Service, and what follows from them. Two Services cannot have the same.
const OWN: [&str; 6] =
    ["clusterIP", "clusterIPs", "ipFamilies", "healthCheckNodePort", "externalIPs", "loadBalancerIP"];
/// What kubectl applied last. On a copy it would undo the copying at the next apply.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The part of a Service's spec that is released.
pub(super) fn content(service: &Value) -> Value {
    let mut spec = Value::Object(fields_at(service, "/spec"));
    for port in each_mut(&mut spec, "ports") {
        remove(port, "nodePort");
    }
    for key in OWN {
        remove(&mut spec, key);
    }
    spec
}

/// The same without what the API server fills in.
pub(super) fn without_defaults(mut content: Value) -> Value {
    let defaults = [
        ("type", json!("ClusterIP")),
        ("sessionAffinity", json!("None")),
        ("internalTrafficPolicy", json!("Cluster")),
        ("externalTrafficPolicy", json!("Cluster")),
        ("allocateLoadBalancerNodePorts", json!(true)),
        ("ipFamilyPolicy", json!("SingleStack")),
    ];
    for (key, default) in defaults {
        if content.get(key) == Some(&default) {
            remove(&mut content, key);
        }
    }
    for port in each_mut(&mut content, "ports") {
        if port.get("protocol") == Some(&json!("TCP")) {
            remove(port, "protocol");
        }
        if port.get("targetPort") == port.get("port") {
            remove(port, "targetPort");
        }
    }
    content
}

/// How copies differ from the target.
pub(super) struct Copying<'a> {
    /// The canary that the copies are made for.
    pub(super) spec: &'a WorkloadSpec,
    /// `service.trafficDistribution`, which wins over the target's.
    pub(super) traffic_distribution: Option<&'a str>,
}

impl Copying<'_> {
    /// A copy of `target` that is to be created.
    pub(super) fn created(&self, target: &Value, name: &str) -> Value {
        let mut spec = self.content(target);
        // Whether there is to be an address, and of which family, is not the address.
        if text_at(target, "/spec/clusterIP") == Some("None") {
            spec.insert("clusterIP".into(), "None".into());
        }
        if let Some(families) = target.pointer("/spec/ipFamilies") {
            spec.insert("ipFamilies".into(), families.clone());
        }
        let mut metadata = Fields::new();
        metadata.insert("name".into(), name.into());
        metadata.insert("namespace".into(), self.spec.namespace.clone().into());
        metadata.insert("ownerReferences".into(), json!([owner_reference(&self.spec.owner)]));
        describe(target, &mut metadata);
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    }

    /// `copy` with what `target` has now. Its addresses and owner stay, and so do labels and annotations of others; it stays
    /// equal when there is nothing to take over.
    pub(super) fn updated(&self, target: &Value, copy: &Value) -> Value {
        let mut object = into_fields(copy.clone());
        object.insert("spec".into(), self.released(target, copy));
        edit(&mut object, "metadata", |metadata| describe(target, metadata));
        Value::Object(object)
    }

    /// Whether `copy` is what `target` is.
    pub(super) fn is_made(&self, target: &Value, copy: &Value) -> bool {
        copy.get("spec") == Some(&self.released(target, copy))
    }

    fn content(&self, target: &Value) -> Fields {
        let mut spec = into_fields(content(target));
        if let Some(distribution) = self.traffic_distribution {
            spec.insert("trafficDistribution".into(), distribution.into());
        }
        spec
    }

    /// The spec of `copy` with what `target` has now.
    fn released(&self, target: &Value, copy: &Value) -> Value {
        let mut spec = self.content(target);
        let kind = text_at(target, "/spec/type").unwrap_or("ClusterIP").to_owned();
        let local = text_at(target, "/spec/externalTrafficPolicy") == Some("Local");
        for key in OWN {
            let kept = match key {
                "healthCheckNodePort" => kind == "LoadBalancer" && local,
                _ => kind != "ExternalName",
            };
            if let Some(own) = copy.pointer(&format!("/spec/{key}")).filter(|_| kept) {
                spec.insert(key.to_owned(), own.clone());
            }
        }
        let mut spec = Value::Object(spec);
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
            each_mut(&mut spec, "ports").for_each(|port| keep_node_port(port, copy));
        }
        spec
    }
}

/// Labels and annotations of `target`, over those that are there.
fn describe(target: &Value, metadata: &mut Fields) {
    for key in ["labels", "annotations"] {
        let mut entries = metadata.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut taken = without_toolkit(fields_at(target, &format!("/metadata/{key}")));
        taken.remove(LAST_APPLIED);
        entries.extend(taken);
        set_map(metadata, key, entries);
    }
}

fn keep_node_port(port: &mut Value, copy: &Value) {
    let is_same = |other: &&Value| ["port", "protocol"].iter().all(|key| other.get(key) == port.get(key));
    let own = list_at(copy, "/spec/ports").iter().find(is_same).and_then(|p| p.get("nodePort")).cloned();
    if let (Some(own), Some(fields)) = (own, port.as_object_mut()) {
        fields.insert("nodePort".into(), own);
    }
}

fn remove(object: &mut Value, key: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(key);
    }
}
