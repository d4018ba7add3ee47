//! Names, texts and conversions of the public values: what logs, metrics, alerts and statuses show.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::time::Duration;

use async_trait::async_trait;
use canary_core::{
    Command, EventKind, Happening, HookKind, Measurement, MetricError, MetricProvider, NotAPercentage,
    Notice, Phase, Plan, Registry, RouterError, Samples, Severity, Shown, Steps, Strategy, Trouble, Weight,
    Weights, WorkloadError,
};

#[test]
fn a_phase_is_read_as_it_is_written_and_other_words_are_none() {
    for phase in Phase::ALL {
        assert_eq!(phase.as_str().parse(), Ok(phase));
    }
    assert_eq!("Going".parse::<Phase>().unwrap_err().to_string(), "\"Going\" is not a phase of a canary");
}

#[test]
fn strategies_have_flaggers_names_and_their_maximum() {
    let cases = [
        (Strategy::Weighted(Steps::even(10, 40)), "canary", 40),
        (Strategy::AbTesting { iterations: 3 }, "ab-testing", 100),
        (Strategy::BlueGreen { iterations: 3 }, "blue-green", 100),
    ];
    for (strategy, name, max) in cases {
        assert_eq!((strategy.as_str(), strategy.max_weight().percent()), (name, max));
    }
}

#[test]
fn a_person_can_answer_for_gates_and_for_nothing_else() {
    use HookKind::{
        ConfirmPromotion, ConfirmRollout, ConfirmTrafficIncrease, Event, PostRollout, PreRollout, Rollback,
        Rollout,
    };
    for kind in [ConfirmRollout, ConfirmTrafficIncrease, ConfirmPromotion] {
        assert!(kind.is_gate(), "{}", kind.as_str());
    }
    for kind in [PreRollout, Rollout, PostRollout, Rollback, Event] {
        assert!(!kind.is_gate(), "{}", kind.as_str());
    }
}

#[test]
fn weights_are_numbers_within_a_hundred() {
    assert_eq!(Weight::try_from(30), Ok(Weight::new(30).unwrap()));
    assert_eq!(Weight::try_from(101), Err(NotAPercentage(101)));
    assert_eq!(i64::from(Weight::new(30).unwrap()), 30);
    assert_eq!(Weights::canary(Weight::new(30).unwrap()).to_string(), "primary 70 canary 30");
    assert_eq!(Weights::MIRROR.to_string(), "primary 100 canary 0 mirrored");
}

#[test]
fn an_id_of_a_command_has_1_to_64_characters() {
    let read =
        |length: usize| Command::parse(&format!(r#"{{"id": "{}", "command": "abort"}}"#, "x".repeat(length)));
    assert!(read(1).is_ok() && read(64).is_ok());
    for length in [0, 65] {
        assert_eq!(read(length).unwrap_err().text, "id must have 1 to 64 characters");
    }
}

#[test]
fn what_is_a_warning_event_is_a_warning_in_logs() {
    let plan = Plan::new("podinfo", "test");
    for (what, kind, severity) in [
        (Happening::RolledBack, EventKind::Warning, Severity::Warn),
        (Happening::NewRevision, EventKind::Normal, Severity::Info),
    ] {
        let notice = Notice { phase: Phase::Progressing, what };
        assert_eq!(notice.event(&plan).unwrap().0, kind);
        assert_eq!(notice.severity(&plan), severity);
    }
}

/// The facts of the alert about a new revision of that plan.
fn facts(change: impl FnOnce(&mut Plan)) -> Vec<(String, String)> {
    let mut plan = Plan::new("podinfo", "test");
    (plan.threshold, plan.progress_deadline) = (5, Duration::from_secs(60));
    change(&mut plan);
    let notice = Notice { phase: Phase::Progressing, what: Happening::NewRevision };
    notice.alert(&plan).unwrap().fields
}

#[test]
fn an_alert_about_a_new_revision_says_how_it_is_rolled_out() {
    let routing = |strategy: Strategy, step: i64, steps: &[i64]| {
        let all = facts(|plan| {
            plan.strategy = strategy;
            let mut shown = Shown::default();
            (shown.step_weight, shown.step_weights, shown.max_weight) = (step, steps.to_vec(), 50);
            plan.shown = shown;
        });
        let [target, threshold, deadline, routing @ ..] = &all[..] else { panic!("{all:?}") };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(*target, pair("Target", "Deployment/podinfo.test"));
        assert_eq!(*threshold, pair("Failed checks threshold", "5"));
        assert_eq!(*deadline, pair("Progress deadline", "60s"));
        routing.first().map(|(name, value)| {
            assert_eq!(name, "Traffic routing");
            value.clone()
        })
    };
    let weighted = || Strategy::Weighted(Steps::even(10, 50));
    assert_eq!(routing(weighted(), 10, &[]).as_deref(), Some("Weight step: 10 max: 50"));
    assert_eq!(routing(weighted(), 0, &[1, 20]).as_deref(), Some("Weight steps: 1,20 max: 50"));
    assert_eq!(routing(weighted(), 0, &[]), None);
    assert_eq!(routing(Strategy::AbTesting { iterations: 1 }, 10, &[]).as_deref(), Some("A/B Testing"));
    assert_eq!(routing(Strategy::BlueGreen { iterations: 1 }, 10, &[]).as_deref(), Some("Blue/Green"));
}

#[test]
fn troubles_and_errors_have_stable_names() {
    let troubles = [Trouble::BadValue, Trouble::NoData, Trouble::ProviderUnreachable, Trouble::WrongQuery];
    assert_eq!(
        troubles.map(Trouble::as_str),
        ["bad-value", "no-data", "provider-unreachable", "wrong-query"]
    );
    let text = || "why".to_owned();
    let metric = [
        MetricError::Unreachable(text()),
        MetricError::Unavailable(text()),
        MetricError::Denied(text()),
        MetricError::Refused(text()),
        MetricError::Unusable(text()),
        MetricError::Configuration(text()),
    ];
    assert_eq!(
        metric.map(|error| error.category()),
        ["unreachable", "unavailable", "denied", "refused", "unusable", "configuration"]
    );
}

#[test]
fn errors_of_routers_and_workloads_say_whether_trying_again_may_help() {
    let message = || "why".to_owned();
    let routers = [
        (RouterError::Api { message: message(), conflict: true }, "conflict", true),
        (RouterError::Api { message: message(), conflict: false }, "api", true),
        (RouterError::NotInstalled { message: message() }, "not-installed", true),
        (RouterError::Invalid { message: message() }, "invalid", false),
        (RouterError::Unsupported { message: message() }, "unsupported", false),
    ];
    for (error, category, again) in routers {
        assert_eq!((error.category(), error.is_retryable()), (category, again));
    }
    let workloads = [
        (WorkloadError::Api { message: message(), conflict: true }, "conflict", true),
        (WorkloadError::Api { message: message(), conflict: false }, "api", true),
        (WorkloadError::Missing { message: message() }, "missing", false),
        (WorkloadError::Invalid { message: message() }, "invalid", false),
        (WorkloadError::MovedOn { message: message() }, "moved-on", false),
    ];
    for (error, category, again) in workloads {
        assert_eq!((error.category(), error.is_retryable()), (category, again));
    }
}

#[test]
fn a_registry_tells_the_names_that_it_knows() {
    let registry = Registry::new("provider").with("b", 1).with("a", 2);
    assert_eq!(registry.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(format!("{registry:?}"), r#"Registry { what: "provider", names: ["a", "b"] }"#);
}

#[test]
fn what_is_known_of_samples_is_joined_and_told() {
    let mut counted = Samples::default();
    (counted.series, counted.count) = (Some(1), Some(1));
    let mut aged = Samples::default();
    (aged.series, aged.age) = (Some(7), Some(Duration::from_secs(14)));
    let joined = counted.or(aged);
    assert_eq!(joined.to_string(), "1 series, 1 sample, 14s old");
    let measured = Measurement::from(Some(2.0)).with(joined);
    assert_eq!((measured.value, measured.samples), (Some(2.0), joined));
}

struct Seven;

#[async_trait]
impl MetricProvider for Seven {
    async fn query(&self, _: &str) -> Result<Option<f64>, MetricError> {
        Ok(Some(7.0))
    }
    async fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }
}

#[test]
fn a_provider_that_knows_values_only_measures_them_and_explains_nothing() {
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    let mut measured = Seven.measure("q");
    let ready = measured.as_mut().poll(&mut context);
    assert!(matches!(ready, std::task::Poll::Ready(Ok(m)) if m == Measurement::from(Some(7.0))));
    let mut explained = Seven.explain("q");
    assert!(matches!(explained.as_mut().poll(&mut context), std::task::Poll::Ready(None)));
}
