use super::*;
use crate::{Check, MetricId, Weight};

#[test]
fn durations_are_written_as_go_writes_them() {
    for (millis, text) in [
        (0.0, "0s"),
        (0.7, "0s"),
        (20.0, "20ms"),
        (612.9, "612ms"),
        (1000.0, "1s"),
        (1500.0, "1.5s"),
        (2000.0, "2s"),
        (60_000.0, "1m0s"),
        (3_661_001.0, "1h1m1.001s"),
        (-5.0, "-5ms"),
    ] {
        assert_eq!(go_millis(millis), text);
    }
}

const PAGE: &str = include_str!("../../../../docs/troubleshooting.md");

/// One happening of each kind of sentence. The match makes a new kind of happening come by here.
fn every_happening() -> Vec<Happening> {
    let text = || "why".to_owned();
    let kinds = [
        HookKind::ConfirmRollout,
        HookKind::PreRollout,
        HookKind::Rollout,
        HookKind::ConfirmTrafficIncrease,
        HookKind::ConfirmPromotion,
        HookKind::PostRollout,
        HookKind::Rollback,
        HookKind::Event,
    ];
    let mut all = vec![
        Happening::Suspended,
        Happening::ProvidersOnline,
        Happening::ProvidersOffline(text()),
        Happening::InitializationDone,
        Happening::NewRevision,
        Happening::Restarting,
        Happening::SetBack,
        Happening::NothingToApprove,
        Happening::StartingAnalysis,
        Happening::Unsupported(UnsupportedSetting::AbTesting),
        Happening::Unsupported(UnsupportedSetting::Weights),
        Happening::Unsupported(UnsupportedSetting::AssumedIterations(10)),
        Happening::CanaryWeight(Weight::ALL),
        Happening::PrimaryWeight(Weight::ALL),
        Happening::Iteration(1, 2),
        Happening::AllToCanary { mirrored: false },
        Happening::AllToCanary { mirrored: true },
        Happening::AllToPrimary,
        Happening::Copying,
        Happening::Promoted { skipped: false },
        Happening::Promoted { skipped: true },
        Happening::ThresholdReached(3),
        Happening::RollbackRequested,
        Happening::DeadlineExceeded(text()),
        Happening::RolledBack,
        Happening::PromotionFailed(text()),
        Happening::Terminating,
        Happening::Terminated,
        Happening::CommandTaken { command: "abort".into(), by: "jane".into(), reason: text() },
        Happening::CommandRefused { command: "abort".into(), why: text() },
        Happening::Aborted { by: "jane".into(), reason: text() },
        Happening::Error(primary_to_come(&plan())),
    ];
    for kind in kinds {
        all.push(Happening::HookPassed { kind, hook: "gate".into() });
        all.push(Happening::HookFailed { kind, hook: "gate".into(), text: text(), mute: false });
    }
    all.extend(failures().into_iter().map(Happening::CheckFailed));
    for happening in &all {
        match happening {
            Happening::Suspended
            | Happening::ProvidersOnline
            | Happening::ProvidersOffline(_)
            | Happening::InitializationDone
            | Happening::NewRevision
            | Happening::Restarting
            | Happening::SetBack
            | Happening::NothingToApprove
            | Happening::StartingAnalysis
            | Happening::Unsupported(_)
            | Happening::CanaryWeight(_)
            | Happening::PrimaryWeight(_)
            | Happening::Iteration(..)
            | Happening::AllToCanary { .. }
            | Happening::AllToPrimary
            | Happening::Copying
            | Happening::Promoted { .. }
            | Happening::ThresholdReached(_)
            | Happening::RollbackRequested
            | Happening::DeadlineExceeded(_)
            | Happening::RolledBack
            | Happening::PromotionFailed(_)
            | Happening::HookPassed { .. }
            | Happening::HookFailed { .. }
            | Happening::CheckFailed(_)
            | Happening::Terminating
            | Happening::Terminated
            | Happening::CommandTaken { .. }
            | Happening::CommandRefused { .. }
            | Happening::Aborted { .. }
            | Happening::Error(_) => {}
        }
    }
    all
}

fn failures() -> Vec<CheckFailure> {
    let (text, template) = (|| "why".to_owned(), || "errors.test".to_owned());
    let kinds = [
        FailureKind::Query,
        FailureKind::MetricsServer { url: "http://prometheus".into() },
        FailureKind::Template { template: template() },
        FailureKind::Secret { template: template(), secret: "key".into() },
        FailureKind::Provider { template: template(), provider: "datadog".into() },
        FailureKind::Render { template: template() },
        FailureKind::KnativeService,
    ];
    let mut all = vec![CheckFailure::NothingToAsk];
    for check in (0..plan().checks.len()).map(MetricId) {
        all.push(CheckFailure::OutOfBounds { check, value: 1.0, bound: 2.0, above: false });
        all.push(CheckFailure::NoData { check, text: text() });
        all.extend(kinds.iter().map(|kind| CheckFailure::Unanswered {
            check,
            kind: kind.clone(),
            text: text(),
        }));
    }
    all
}

fn plan() -> Plan {
    let mut plan = Plan::new("podinfo", "test");
    plan.checks = vec![
        Check::new("request-success-rate", CheckSource::SuccessRate),
        Check::new("request-duration", CheckSource::Duration),
        Check::new("errors", CheckSource::Inline),
        Check::new("errors", CheckSource::Template),
    ];
    plan
}

/// Whether a heading, in which `…` stands for anything, is about a sentence.
fn is_about(heading: &str, sentence: &str) -> bool {
    let mut parts = heading.split('…');
    let Some(mut rest) = parts.next().and_then(|first| sentence.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (n, part) in parts.iter().enumerate() {
        let last = n + 1 == parts.len();
        match (last, part.is_empty()) {
            (true, true) => return true,
            (true, false) => return rest.len() > part.len() && rest.ends_with(part),
            (false, _) => match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            },
        }
    }
    rest.is_empty()
}

#[test]
fn every_event_has_an_entry_in_the_troubleshooting_page() {
    let headings: Vec<&str> =
        PAGE.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let sentences: Vec<String> =
        every_happening().iter().filter_map(|what| Some(event(&plan(), what)?.1)).collect();
    let without: Vec<_> = sentences.iter().filter(|s| !headings.iter().any(|h| is_about(h, s))).collect();
    assert!(without.is_empty(), "docs/troubleshooting.md has no entry for {without:#?}");
    let unused: Vec<_> = headings.iter().filter(|h| !sentences.iter().any(|s| is_about(h, s))).collect();
    assert!(unused.is_empty(), "docs/troubleshooting.md explains what nobody says: {unused:#?}");
}
