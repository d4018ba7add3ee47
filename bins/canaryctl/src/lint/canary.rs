//! What is wrong with a Canary: first its fields, then what it refers to, then whether it makes sense.

use anyhow::Context;
use canary_api::{Canary, FieldProblem, Options, ValidCanary};
use canary_routers::Routers;

use super::{Findings, Level, sense};
use crate::manifests::Manifest;

pub(super) fn check(
    manifest: &Manifest,
    all: &[Manifest],
    mesh_provider: &str,
    findings: &mut Findings<'_>,
) -> anyhow::Result<()> {
    let canary: Canary =
        serde_json::from_value(manifest.object.clone()).with_context(|| manifest.place.of("metadata"))?;
    let routers = Routers::default();
    let capabilities = |provider: &str| routers.capabilities(provider);
    match ValidCanary::new(&canary, &Options::new(mesh_provider, &capabilities)) {
        Ok(valid) => {
            references(&valid, all, findings);
            sense::check(&valid, findings);
        }
        Err(invalid) => {
            for problem in &invalid.problems {
                let mend = match problem {
                    FieldProblem::Value { expected, .. } => format!("write {expected}"),
                    FieldProblem::Conflict { .. } | _ => {
                        "change one of the fields that do not go together".into()
                    }
                };
                findings.add(Level::Error, "invalid-field", problem.field(), problem.to_string(), mend);
            }
        }
    }
    Ok(())
}

/// Objects that are named and are not in the files. They may be in the cluster.
fn references(valid: &ValidCanary, all: &[Manifest], findings: &mut Findings<'_>) {
    let is_there = |kind: &str, namespace: &str, name: &str| all.iter().any(|m| m.is(kind, namespace, name));
    let mut missing = |kind: &str, (namespace, name): (String, String), field: String, harm: &str| {
        if !is_there(kind, &namespace, &name) {
            let text = format!("{kind} {name} of namespace {namespace} is not in the files");
            let mend = format!("add it, or make sure that the cluster has it: without it {harm}");
            findings.add(Level::Warning, "missing-object", &field, text, mend);
        }
    };
    for (n, spec) in valid.metric_specs().iter().enumerate() {
        if let Some(template) = spec.template.clone() {
            let field = format!("spec.analysis.metrics[{n}].templateRef.name");
            missing("MetricTemplate", template, field, "the check fails at every step");
        }
    }
    for (n, alert) in valid.spec.analysis.alerts.iter().enumerate() {
        let provider = alert.provider_ref.resolve(&valid.namespace);
        let field = format!("spec.analysis.alerts[{n}].providerRef.name");
        missing("AlertProvider", provider, field, "nobody is alerted");
    }
}
