//! Fifty rollouts, and how each has to end.

use serde_json::{Value, json};

/// How many there are.
pub(crate) const SIZE: usize = 50;

/// How a revision comes to its users.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Steps,
    PromotedInSteps,
    Mirrored,
    Chosen,
    BlueGreen,
    Unanalysed,
}

/// Why a revision must not be promoted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    Hook,
    Metric,
}

/// One canary.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) replicas: usize,
}

/// Addresses of hooks that agree and that do not.
pub(crate) struct Hooks {
    pub(crate) agreeing: String,
    pub(crate) refusing: String,
}

/// All of them: every shape, and of those that are analysed two in five with a flaw.
pub(crate) fn members() -> Vec<Member> {
    const SHAPES: [Shape; 6] = [
        Shape::Steps,
        Shape::PromotedInSteps,
        Shape::Mirrored,
        Shape::Chosen,
        Shape::BlueGreen,
        Shape::Unanalysed,
    ];
    let member = |n: usize| {
        let shape = SHAPES[n % SHAPES.len()];
        let flaw = match (shape, n % 5) {
            (Shape::Unanalysed, _) => None,
            (_, 1) => Some(Flaw::Hook),
            (_, 3) => Some(Flaw::Metric),
            _ => None,
        };
        Member { name: format!("app{n:02}"), shape, flaw, replicas: 1 + n % 3 }
    };
    (0..SIZE).map(member).collect()
}

impl Member {
    /// The name of its primary.
    pub(crate) fn primary(&self) -> String {
        format!("{}-primary", self.name)
    }

    /// Whether its traffic is steered by a route, and not by the Service alone.
    pub(crate) fn is_routed(&self) -> bool {
        self.shape != Shape::BlueGreen
    }

    /// Most that the canary may get before it is promoted.
    pub(crate) fn most(&self) -> u64 {
        match self.shape {
            Shape::Steps | Shape::PromotedInSteps | Shape::Mirrored => 50,
            Shape::Chosen | Shape::BlueGreen | Shape::Unanalysed => 100,
        }
    }

    /// The phase that it has to end in.
    pub(crate) fn end(&self) -> &'static str {
        if self.flaw.is_some() { "Failed" } else { "Succeeded" }
    }

    /// What its primary has to run in the end.
    pub(crate) fn image(&self) -> &'static str {
        if self.flaw.is_some() { "podinfo:1" } else { "podinfo:2" }
    }

    fn analysis(&self, hooks: &Hooks) -> Value {
        let hook = |url: &String| json!({"name": "checked", "type": "rollout", "url": url, "timeout": "5s"});
        let agreed = if self.flaw == Some(Flaw::Hook) { &hooks.refusing } else { &hooks.agreeing };
        let range = if self.flaw == Some(Flaw::Metric) { json!({"max": 50}) } else { json!({"min": 50}) };
        let mut analysis = json!({
            "interval": "10s", "threshold": if self.flaw.is_some() { 1 } else { 5 },
            "webhooks": [hook(agreed)],
            "metrics": [{"name": "answered", "interval": "1m", "query": "sum(requests)", "thresholdRange": range}],
        });
        let steps = match self.shape {
            Shape::Steps => json!({"maxWeight": 50, "stepWeight": 25}),
            Shape::PromotedInSteps => json!({"maxWeight": 50, "stepWeight": 50, "stepWeightPromotion": 50}),
            Shape::Mirrored => json!({"maxWeight": 50, "stepWeight": 50, "mirror": true}),
            Shape::Chosen => json!({"iterations": 2,
                "match": [{"headers": {"x-canary": {"exact": "insider"}}}]}),
            Shape::BlueGreen | Shape::Unanalysed => json!({"iterations": 2}),
        };
        if let (Some(all), Some(steps)) = (analysis.as_object_mut(), steps.as_object()) {
            all.extend(steps.clone());
        }
        analysis
    }

    /// Its objects: a config, the workload that reads it, the canary.
    pub(crate) fn objects(&self, hooks: &Hooks) -> [Value; 3] {
        let name = &self.name;
        let provider = if self.is_routed() { "istio" } else { "kubernetes" };
        [
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"color": "podinfo:1"}}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
                "spec": {"replicas": self.replicas, "selector": {"matchLabels": {"app": name}}, "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "podinfod", "image": "podinfo:1",
                        "ports": [{"containerPort": 9898}], "envFrom": [{"configMapRef": {"name": name}}]}]}}}}),
            json!({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": name}, "spec": {
                "provider": provider, "skipAnalysis": self.shape == Shape::Unanalysed,
                "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "service": {"port": 80, "targetPort": 9898},
                "analysis": self.analysis(hooks)}}),
        ]
    }

    /// The next revision: an image, with the config that it needs.
    pub(crate) fn revision() -> [(&'static str, Value); 2] {
        [
            ("ConfigMap", json!({"data": {"color": "podinfo:2"}})),
            (
                "Deployment",
                json!({"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": "podinfo:2"}]}}}}),
            ),
        ]
    }
}
