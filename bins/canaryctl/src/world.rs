//! The cluster that is played in: the user's objects, and what they need and do not bring.

use std::collections::BTreeSet;

use anyhow::{anyhow, bail};
use canary_api::{Canary, Options, ValidCanary};
use canary_core::{Bounds, CheckSource, HookKind, Plan};
use canary_metrics::Observer;
use canary_routers::Routers;
use canary_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::manifests::Manifest;
use crate::recording::{model, observer_of, question, squeeze};

/// When the simulated time begins; any moment would do.
const BEGIN: &str = "2026-01-01T00:00:00Z";

/// The cluster and what is played in it.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) canaries: Vec<Subject>,
    /// What the user should know about how his objects were taken.
    pub(crate) remarks: Vec<String>,
    /// What will be asked.
    pub(crate) questions: Vec<Question>,
}

/// A check of a canary, and how its query is recognized.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// `name.namespace` of the canary.
    pub(crate) canary: String,
    pub(crate) name: String,
    pub(crate) bounds: Bounds,
    /// The whole query, of built-in checks.
    pub(crate) exact: Option<String>,
    /// A piece that is the same in every rendering, of the user's own.
    pub(crate) piece: Option<String>,
    /// A duration, answered as that observer does.
    pub(crate) duration_of: Option<&'static Observer>,
}

impl World {
    /// Pieces of the user's own queries, and values that pass their checks.
    pub(crate) fn good_values(&self) -> Vec<(String, f64)> {
        self.questions.iter().filter_map(|q| Some((q.piece.clone()?, good(q.bounds)))).collect()
    }
}

/// A canary that is played.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) plan: Plan,
    /// Resource of its target, as kubectl names it.
    pub(crate) target_resource: &'static str,
}

impl Subject {
    /// `name.namespace`.
    pub(crate) fn label(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    /// Types of its hooks, by name.
    pub(crate) fn hook_kinds(&self) -> impl Iterator<Item = (String, HookKind)> + '_ {
        self.plan.hooks.iter().map(|hook| (hook.name.clone(), hook.kind))
    }
}

/// Puts the objects into a new sandbox.
pub(crate) fn build(manifests: Vec<Manifest>, namespace: &str, mesh_provider: &str) -> anyhow::Result<World> {
    let sandbox = Sandbox::new(BEGIN.parse()?);
    let routers = Routers::default();
    for crd in canary_api::crds() {
        sandbox.put_object(serde_json::to_value(crd)?)?;
    }
    let mut world = World { sandbox, canaries: Vec::new(), remarks: Vec::new(), questions: Vec::new() };
    let mut manifests = manifests;
    for manifest in &mut manifests {
        let metadata = &mut manifest.object["metadata"];
        if metadata.get("namespace").and_then(Value::as_str).is_none_or(str::is_empty) {
            metadata["namespace"] = namespace.into();
        }
    }
    let canaries: Vec<_> = manifests.iter().filter(|m| m.object["kind"] == "Canary").collect();
    if canaries.is_empty() {
        bail!("there is no Canary among the {} objects", manifests.len());
    }
    for manifest in canaries {
        let subject = world.subject(manifest, &routers, mesh_provider, &manifests)?;
        world.canaries.push(subject);
    }
    world.put(&manifests)?;
    Ok(world)
}

impl World {
    /// Says so when no hook of the canaries is one that the script is about.
    pub(crate) fn remark_on(&mut self, scenario: &canary_sandbox::Scenario) {
        let known = |key: &str| {
            self.canaries
                .iter()
                .flat_map(Subject::hook_kinds)
                .any(|(name, kind)| name == key || kind.as_str() == key)
        };
        if !scenario.hooks.is_empty() && !scenario.hooks.keys().any(|key| known(key)) {
            let keys: Vec<_> = scenario.hooks.keys().map(String::as_str).collect();
            self.remarks
                .push(format!("the scenario is about hooks that no canary here has: {}", keys.join(", ")));
        }
    }

    /// Reads a canary and makes up what it refers to and the user did not bring.
    fn subject(
        &mut self,
        manifest: &Manifest,
        routers: &Routers,
        mesh_provider: &str,
        all: &[Manifest],
    ) -> anyhow::Result<Subject> {
        let canary: Canary = serde_json::from_value(manifest.object.clone())?;
        let capabilities = |provider: &str| routers.capabilities(provider);
        let valid =
            ValidCanary::new(&canary, &Options::new(mesh_provider, &capabilities)).map_err(|invalid| {
                let field = invalid.problems.first().map(|p| p.field().to_owned()).unwrap_or_default();
                anyhow!("{}: {invalid}", manifest.place.of_field(&field))
            })?;
        for kind in routers.kinds(&valid.provider)? {
            self.serve(&kind)?;
        }
        let plan = valid.plan();
        let target_resource = match plan.target_kind.as_str() {
            "DaemonSet" => "daemonsets.apps",
            "Service" => "services",
            _ => "deployments.apps",
        };
        let brought = |kind: &str, name: &str| {
            all.iter().any(|m| {
                m.object["kind"] == kind
                    && m.object["metadata"]["name"] == name
                    && m.object["metadata"]["namespace"] == valid.namespace.as_str()
            })
        };
        if !brought(&plan.target_kind, valid.target()) {
            self.make_up(workload(
                &plan.target_kind,
                valid.target(),
                &valid.namespace,
                valid.route(&canary.status()?).port,
            ))?;
        }
        if let Some(autoscaler) = &valid.workload(&canary.status()?).autoscaler
            && autoscaler.kind == "HorizontalPodAutoscaler"
            && !brought(&autoscaler.kind, &autoscaler.name)
        {
            self.make_up(horizontal_autoscaler(&autoscaler.name, &valid))?;
        }
        let subject =
            Subject { name: valid.name.clone(), namespace: valid.namespace.clone(), plan, target_resource };
        self.learn_questions(&valid, &subject, all);
        Ok(subject)
    }

    fn make_up(&mut self, object: Value) -> anyhow::Result<()> {
        self.remarks.push(format!(
            "{} {} is not in the files and was made up",
            object["kind"].as_str().unwrap_or_default(),
            object["metadata"]["name"].as_str().unwrap_or_default()
        ));
        self.sandbox.put_object(object)?;
        Ok(())
    }

    /// Serves a kind of a mesh, without a schema.
    fn serve(&self, kind: &canary_routers::kube::core::ApiResource) -> anyhow::Result<()> {
        if self
            .sandbox
            .get(
                "customresourcedefinitions.apiextensions.k8s.io",
                "",
                &format!("{}.{}", kind.plural, kind.group),
            )
            .is_some()
        {
            return Ok(());
        }
        if kind.group.is_empty()
            || kind.group == "apps"
            || kind.group.ends_with(".k8s.io") && kind.group != "gateway.networking.k8s.io"
        {
            return Ok(()); // built in
        }
        self.sandbox.put_object(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{}.{}", kind.plural, kind.group)},
            "spec": {
                "group": kind.group, "scope": "Namespaced",
                "names": {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.to_lowercase(),
                          "listKind": format!("{}List", kind.kind)},
                "versions": [{"name": kind.version, "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
            },
        }))?;
        Ok(())
    }

    /// Puts the user's objects; kinds that the sandbox does not know are named once.
    fn put(&mut self, manifests: &[Manifest]) -> anyhow::Result<()> {
        let mut ignored = BTreeSet::new();
        // Canaries last: what they refer to is there when they are seen.
        let (canaries, others): (Vec<_>, Vec<_>) =
            manifests.iter().partition(|m| m.object["kind"] == "Canary");
        for manifest in others.into_iter().chain(canaries) {
            match self.sandbox.put_object(manifest.object.clone()) {
                Ok(_) => {}
                Err(canary_sandbox::WriteError::UnknownKind { kind, .. }) => drop(ignored.insert(kind)),
                Err(refused) => {
                    bail!("{}: {refused}", manifest.place.of_field("metadata"));
                }
            }
        }
        if !ignored.is_empty() {
            let kinds: Vec<_> = ignored.into_iter().collect();
            self.remarks.push(format!("objects of these kinds play no part here: {}", kinds.join(", ")));
        }
        Ok(())
    }

    /// Finds out which queries the checks of a canary will be.
    fn learn_questions(&mut self, valid: &ValidCanary, subject: &Subject, all: &[Manifest]) {
        let specs = valid.metric_specs();
        let own_provider = valid.spec.provider.as_deref().unwrap_or_default();
        let observer = observer_of(subject, &valid.mesh_provider, own_provider);
        for check in &subject.plan.checks {
            let Some(spec) = specs.get(check.index) else { continue };
            let template = spec.template.as_ref().and_then(|(namespace, name)| {
                let found = all.iter().find(|m| {
                    m.object["kind"] == "MetricTemplate"
                        && m.object["metadata"]["name"] == name.as_str()
                        && m.object["metadata"]["namespace"] == namespace.as_str()
                })?;
                found.object.pointer("/spec/query")?.as_str()
            });
            let mut asked = question(&subject.label(), &check.name, check.bounds);
            let model = model(&valid.query_model(), spec.interval.as_deref());
            match check.source {
                CheckSource::SuccessRate => {
                    asked.exact = observer.success_rate(&model).ok().map(|q| squeeze(&q));
                }
                CheckSource::Duration => {
                    asked.exact = observer.duration(&model).ok().map(|q| squeeze(&q));
                    asked.duration_of = Some(observer);
                }
                CheckSource::Inline => asked.piece = spec.query.as_deref().and_then(longest_piece),
                CheckSource::Template => asked.piece = template.and_then(longest_piece),
                CheckSource::Nothing => {}
            }
            self.questions.push(asked);
        }
    }
}

/// The longest text of a query template that is the same in every rendering.
fn longest_piece(template: &str) -> Option<String> {
    squeeze(template)
        .split("{{")
        .map(|part| part.rsplit("}}").next().unwrap_or_default().trim().to_owned())
        .max_by_key(String::len)
        .filter(|piece| !piece.is_empty())
}

/// A value within bounds.
fn good(bounds: Bounds) -> f64 {
    match (bounds.min, bounds.max) {
        (Some(min), Some(max)) => f64::midpoint(min, max),
        (Some(min), None) => min,
        (None, Some(max)) => max - max.abs() / 2.0,
        (None, None) => 1.0,
    }
}

fn workload(kind: &str, name: &str, namespace: &str, port: i32) -> Value {
    if kind == "Service" {
        return json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
                      "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": port}]}});
    }
    let template = json!({
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": name, "image": format!("{name}:1.0.0"), "ports": [{"name": "http", "containerPort": port}]}]},
    });
    let mut spec = json!({"selector": {"matchLabels": {"app": name}}, "template": template});
    if kind == "Deployment" {
        spec["replicas"] = 2.into();
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

fn horizontal_autoscaler(name: &str, valid: &ValidCanary) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": valid.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": valid.target()},
            "minReplicas": 2, "maxReplicas": 4,
            "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 90}}}],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_value_is_within_its_bounds() {
        for (min, max) in
            [(Some(1.0), Some(10.0)), (Some(99.0), None), (None, Some(5.0)), (None, Some(-5.0)), (None, None)]
        {
            let bounds = Bounds { min, max };
            assert_eq!(bounds.violation(good(bounds)), None, "{bounds:?}");
        }
    }

    #[test]
    fn the_longest_fixed_piece_of_a_template_identifies_its_query() {
        let piece = longest_piece("100 - sum(\n  rate(errors{ns=\"{{ namespace }}\"}[{{ interval }}]))");
        assert_eq!(piece.as_deref(), Some("100 - sum( rate(errors{ns=\""));
    }
}
