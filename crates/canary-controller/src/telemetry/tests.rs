use std::time::Duration;

use canary_core::Weight;

use super::*;

fn telemetry() -> Telemetry {
    Telemetry::new("1.2.3", "abc", "istio")
}

/// The lines about `name`, declarations left out.
fn lines(telemetry: &Telemetry, name: &str) -> Vec<String> {
    let text = telemetry.encode();
    text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
}

#[test]
fn a_full_rollout_shows_every_series_under_its_recorded_name_and_labels() {
    let telemetry = telemetry();
    telemetry.canaries(BTreeMap::from([("test".to_owned(), 1)]));
    telemetry.phase("test", "podinfo", Phase::Succeeded);
    telemetry.weights("test", "podinfo", Weights::canary(Weight::clamped(10)));
    telemetry.metric_value("test", "podinfo", "request-duration", 0.25);
    telemetry.tick_ended("test", "podinfo", Duration::from_millis(20));
    telemetry.rollout_ended("test", "podinfo", "canary", false, true);
    telemetry.rollout_ended("test", "podinfo", "canary", true, false);

    let text = telemetry.encode();
    for line in [
        r#"flagger_info{mesh_provider="istio",version="1.2.3"} 1"#,
        r#"flagger_canary_total{namespace="test"} 1"#,
        r#"flagger_canary_status{name="podinfo",namespace="test"} 1"#,
        r#"flagger_canary_weight{namespace="test",workload="podinfo-primary"} 90"#,
        r#"flagger_canary_weight{namespace="test",workload="podinfo"} 10"#,
        r#"flagger_canary_metric_analysis{metric="request-duration",name="podinfo",namespace="test"} 0.25"#,
        "# TYPE flagger_canary_successes_total counter",
        r#"flagger_canary_successes_total{analysis_status="completed",deployment_strategy="canary",name="podinfo",namespace="test"} 1"#,
        r#"flagger_canary_failures_total{analysis_status="skipped",deployment_strategy="canary",name="podinfo",namespace="test"} 1"#,
        "# TYPE flagger_canary_duration_seconds histogram",
        r#"flagger_canary_duration_seconds_count{name="podinfo",namespace="test"} 1"#,
        r#"flagger_canary_duration_seconds_bucket{le="0.01",name="podinfo",namespace="test"} 0"#,
        r#"flagger_canary_duration_seconds_bucket{le="0.025",name="podinfo",namespace="test"} 1"#,
        r#"flagger_canary_duration_seconds_bucket{le="+Inf",name="podinfo",namespace="test"} 1"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn series_appear_only_once_they_are_set() {
    let telemetry = telemetry();
    assert_eq!(lines(&telemetry, "flagger_"), [r#"flagger_info{mesh_provider="istio",version="1.2.3"} 1"#]);
    assert!(!telemetry.encode().contains("# TYPE flagger_canary"), "{}", telemetry.encode());
    telemetry.phase("test", "podinfo", Phase::Initialized);
    assert_eq!(
        lines(&telemetry, "flagger_canary"),
        [r#"flagger_canary_status{name="podinfo",namespace="test"} 1"#]
    );
}

#[test]
fn the_status_tells_progressing_failed_and_the_rest_apart() {
    let telemetry = telemetry();
    for phase in Phase::ALL {
        telemetry.phase("test", "podinfo", phase);
        let expected = match phase.as_str() {
            "Progressing" => 0,
            "Failed" => 2,
            _ => 1,
        };
        let line = format!(r#"flagger_canary_status{{name="podinfo",namespace="test"}} {expected}"#);
        assert_eq!(lines(&telemetry, "flagger_canary_status"), [line], "{phase}");
    }
}

#[test]
fn series_go_with_their_canary_and_leave_the_others() {
    let telemetry = telemetry();
    for target in ["podinfo", "other"] {
        telemetry.phase("test", target, Phase::Failed);
        telemetry.weights("test", target, Weights::PRIMARY);
        telemetry.metric_value("test", target, "errors", 1.0);
        telemetry.tick_ended("test", target, Duration::ZERO);
        telemetry.rollout_ended("test", target, "canary", false, false);
    }
    telemetry.forget("test", "podinfo");
    telemetry.forget("test", "never-there");
    let text = telemetry.encode();
    assert!(!text.contains("podinfo"), "{text}");
    assert_eq!(lines(&telemetry, "flagger_canary_weight").len(), 2);
}

#[test]
fn a_namespace_without_canaries_is_not_counted_any_more() {
    let telemetry = telemetry();
    telemetry.canaries(BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)]));
    telemetry.canaries(BTreeMap::from([("b".to_owned(), 1)]));
    assert_eq!(lines(&telemetry, "flagger_canary_total"), [r#"flagger_canary_total{namespace="b"} 1"#]);
}

#[test]
fn names_that_users_chose_cannot_break_the_format() {
    let telemetry = telemetry();
    telemetry.metric_value("test", "podinfo", "my \"quoted\"\nname", 1.5);
    let line =
        r#"flagger_canary_metric_analysis{metric="my \"quoted\"\nname",name="podinfo",namespace="test"} 1.5"#;
    assert_eq!(lines(&telemetry, "flagger_canary_metric_analysis"), [line]);
}

#[test]
fn the_lag_of_ticks_and_failed_reconciles_are_ours() {
    let telemetry = telemetry();
    telemetry.tick_started(Duration::from_millis(900));
    telemetry.tick_started(Duration::from_millis(1100));
    telemetry.reconcile_failed("conflict");
    telemetry.reconcile_failed("conflict");
    assert!(
        lines(&telemetry, "canaryd_tick_lag_seconds_bucket")
            .contains(&r#"canaryd_tick_lag_seconds_bucket{le="1.0"} 1"#.into())
    );
    assert_eq!(lines(&telemetry, "canaryd_tick_lag_seconds_count"), ["canaryd_tick_lag_seconds_count 2"]);
    assert_eq!(
        lines(&telemetry, "canaryd_reconcile_errors"),
        [r#"canaryd_reconcile_errors_total{category="conflict"} 2"#]
    );
}

#[test]
fn questions_are_counted_by_outcome_and_a_standby_says_so() {
    let telemetry = telemetry();
    assert_eq!(lines(&telemetry, "canaryd_working"), ["canaryd_working 0"]);
    telemetry.working(true);
    telemetry.calls_running(3);
    telemetry.question_answered("metric", "failed", Duration::from_secs(5));
    telemetry.question_answered("metric", "failed", Duration::from_secs(5));
    assert_eq!(lines(&telemetry, "canaryd_working"), ["canaryd_working 1"]);
    assert_eq!(lines(&telemetry, "canaryd_calls_running"), ["canaryd_calls_running 3"]);
    let counted = r#"canaryd_questions_total{kind="metric",outcome="failed"} 2"#;
    assert_eq!(lines(&telemetry, "canaryd_questions_total"), [counted]);
    let count = r#"canaryd_question_duration_seconds_count{kind="metric"} 2"#;
    assert_eq!(lines(&telemetry, "canaryd_question_duration_seconds_count"), [count]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_tells_its_memory_and_time() {
    let text = telemetry().encode();
    for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds"] {
        let value =
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<f64>().ok());
        assert!(value.is_some_and(|v| v >= 0.0), "{name} is not in\n{text}");
    }
}
