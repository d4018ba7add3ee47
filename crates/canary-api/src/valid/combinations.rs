//! What no schema can say: fields that do not go together. The sentences are Flagger's.

use super::plan::hook_kind;
use crate::options::Options;
use crate::problem::FieldProblem;
use crate::spec::CanarySpec;
use crate::target_kind::TargetKind;

pub(super) fn problems(
    spec: &CanarySpec,
    kind: Option<TargetKind>,
    namespace: &str,
    options: &Options<'_>,
) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if options.no_cross_namespace_refs {
        problems.extend(foreign_references(spec, namespace));
    }
    problems.extend(knative(spec, kind));
    problems.extend(cookies(spec));
    problems.extend(addresses(spec));
    problems
}

/// Without a port the API server would refuse the Services at every tick.
pub(super) fn port(spec: &CanarySpec, kind: Option<TargetKind>) -> Option<FieldProblem> {
    if !kind?.has_generated_services() {
        return None;
    }
    let value = match &spec.service {
        None => "missing".into(),
        Some(service) if (1..=65535).contains(&service.port) => return None,
        Some(service) => service.port.to_string(),
    };
    Some(FieldProblem::Value {
        field: "spec.service.port".into(),
        value,
        expected: "a port number between 1 and 65535".into(),
    })
}

fn foreign_references(spec: &CanarySpec, home: &str) -> Vec<FieldProblem> {
    let refused = |field: String, what: &str, name: &str, namespace: &Option<String>| {
        let namespace = namespace.as_deref().filter(|n| *n != home)?;
        let text = format!("can't access {what} {name}.{namespace}, cross-namespace references are blocked");
        Some(FieldProblem::Conflict { field, text })
    };
    let upstream = spec
        .upstream_ref
        .iter()
        .filter_map(|r| refused("spec.upstreamRef.namespace".into(), "gloo upstream", &r.name, &r.namespace));
    let templates = spec.analysis.metrics.iter().enumerate().filter_map(|(i, metric)| {
        let template = metric.template_ref.as_ref()?;
        let field = format!("spec.analysis.metrics[{i}].templateRef.namespace");
        refused(field, "metric template", &template.name, &template.namespace)
    });
    let providers = spec.analysis.alerts.iter().enumerate().filter_map(|(i, alert)| {
        let field = format!("spec.analysis.alerts[{i}].providerRef.namespace");
        refused(field, "alert provider", &alert.provider_ref.name, &alert.provider_ref.namespace)
    });
    upstream.chain(templates).chain(providers).collect()
}

/// Flagger looks at the canary's own provider only: with the flag set to knative a Knative target is refused all the same.
fn knative(spec: &CanarySpec, kind: Option<TargetKind>) -> Vec<FieldProblem> {
    let conflict = |field: &str, text: String| FieldProblem::Conflict { field: field.into(), text };
    let provider = spec.provider.as_deref().unwrap_or_default();
    let target = &spec.target_ref;
    let is_knative = kind == Some(TargetKind::Knative);
    let mut problems = Vec::new();
    if is_knative && provider != "knative" {
        problems.push(conflict(
            "spec.provider",
            format!("can't use {provider} provider with Knative Service as target"),
        ));
    }
    if kind.is_some() && !is_knative && provider == "knative" {
        let text = format!(
            "can't use {}/{} as target if provider is set to knative",
            target.api_version, target.kind
        );
        problems.push(conflict("spec.targetRef", text));
    }
    if is_knative && spec.autoscaler_ref.is_some() {
        problems.push(conflict("spec.autoscalerRef", "can't use autoscaler with Knative Service".into()));
    }
    problems
}

/// Only a gate can do without an address: a person answers in its place.
fn addresses(spec: &CanarySpec) -> impl Iterator<Item = FieldProblem> {
    let hooks = spec.analysis.webhooks.iter().enumerate();
    let lost = hooks.filter(|(_, hook)| hook.url.is_empty() && !hook_kind(&hook.kind).is_gate());
    lost.map(|(i, _)| FieldProblem::Value {
        field: format!("spec.analysis.webhooks[{i}].url"),
        value: "missing".into(),
        expected: "an address to POST to (only gates can do without: confirm-rollout, confirm-traffic-increase, confirm-promotion)".into(),
    })
}

fn cookies(spec: &CanarySpec) -> Option<FieldProblem> {
    let affinity = spec.analysis.session_affinity.as_ref()?;
    let same = affinity.primary_cookie_name.as_ref() == Some(&affinity.cookie_name);
    same.then(|| FieldProblem::Conflict {
        field: "spec.analysis.sessionAffinity.primaryCookieName".into(),
        text: "can't use the same cookie name for both primary and cookie name; please update them to be different"
            .into(),
    })
}
