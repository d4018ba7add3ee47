//! What is released, and how: drawn from the seed.

use std::cell::OnceCell;

use canary_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::dice::Dice;

pub(crate) const NAMESPACE: &str = "test";
pub(crate) const NAME: &str = "podinfo";
pub(crate) const PRIMARY: &str = "podinfo-primary";
pub(crate) const CANARIES: &str = "canaries.flagger.app";
pub(crate) const DEPLOYMENTS: &str = "deployments.apps";
pub(crate) const REPLICA_SETS: &str = "replicasets.apps";
pub(crate) const AUTOSCALERS: &str = "horizontalpodautoscalers.autoscaling";
pub(crate) const VIRTUAL_SERVICES: &str = "virtualservices.networking.istio.io";
pub(crate) const HTTP_ROUTES: &str = "httproutes.gateway.networking.k8s.io";

/// How traffic moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Weighted,
    Listed,
    Mirror,
    AbTesting,
    BlueGreen,
    BlueGreenMirror,
    Skip,
}

/// Where it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mesh {
    Istio,
    Gateway,
    Kubernetes,
}

impl Mesh {
    fn provider(self) -> &'static str {
        match self {
            Self::Istio => "istio",
            Self::Gateway => "gatewayapi:v1",
            Self::Kubernetes => "kubernetes",
        }
    }

    /// The kind that has the weights, if any has.
    pub(crate) fn routes(self) -> Option<&'static str> {
        match self {
            Self::Istio => Some(VIRTUAL_SERVICES),
            Self::Gateway => Some(HTTP_ROUTES),
            Self::Kubernetes => None,
        }
    }
}

/// One setting.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "switches, read by name")]
pub(crate) struct Setting {
    pub(crate) way: Way,
    pub(crate) mesh: Mesh,
    pub(crate) autoscaler: bool,
    pub(crate) configs: bool,
    gates: Vec<&'static str>,
    threshold: u64,
    back: u64,
    revert: bool,
    affinity: bool,
    /// After all trouble is over, the new revision still has errors.
    pub(crate) bad_release: bool,
}

impl Setting {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let mesh = dice.pick(&[Mesh::Istio, Mesh::Istio, Mesh::Istio, Mesh::Gateway, Mesh::Kubernetes]);
        let ways = [
            Way::Weighted,
            Way::Weighted,
            Way::Listed,
            Way::Mirror,
            Way::AbTesting,
            Way::BlueGreen,
            Way::BlueGreenMirror,
            Way::Skip,
        ];
        let mut way = dice.pick(&ways);
        if mesh == Mesh::Kubernetes && way != Way::Skip {
            way = Way::BlueGreen;
        }
        let all = [
            "confirm-rollout",
            "pre-rollout",
            "rollout",
            "confirm-traffic-increase",
            "confirm-promotion",
            "post-rollout",
            "rollback",
        ];
        let gates = all.into_iter().filter(|_| dice.one_in(4)).collect();
        Self {
            way,
            mesh,
            autoscaler: dice.one_in(2),
            configs: dice.one_in(3),
            gates,
            threshold: dice.between(1, 3),
            back: if dice.one_in(3) { 40 } else { 0 },
            revert: dice.one_in(5),
            affinity: mesh == Mesh::Istio && way == Way::Weighted && dice.one_in(4),
            bad_release: dice.one_in(4),
        }
    }

    /// Whether a mesh object splits traffic.
    pub(crate) fn is_routed(&self) -> bool {
        self.mesh.routes().is_some()
    }

    /// The most that the canary may get before it is promoted.
    pub(crate) fn max_weight(canary: &Value) -> i64 {
        let analysis = &canary["spec"]["analysis"];
        if analysis["iterations"].as_i64().unwrap_or(0) > 0 {
            return 100;
        }
        let listed = analysis["stepWeights"].as_array().and_then(|l| l.last()).and_then(Value::as_i64);
        listed.or_else(|| analysis["maxWeight"].as_i64()).unwrap_or(100)
    }

    /// A cluster with everything but the controller.
    pub(crate) fn cluster(&self) -> anyhow::Result<Sandbox> {
        let sandbox = prototype()?.fork();
        sandbox.put_object(self.deployment())?;
        if self.autoscaler {
            sandbox.put_object(autoscaler())?;
        }
        if self.configs {
            sandbox.put_object(config("podinfo-config", "1"))?;
        }
        for object in bystanders() {
            sandbox.put_object(object)?;
        }
        sandbox.put_object(self.canary())?;
        Ok(sandbox)
    }

    fn deployment(&self) -> Value {
        let mut container = json!({
            "name": "podinfod", "image": "podinfo:0", "ports": [{"name": "http", "containerPort": 9898}],
        });
        if self.configs {
            container["envFrom"] = json!([{"configMapRef": {"name": "podinfo-config"}}]);
        }
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {"app": NAME}},
            "spec": {
                "replicas": 2, "minReadySeconds": 1, "progressDeadlineSeconds": 60,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
                "selector": {"matchLabels": {"app": NAME}},
                "template": {"metadata": {"labels": {"app": NAME}}, "spec": {"containers": [container]}},
            },
        })
    }

    /// The Canary as the user applies it.
    pub(crate) fn canary(&self) -> Value {
        let webhooks: Vec<Value> =
            self.gates.iter().map(|g| json!({"name": g, "type": g, "url": "http://hooks/"})).collect();
        let mut analysis = json!({
            "interval": "10s", "threshold": self.threshold, "webhooks": webhooks,
            "metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"}],
        });
        let add = |analysis: &mut Value, more: Value| {
            if let (Some(all), Value::Object(more)) = (analysis.as_object_mut(), more) {
                all.extend(more);
            }
        };
        let ways = match self.way {
            Way::Weighted => json!({"stepWeight": 30, "maxWeight": 50}),
            Way::Listed => json!({"stepWeights": [5, 40, 70]}),
            Way::Mirror => json!({"stepWeight": 50, "maxWeight": 50, "mirror": true}),
            Way::AbTesting => {
                json!({"iterations": 2, "match": [{"headers": {"x-canary": {"exact": "insider"}}}]})
            }
            Way::BlueGreen => json!({"iterations": 2}),
            Way::BlueGreenMirror => json!({"iterations": 2, "mirror": true}),
            Way::Skip => json!({"stepWeight": 50, "maxWeight": 50}),
        };
        add(&mut analysis, ways);
        if self.back > 0 {
            add(&mut analysis, json!({"stepWeightPromotion": self.back}));
        }
        if self.affinity {
            add(&mut analysis, json!({"sessionAffinity": {"cookieName": "canary"}}));
        }
        let mut canary = json!({
            "apiVersion": "flagger.app/v1beta1", "kind": "Canary",
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {
                "provider": self.mesh.provider(), "progressDeadlineSeconds": 60,
                "skipAnalysis": self.way == Way::Skip, "revertOnDeletion": self.revert,
                "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
                "service": {
                    "port": 80, "targetPort": 9898,
                    "gateways": ["public"], "hosts": ["podinfo.example"],
                    "gatewayRefs": [{"name": "public", "namespace": "infra"}],
                },
                "analysis": analysis,
            },
        });
        if self.autoscaler {
            canary["spec"]["autoscalerRef"] =
                json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": NAME});
        }
        canary
    }
}

thread_local! {
    /// Definitions are read once a thread.
    static PROTOTYPE: OnceCell<Sandbox> = const { OnceCell::new() };
}

/// A cluster in which all kinds are served and that is empty else.
fn prototype() -> anyhow::Result<Sandbox> {
    PROTOTYPE.with(|known| {
        if let Some(sandbox) = known.get() {
            return Ok(sandbox.clone());
        }
        let sandbox = Sandbox::new("2026-01-01T00:00:00Z".parse()?);
        for crd in canary_api::crds() {
            sandbox.put_object(serde_json::to_value(crd)?)?;
        }
        for (group, version, kind, plural) in [
            ("networking.istio.io", "v1beta1", "VirtualService", "virtualservices"),
            ("networking.istio.io", "v1beta1", "DestinationRule", "destinationrules"),
            ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
        ] {
            sandbox.put_object(definition(group, version, kind, plural))?;
        }
        Ok(known.get_or_init(|| sandbox).clone())
    })
}

fn autoscaler() -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "minReplicas": 2, "maxReplicas": 4,
            "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 99}}}],
        },
    })
}

/// A `ConfigMap` with that content.
pub(crate) fn config(name: &str, content: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE},
           "data": {"level": content}})
}

/// Objects of the user's that are none of our business, with names like ours.
pub(crate) fn bystanders() -> Vec<Value> {
    let labels = json!({"app": "other-primary"});
    vec![
        config("other-primary", "mine"),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other-canary", "namespace": NAMESPACE},
               "spec": {"selector": labels, "ports": [{"port": 80}]}}),
        json!({"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
               "metadata": {"name": "other", "namespace": NAMESPACE},
               "spec": {"hosts": ["other"], "http": [{"route": [{"destination": {"host": "other-canary"}}]}]}}),
    ]
}

/// A definition without a schema.
fn definition(group: &str, version: &str, kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}
