//! The spans of a call, for traces: what it looked at, asked, did and wrote, and how long each took.
//!
//! They are of a level and a target that nothing but an exporter of traces enables, and cost nothing where there is none. They
//! hold names and outcomes, never queries, addresses, answers or texts of errors, which may have secrets in them.

use canary_core::{Decision, Effect, Phase, Plan, Question, Status};
use tracing::{Span, field, trace_span};

use crate::subject::Subject;

/// The target of every span of a tick: what an exporter of traces lets through.
pub const SPAN_TARGET: &str = "canaryd::spans";

/// The whole call. Whether it is a tick turns out in its middle.
pub(crate) fn call(subject: &Subject) -> Span {
    let (plan, status): (&Plan, &Status) = (&subject.plan, &subject.status);
    trace_span!(
        target: SPAN_TARGET,
        "look",
        k8s.namespace.name = plan.namespace,
        canary.name = plan.name,
        canary.provider = plan.provider,
        canary.phase = status.phase.as_str(),
        canary.phase.next = field::Empty,
        canary.tick = field::Empty,
        otel.status_code = field::Empty,
    )
}

/// Notes on the span of the call what was decided.
pub(crate) fn decided(decision: &Decision) {
    Span::current().record("canary.tick", decision.tick);
    if let canary_core::Commit::Status(status) = &decision.commit {
        Span::current().record("canary.phase.next", status.phase.as_str());
    }
}

/// Reading the world from the caches.
pub(crate) fn observe() -> Span {
    trace_span!(target: SPAN_TARGET, "observe", otel.status_code = field::Empty)
}

/// One hook, metric or probe.
pub(crate) fn question(plan: &Plan, question: &Question) -> Span {
    let check = |id: &canary_core::MetricId| plan.checks.get(id.0).map_or("", |c| c.name.as_str());
    let (kind, name) = match question {
        Question::Hook { id, .. } => ("hook", plan.hooks.get(id.0).map_or("", |h| h.name.as_str())),
        Question::Metric(id) => ("metric", check(id)),
        Question::Online(id) => ("probe", check(id)),
    };
    trace_span!(
        target: SPAN_TARGET,
        "question",
        otel.name = kind,
        otel.kind = "client",
        question.name = name,
        question.outcome = field::Empty,
        otel.status_code = field::Empty,
    )
}

/// Notes what became of the present question.
pub(crate) fn answered(span: &Span, outcome: &str) {
    span.record("question.outcome", outcome);
    if outcome == "failed" {
        failed(span);
    }
}

/// One wish that is made true.
pub(crate) fn effect(effect: &Effect) -> Span {
    trace_span!(
        target: SPAN_TARGET,
        "effect",
        otel.name = name(effect),
        error.type = field::Empty,
        otel.status_code = field::Empty,
    )
}

/// The write of the status.
pub(crate) fn commit(phase: Phase) -> Span {
    trace_span!(
        target: SPAN_TARGET,
        "commit",
        canary.phase = phase.as_str(),
        error.type = field::Empty,
        otel.status_code = field::Empty,
    )
}

/// Marks a span as failed by an error of that category.
pub(crate) fn failed_by(span: &Span, category: &str) {
    span.record("error.type", category);
    failed(span);
}

fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

fn name(effect: &Effect) -> &'static str {
    match effect {
        Effect::EnsureServices => "ensure services",
        Effect::EnsurePrimary => "ensure primary",
        Effect::EnsureAutoscaler => "ensure autoscaler",
        Effect::UpdateAutoscaler => "update autoscaler",
        Effect::TargetAutoscaler(_) => "pause or resume the target's autoscaler",
        Effect::EnsureApex => "ensure apex",
        Effect::EnsureRoutes => "ensure routes",
        Effect::Route(_) => "set weights",
        Effect::PromoteTemplate(_) => "promote template",
        Effect::ScaleTarget(_) => "scale target",
        Effect::KeepFinalizer(_) => "keep finalizer",
        Effect::Steer(_) => "take command",
        Effect::RevertApex => "revert apex",
        Effect::RevertRoutes => "revert routes",
        _ => "effect",
    }
}
