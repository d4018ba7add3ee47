use serde_json::json;

use super::*;

fn read(status: Value) -> Result<Status, InvalidObject> {
    let mut canary = Canary::new("test", "podinfo", Value::Null);
    canary.status = status;
    canary.status()
}

fn stored(status: &Status) -> Value {
    serde_json::to_value(CanaryStatus::from(status)).unwrap()
}

#[test]
fn a_full_status_survives_reading_and_writing() {
    let full = json!({
        "phase": "WaitingPromotion",
        "failedChecks": 2,
        "canaryWeight": 0,
        "iterations": -1,
        "trackedConfigs": {"configmap/podinfo": "484637c76acaa7c6"},
        "lastAppliedSpec": "5f56684589",
        "lastPromotedSpec": "4cb74184589",
        "lastTransitionTime": "2026-07-01T10:20:30Z",
        "sessionAffinityCookie": "c=abcdefghij",
        "primarySessionAffinityCookie": "p=abcdefghij",
        "previousSessionAffinityCookie": "c=zzzzzzzzzz",
        "conditions": [{
            "type": "Promoted",
            "status": "Unknown",
            "reason": "WaitingPromotion",
            "message": "Waiting for approval.",
            "lastUpdateTime": "2026-07-01T10:20:30Z",
            "lastTransitionTime": "2026-07-01T10:00:00Z",
        }],
    });
    assert_eq!(stored(&read(full.clone()).unwrap()), full);
}

#[test]
fn no_status_is_the_start() {
    for nothing in
        [Value::Null, json!({}), json!({"phase": "", "lastTransitionTime": null, "conditions": null})]
    {
        assert_eq!(read(nothing).unwrap(), Status::default());
    }
}

#[test]
fn tracking_nothing_differs_from_not_tracking() {
    let tracked = |status| read(status).unwrap().tracked_configs;
    assert_eq!(tracked(json!({"trackedConfigs": {}})), Some(BTreeMap::new()));
    assert_eq!(tracked(json!({"trackedConfigs": null})), None);
    let nothing = read(json!({"trackedConfigs": {}})).unwrap();
    assert_eq!(stored(&nothing)["trackedConfigs"], json!({}));
    assert_eq!(stored(&Status::default()).get("trackedConfigs"), None);
}

#[test]
fn an_unknown_phase_is_named() {
    let error = read(json!({"phase": "Dancing"})).unwrap_err().to_string();
    assert!(
        error.starts_with("invalid Canary podinfo.test: status.phase is \"Dancing\", expected one of "),
        "{error}"
    );
}

#[test]
fn a_fractional_counter_is_an_error_and_a_whole_float_is_not() {
    assert_eq!(read(json!({"canaryWeight": 10.0})).unwrap().weight, 10);
    let error = read(json!({"canaryWeight": 2.5})).unwrap_err();
    assert_eq!(error.problems[0].field(), "status.canaryWeight");
}

#[test]
fn odd_conditions_and_times_are_passed_over() {
    let odd = json!({
        "phase": "Failed",
        "lastTransitionTime": "yesterday",
        "conditions": [{"type": "Ready", "status": "True"}, 5, {"type": "Promoted", "status": 1, "reason": "Failed"}],
    });
    let status = read(odd).unwrap();
    assert_eq!((status.phase, status.last_transition), (Phase::Failed, None));
    let condition = status.condition.unwrap();
    assert_eq!((condition.status, condition.reason.as_str()), ("Unknown", "Failed"));
}

#[test]
fn times_are_written_in_whole_seconds() {
    let mut status = Status::default();
    status.last_transition = Some("2026-07-01T10:20:30.987654Z".parse().unwrap());
    assert_eq!(stored(&status)["lastTransitionTime"], "2026-07-01T10:20:30Z");
}

#[test]
fn every_phase_of_the_core_is_in_the_schema() {
    for phase in Phase::ALL {
        assert_eq!(read(json!({"phase": phase.as_str()})).unwrap().phase, phase);
    }
}

#[test]
fn the_failed_check_of_a_metric_is_read_beside_the_other_conditions() {
    let at = "2026-07-01T10:20:30Z".parse().unwrap();
    let condition = CanaryCondition::metric_check_failed("BadValue", "errors is 7, above 5", at);
    let mut status = json!({"phase": "Progressing", "conditions": [
        {"type": "Promoted", "status": "Unknown", "reason": "Progressing", "message": "m"}, 5]});
    let canary = |status: &Value| Canary { status: status.clone(), ..Canary::default() };
    assert_eq!(canary(&status).failed_metric_check(), None);
    status["conditions"].as_array_mut().unwrap().push(json!(condition));
    assert_eq!(canary(&status).failed_metric_check(), Some(condition));
    assert_eq!(canary(&status).status().unwrap().condition.unwrap().reason, "Progressing");
}
