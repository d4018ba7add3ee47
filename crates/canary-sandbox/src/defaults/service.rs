//! Services.

use serde_json::{Value, json};

use super::{child, each, set};
use crate::errors::Cause;

pub(super) fn apply(object: &mut Value, old: Option<&Value>) {
    let spec = child(object, "spec");
    set(spec, "type", || "ClusterIP".into());
    set(spec, "sessionAffinity", || "None".into());
    for port in each(spec, "ports") {
        set(port, "protocol", || "TCP".into());
        let number = port["port"].clone();
        if port["targetPort"] == 0
            && let Some(map) = port.as_object_mut()
        {
            map.remove("targetPort");
        }
        set(port, "targetPort", || number);
    }
    if spec["type"] != "ExternalName" {
        if let Some(old) = old {
            // Addresses that were given once stay when a client leaves them out.
            for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                let before = old["spec"][key].clone();
                if !before.is_null() {
                    set(spec, key, || before);
                }
            }
        }
        set(spec, "ipFamilies", || json!(["IPv4"]));
        set(spec, "ipFamilyPolicy", || "SingleStack".into());
        set(spec, "internalTrafficPolicy", || "Cluster".into());
        let address = spec["clusterIP"].clone();
        if address.is_string() {
            set(spec, "clusterIPs", || json!([address]));
        }
    }
    if matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer")) {
        set(spec, "externalTrafficPolicy", || "Cluster".into());
        if spec["type"] == "LoadBalancer" {
            set(spec, "allocateLoadBalancerNodePorts", || true.into());
        }
    }
    if spec["sessionAffinity"] == "ClientIP" {
        let config = child(child(spec, "sessionAffinityConfig"), "clientIP");
        set(config, "timeoutSeconds", || 10_800.into());
    }
    if old.is_none() {
        object["status"] = json!({ "loadBalancer": {} });
    }
}

/// Whether a new Service is to be given an address.
pub(crate) fn wants_address(object: &Value) -> bool {
    object["spec"]["type"] != "ExternalName" && object["spec"]["clusterIP"].as_str().is_none_or(str::is_empty)
}

pub(super) fn faults(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &object["spec"];
    let ports = spec["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    if ports.is_empty() && spec["type"] != "ExternalName" && spec["clusterIP"] != "None" {
        causes.push(Cause::required("spec.ports", ""));
    }
    let mut names = Vec::new();
    for (at, port) in ports.iter().enumerate() {
        let field = |key: &str| format!("spec.ports[{at}].{key}");
        let name = port["name"].as_str().unwrap_or_default();
        if name.is_empty() && ports.len() > 1 {
            causes.push(Cause::required(field("name"), ""));
        } else if !name.is_empty() && names.contains(&name) {
            causes.push(Cause::duplicate(field("name"), &name.into()));
        }
        names.push(name);
        for key in ["port", "targetPort"] {
            if let Some(number) = port[key].as_i64().filter(|n| !(1..=65_535).contains(n)) {
                let text = "must be between 1 and 65535, inclusive";
                causes.push(Cause::invalid(field(key), &number.into(), text));
            }
        }
        if !matches!(port["protocol"].as_str(), Some("TCP" | "UDP" | "SCTP")) {
            let known: [Value; 3] = ["SCTP".into(), "TCP".into(), "UDP".into()];
            causes.push(Cause::unsupported(field("protocol"), &port["protocol"], &known));
        }
    }
    for (at, port) in ports.iter().enumerate() {
        if ports[..at].iter().any(|p| p["port"] == port["port"] && p["protocol"] == port["protocol"]) {
            let same = json!({ "port": port["port"], "protocol": port["protocol"] });
            causes.push(Cause::duplicate(format!("spec.ports[{at}]"), &same));
        }
    }
    if let Some(old) = old
        && old["spec"]["type"] != "ExternalName"
        && spec["type"] != "ExternalName"
        && spec["clusterIP"] != old["spec"]["clusterIP"]
    {
        let text = "may not change once set";
        causes.push(Cause::invalid("spec.clusterIPs[0]", &json!([spec["clusterIP"]]), text));
    }
    causes
}
