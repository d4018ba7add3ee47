//! A Service as it is created.
//! Not for what becomes of one that exists.

use canary_core::{Metadata, TargetPort};
use serde_json::{Value, json};

use super::{Role, ServicesSpec};
use crate::fields::{Fields, into_fields};
use crate::generated::{FLUX_OPT_OUT, owner_reference};

/// The Service of that role.
pub(super) fn service(spec: ServicesSpec<'_>, role: Role) -> Value {
    let selector = &spec.pods.selector;
    let selected = match role {
        Role::Canary => selector.value.clone(),
        Role::Primary | Role::Apex => selector.primary_value(),
    };
    let mut fields = into_fields(json!({
        "type": "ClusterIP",
        "selector": {selector.key.as_str(): selected},
        "ports": ports(spec),
    }));
    if spec.options.headless {
        fields.insert("clusterIP".into(), "None".into());
    }
    if let Some(distribution) = &spec.options.traffic_distribution {
        fields.insert("trafficDistribution".into(), distribution.as_str().into());
    }
    let name = spec.name(role);
    let none = Metadata::default();
    let metadata = match role {
        Role::Apex => spec.route.apex_metadata.as_ref().unwrap_or(&none),
        Role::Primary => &spec.options.primary,
        Role::Canary => &spec.options.canary,
    };
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": spec.route.namespace,
            "labels": labels(metadata, &selector.key, name),
            "annotations": annotations(metadata),
            "ownerReferences": [owner_reference(spec.owner)],
        },
        "spec": fields,
    })
}

fn labels(metadata: &Metadata, key: &str, name: &str) -> Fields {
    let mut labels: Fields = metadata.labels.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    labels.insert(key.to_owned(), name.into());
    labels
}

fn annotations(metadata: &Metadata) -> Fields {
    let own = metadata.annotations.iter().map(|(k, v)| (k.clone(), v.as_str().into()));
    own.chain(FLUX_OPT_OUT.map(|(k, v)| (k.to_owned(), v.into()))).collect()
}

fn ports(spec: ServicesSpec<'_>) -> Vec<Value> {
    let route = spec.route;
    let mut main = into_fields(json!({
        "name": if route.port_name.is_empty() { "http" } else { &route.port_name },
        "protocol": "TCP",
        "port": route.port,
        "targetPort": match &route.target_port {
            None | Some(TargetPort::Number(0)) => json!(route.port),
            Some(TargetPort::Name(name)) if name == "0" => json!(route.port),
            Some(TargetPort::Number(number)) => json!(number),
            Some(TargetPort::Name(name)) => json!(name),
        },
    }));
    if let Some(protocol) = route.app_protocol.as_deref().filter(|protocol| !protocol.is_empty()) {
        main.insert("appProtocol".into(), protocol.into());
    }
    let found = spec.pods.ports.iter().map(
        |port| json!({"name": port.name, "protocol": "TCP", "port": port.number, "targetPort": port.number}),
    );
    std::iter::once(Value::Object(main)).chain(found).collect()
}
