//! The cluster that is played in: the user's objects, and what they need and do not bring.

use std::collections::BTreeSet;

use anyhow::{Context, anyhow, bail};
use canary_api::{Canary, Options, TargetKind, ValidCanary};
use canary_core::{Plan, RouteSpec, Strategy};
use canary_routers::Routers;
use canary_sandbox::{Sandbox, Scenario, WriteError};
use jiff::Timestamp;
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

use crate::manifests::Manifest;
use crate::questions::Question;
use crate::{fields, made_up, questions};

/// When the simulated time begins; any moment would do.
const BEGIN: &str = "2026-01-01T00:00:00Z";

/// The cluster and what is played in it.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    begin: Timestamp,
    pub(crate) canaries: Vec<Subject>,
    /// What the user should know about how his objects were taken.
    pub(crate) remarks: Vec<String>,
    /// What will be asked.
    pub(crate) questions: Vec<Question>,
}

/// A canary that is played.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) plan: Plan,
    pub(crate) route: RouteSpec,
    /// Resource of its target, as kubectl names it.
    pub(crate) target_resource: &'static str,
}

impl Subject {
    /// `name.namespace`.
    pub(crate) fn label(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    /// How many iterations it counts, at least 1; none if it moves weights.
    pub(crate) fn iterations(&self) -> Option<i64> {
        match self.plan.strategy {
            Strategy::AbTesting { iterations } | Strategy::BlueGreen { iterations } => {
                Some(i64::from(iterations).max(1))
            }
            Strategy::Weighted(_) => None,
        }
    }
}

/// Puts the objects into a new sandbox.
pub(crate) fn build(
    mut manifests: Vec<Manifest>,
    namespace: &str,
    mesh_provider: &str,
) -> anyhow::Result<World> {
    let begin = BEGIN.parse()?;
    let sandbox = Sandbox::new(begin);
    for crd in canary_api::crds() {
        sandbox.put_object(serde_json::to_value(crd)?)?;
    }
    for manifest in &mut manifests {
        if manifest.text("/metadata/namespace").is_empty() {
            manifest.object["metadata"]["namespace"] = namespace.into();
        }
    }
    let is_canary =
        |m: &Manifest| m.text("/kind") == "Canary" && m.text("/apiVersion").starts_with("flagger.app/");
    // Canaries last: what they refer to is there when they are seen.
    manifests.sort_by_key(is_canary);
    let remarks = fields::unknown(&manifests)?;
    let mut world = World { sandbox, begin, canaries: Vec::new(), remarks, questions: Vec::new() };
    for manifest in manifests.iter().filter(|m| is_canary(m)) {
        world.add_canary(manifest, mesh_provider, &manifests)?;
    }
    if world.canaries.is_empty() {
        bail!("there is no Canary of flagger.app among the objects ({})", manifests.len());
    }
    world.put(&manifests)?;
    Ok(world)
}

impl World {
    /// When the simulation begins.
    pub(crate) fn begin(&self) -> Timestamp {
        self.begin
    }

    /// Says so when the script is about something that no canary here has.
    pub(crate) fn remark_on(&mut self, scenario: &Scenario) {
        let is_hook = |key: &str| {
            let mut hooks = self.canaries.iter().flat_map(|c| &c.plan.hooks);
            hooks.any(|hook| hook.name == key || hook.kind.as_str() == key)
        };
        let is_metric = |key: &str| key == "*" || self.questions.iter().any(|q| q.is_called(key));
        let hooks: Vec<_> = scenario.hooks.keys().map(String::as_str).collect();
        let metrics: Vec<_> = scenario.metrics.keys().map(String::as_str).collect();
        let mut missing = Vec::new();
        if !hooks.is_empty() && !hooks.iter().any(|key| is_hook(key)) {
            missing.push(("hooks", hooks));
        }
        if !metrics.is_empty() && !metrics.iter().any(|key| is_metric(key)) {
            missing.push(("metrics", metrics));
        }
        for (what, keys) in missing {
            self.remarks.push(format!(
                "the scenario is about {what} that no canary here has, so they change nothing: {}",
                keys.join(", ")
            ));
        }
    }

    /// Reads a canary and makes up what it refers to and the user did not bring.
    fn add_canary(
        &mut self,
        manifest: &Manifest,
        mesh_provider: &str,
        all: &[Manifest],
    ) -> anyhow::Result<()> {
        let canary: Canary =
            serde_json::from_value(manifest.object.clone()).with_context(|| manifest.place.of("spec"))?;
        let routers = Routers::default();
        let capabilities = |provider: &str| routers.capabilities(provider);
        let valid =
            ValidCanary::new(&canary, &Options::new(mesh_provider, &capabilities)).map_err(|invalid| {
                let field = invalid.problems.first().map(|p| p.field().to_owned()).unwrap_or_default();
                anyhow!("{}: {invalid}", manifest.place.of(&field))
            })?;
        for kind in routers.kinds(&valid.provider)? {
            self.serve(&kind);
        }
        let target_resource = match valid.target_kind {
            TargetKind::DaemonSet => "daemonsets.apps",
            TargetKind::Service => "services",
            TargetKind::Knative => {
                let service = GroupVersionKind::gvk("serving.knative.dev", "v1", "Service");
                self.serve(&ApiResource::from_gvk_with_plural(&service, "services"));
                "services.serving.knative.dev"
            }
            TargetKind::Deployment | _ => "deployments.apps",
        };
        let (plan, status) = (valid.plan(), canary.status()?);
        let route = valid.route(&status);
        let is_there = |kind: &str, name: &str| all.iter().any(|m| m.is(kind, &valid.namespace, name));
        if !is_there(&plan.target_kind, valid.target()) {
            self.make_up(made_up::target(&valid, route.port))?;
        }
        if let Some(autoscaler) = &valid.workload(&status).autoscaler
            && autoscaler.kind == "HorizontalPodAutoscaler"
            && !is_there(&autoscaler.kind, &autoscaler.name)
        {
            self.make_up(made_up::horizontal_autoscaler(&autoscaler.name, &valid))?;
        }
        self.questions.extend(questions::of(&valid, &plan, all));
        let (name, namespace) = (valid.name.clone(), valid.namespace.clone());
        self.canaries.push(Subject { name, namespace, plan, route, target_resource });
        Ok(())
    }

    fn make_up(&mut self, object: Value) -> anyhow::Result<()> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (resource, name) = (text("/kind"), text("/metadata/name"));
        self.remarks.push(format!("{resource} {name} is not in the files and was made up"));
        self.sandbox.put_object(object)?;
        Ok(())
    }

    /// Serves a kind of a mesh. Of all kinds that routers write, those of Kuma have no namespace.
    fn serve(&self, kind: &ApiResource) {
        self.sandbox.serve(kind, kind.group != "kuma.io");
    }

    /// Puts the user's objects; kinds that the sandbox does not know are named once.
    fn put(&mut self, manifests: &[Manifest]) -> anyhow::Result<()> {
        let mut ignored = BTreeSet::new();
        for manifest in manifests {
            match self.sandbox.put_object(manifest.object.clone()) {
                Ok(_) => {}
                Err(WriteError::UnknownKind { kind, .. }) => drop(ignored.insert(kind)),
                Err(refused) => {
                    let refused = refused.to_string();
                    bail!("{}: {refused}", manifest.place.of(refused_field(&refused)));
                }
            }
        }
        if !ignored.is_empty() {
            let kinds: Vec<_> = ignored.into_iter().collect();
            self.remarks.push(format!("objects of these kinds play no part here: {}", kinds.join(", ")));
        }
        Ok(())
    }
}

/// The first field that an API server complains of.
fn refused_field(message: &str) -> &str {
    let causes = message.split_once(" is invalid: ").map_or("", |(_, causes)| causes.trim_start_matches('['));
    causes.split_once(": ").map_or("metadata.name", |(field, _)| field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_about_its_first_field() {
        for (message, field) in [
            (r#"Canary.flagger.app "a" is invalid: spec.a[1].b: Invalid value: "x": no"#, "spec.a[1].b"),
            (r#"Deployment.apps "a" is invalid: [spec.a: Required value, spec.b: Required value]"#, "spec.a"),
            ("namespaces \"x\" not found", "metadata.name"),
        ] {
            assert_eq!(refused_field(message), field);
        }
    }
}
