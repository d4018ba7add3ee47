//! One Rollout: its workload, its Services, its way of routing, and its strategy.

use serde_json::{Map, Value, json};

use super::{Converted, Remarks, analysis, steps};
use crate::manifests::Manifest;

/// Fields of a Rollout that a Deployment has too.
const OF_DEPLOYMENT: [&str; 6] = [
    "replicas",
    "selector",
    "template",
    "minReadySeconds",
    "revisionHistoryLimit",
    "progressDeadlineSeconds",
];

pub(super) fn convert(manifest: &Manifest, all: &[Manifest], port: u16, converted: &mut Converted) {
    let (name, namespace) = (manifest.text("/metadata/name"), manifest.text("/metadata/namespace"));
    let mut remarks = Remarks { manifest, all: &mut converted.remarks };
    let spec = &manifest.object["spec"];
    let mut canary_spec = Map::new();
    let reference = |api_version: &Value, kind: &Value, name: &Value| json!({"apiVersion": api_version, "kind": kind, "name": name});
    let target = if let Some(own) = spec.get("workloadRef") {
        canary_spec.insert("targetRef".into(), reference(&own["apiVersion"], &own["kind"], &own["name"]));
        own["name"].as_str().unwrap_or(name).to_owned()
    } else {
        let made = reference(&"apps/v1".into(), &"Deployment".into(), &name.into());
        canary_spec.insert("targetRef".into(), made);
        converted.objects.push(deployment(manifest, spec));
        name.to_owned()
    };
    if let Some(deadline) = spec.get("progressDeadlineSeconds") {
        canary_spec.insert("progressDeadlineSeconds".into(), deadline.clone());
    }
    if spec["paused"] == true {
        canary_spec.insert("suspend".into(), true.into());
    }
    for (field, instead) in [
        (
            "analysis",
            "the number of kept runs has no counterpart; `canaryctl history` keeps the last ten rollouts",
        ),
        ("rollbackWindow", "apply the revision before; it is rolled out like any other"),
        ("restartAt", "restart by an annotation of the pod template, as `kubectl rollout restart` does"),
        ("progressDeadlineAbort", "a rollout whose pods are not ready in time is always rolled back"),
    ] {
        if spec.get(field).is_some() {
            remarks.lost(&format!("spec.{field}"), instead);
        }
    }
    let (strategy, kind) = match (&spec["strategy"]["canary"], &spec["strategy"]["blueGreen"]) {
        (canary, _) if canary.is_object() => (canary, "canary"),
        (_, blue_green) => (blue_green, "blueGreen"),
    };
    let base = format!("spec.strategy.{kind}");
    service(manifest, strategy, &base, all, port, &target, &mut canary_spec, &mut remarks);
    if let Some(provider) = provider(strategy, &base, &mut canary_spec, &mut remarks) {
        canary_spec.insert("provider".into(), provider.into());
    }
    let mut analysis = if kind == "canary" {
        steps::weighted(strategy, &base, &mut remarks)
    } else {
        steps::blue_green(strategy, &base, &mut remarks)
    };
    let templates = analysis::templates(strategy, &base, namespace, all, &mut remarks);
    if !templates.metrics.is_empty() {
        analysis.insert("metrics".into(), templates.metrics.into());
    }
    canary_spec.insert("analysis".into(), analysis.into());
    let mut metadata = json!({"name": name});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    converted.objects.extend(templates.objects);
    converted.objects.push(json!({
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": metadata, "spec": canary_spec}));
}

fn deployment(manifest: &Manifest, spec: &Value) -> Value {
    let mut metadata = Map::new();
    for field in ["name", "namespace", "labels", "annotations"] {
        if let Some(value) = manifest.object["metadata"].get(field) {
            metadata.insert(field.into(), value.clone());
        }
    }
    let mut fields = Map::new();
    for field in OF_DEPLOYMENT {
        if let Some(value) = spec.get(field) {
            fields.insert(field.into(), value.clone());
        }
    }
    let canary = &spec["strategy"]["canary"];
    let mut rolling = Map::new();
    for field in ["maxSurge", "maxUnavailable"] {
        if let Some(value) = canary.get(field) {
            rolling.insert(field.into(), value.clone());
        }
    }
    if !rolling.is_empty() {
        fields.insert("strategy".into(), json!({"type": "RollingUpdate", "rollingUpdate": rolling}));
    }
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": fields})
}

/// The Services of a Rollout are made by the controller; what is needed of them is name and port.
#[allow(clippy::too_many_arguments, reason = "called once, with everything that is known")]
fn service(
    manifest: &Manifest,
    strategy: &Value,
    base: &str,
    all: &[Manifest],
    port: u16,
    target: &str,
    canary: &mut Map<String, Value>,
    remarks: &mut Remarks<'_>,
) {
    let named =
        ["stableService", "activeService"].iter().find_map(|f| Some((*f, strategy.get(*f)?.as_str()?)));
    let found = named.and_then(|(_, name)| {
        all.iter().find(|m| m.is("Service", manifest.text("/metadata/namespace"), name))
    });
    let first = found.and_then(|s| s.object.pointer("/spec/ports/0"));
    let mut service = Map::new();
    if let Some(first) = first {
        service.insert("port".into(), first["port"].clone());
        if let Some(target_port) = first.get("targetPort") {
            service.insert("targetPort".into(), target_port.clone());
        }
    } else {
        service.insert("port".into(), port.into());
        remarks.note(base, &format!("its Services are not in the files, so port {port} is taken (--port)"));
    }
    if let Some((field, name)) = named {
        if name != target {
            service.insert("name".into(), name.into());
        }
        remarks.note(
            &format!("{base}.{field}"),
            &format!("the controller makes {name}, {name}-primary and {name}-canary itself and takes {name} over; clients call {name}"),
        );
    }
    for field in ["canaryService", "previewService"] {
        if let Some(name) = strategy.get(field).and_then(Value::as_str) {
            remarks.lost(
                &format!("{base}.{field}"),
                &format!("{name} is no longer used; delete it after the move"),
            );
        }
    }
    canary.insert("service".into(), service.into());
}

/// The provider that routes as the Rollout was routed.
fn provider(
    strategy: &Value,
    base: &str,
    canary: &mut Map<String, Value>,
    remarks: &mut Remarks<'_>,
) -> Option<String> {
    let Some(routing) = strategy.get("trafficRouting").and_then(Value::as_object) else {
        remarks.note(base, "without trafficRouting pods stand for weights; here a mesh or ingress splits traffic: set spec.provider");
        return None;
    };
    let field = format!("{base}.trafficRouting");
    let mut provider = None;
    for (kind, settings) in routing {
        match kind.as_str() {
            "istio" => {
                provider = Some("istio".to_owned());
                if settings.get("destinationRule").is_some() || settings.get("virtualService").is_some() {
                    remarks.note(
                        &format!("{field}.istio"),
                        "the controller makes a VirtualService named like the Service: move hosts, gateways, match and retries of yours to spec.service",
                    );
                }
            }
            "nginx" => {
                provider = Some("nginx".to_owned());
                if let Some(ingress) = settings.get("stableIngress").and_then(Value::as_str) {
                    canary.insert(
                        "ingressRef".into(),
                        json!({
                        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": ingress}),
                    );
                }
            }
            "smi" => provider = Some("smi:v1alpha2".to_owned()),
            "traefik" => provider = Some("traefik".to_owned()),
            "apisix" => {
                provider = Some("apisix".to_owned());
                if let Some(route) = settings.pointer("/route/name") {
                    canary.insert(
                        "routeRef".into(),
                        json!({
                        "apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "name": route}),
                    );
                }
            }
            "appMesh" => provider = Some("appmesh:v1beta2".to_owned()),
            "plugins" if settings.get("argoproj-labs/gatewayAPI").is_some() => {
                provider = Some("gatewayapi:v1".to_owned());
                remarks.lost(
                    &format!("{field}.plugins"),
                    "name the Gateway in spec.service.gatewayRefs and the hosts in spec.service.hosts",
                );
            }
            "managedRoutes" => remarks.lost(
                &format!("{field}.managedRoutes"),
                "routes by header are spec.analysis.match with iterations",
            ),
            "maxTrafficWeight" => {
                remarks.lost(&format!("{field}.maxTrafficWeight"), "weights are percentages");
            }
            other => remarks
                .lost(&format!("{field}.{other}"), "there is no router for it; see the list of providers"),
        }
    }
    provider
}
