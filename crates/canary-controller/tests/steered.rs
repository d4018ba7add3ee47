//! Rollouts that a person steers: what comes of each command, what it costs, and that no crash loses or repeats one.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/farm.rs"]
mod farm;

use std::sync::Arc;
use std::time::Duration;

use canary_api::{COMMAND_ANNOTATION, HISTORY_ANNOTATION, STEERING_ANNOTATION};
use canary_controller::Settings;
use canary_sandbox::{Sandbox, Verdict};
use farm::{
    CANARIES, DEPLOYMENTS, End, NAMESPACE, Open, Traffic, apply_image, canary_weight, live, messages, pass,
    phase, run_process_with, sandbox, until,
};
use serde_json::{Value, json};

const NEW: &str = "stefanprodan/podinfo:6.0.1";

fn say(sandbox: &Sandbox, id: &str, command: &str, gate: Option<&str>) {
    let mut text = json!({"id": id, "command": command, "by": "jane", "reason": "a test"});
    if let Some(gate) = gate {
        text["gate"] = gate.into();
    }
    let patch = json!({"metadata": {"annotations": {COMMAND_ANNOTATION: text.to_string()}}});
    sandbox.patch_object(CANARIES, NAMESPACE, "podinfo", &patch).unwrap();
}

fn annotation(sandbox: &Sandbox, name: &str) -> Value {
    let canary = sandbox.get(CANARIES, NAMESPACE, "podinfo").unwrap_or_default();
    let text = canary["metadata"]["annotations"][name].as_str().unwrap_or("null").to_owned();
    serde_json::from_str(&text).unwrap()
}

/// What became of the command with that id.
fn answer(sandbox: &Sandbox, id: &str) -> Option<Value> {
    let taken = annotation(sandbox, STEERING_ANNOTATION)["acknowledged"].clone();
    taken.as_array()?.iter().find(|a| a["id"] == id).cloned()
}

async fn given(sandbox: &Sandbox, id: &str, command: &str, gate: Option<&str>) -> Value {
    say(sandbox, id, command, gate);
    until(sandbox, "taken", || answer(sandbox, id).is_some()).await;
    answer(sandbox, id).unwrap()
}

/// The tutorial's canary with a gate that only a person opens.
fn gated() -> Sandbox {
    let sandbox = sandbox();
    let gates = json!({"spec": {"analysis": {"webhooks": [
        {"name": "leave", "type": "confirm-rollout"}, {"name": "finish", "type": "confirm-promotion"}]}}});
    sandbox.patch_object(CANARIES, NAMESPACE, "podinfo", &gates).unwrap();
    sandbox
}

#[test]
fn a_person_aborts_retries_pauses_and_promotes() {
    let sandbox = sandbox();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        assert_eq!(given(&sandbox, "0", "abort", None).await["text"], "nothing is being rolled out");
        apply_image(&sandbox, NEW);
        until(&sandbox, "20 %", || canary_weight(&sandbox) == Some(20)).await;
        given(&sandbox, "1", "abort", None).await;
        pass(1).await;
        assert_eq!((phase(&sandbox).as_str(), canary_weight(&sandbox)), ("Failed", Some(0)));

        given(&sandbox, "2", "retry", None).await;
        until(&sandbox, "20 % again", || canary_weight(&sandbox) == Some(20)).await;
        given(&sandbox, "3", "pause", None).await;
        let before = sandbox.requests();
        pass(300).await;
        assert_eq!(canary_weight(&sandbox), Some(20), "nothing moves");
        assert_eq!(sandbox.requests().since(&before).without_watches(), 0, "a pause costs nothing");
        given(&sandbox, "4", "resume", None).await;
        until(&sandbox, "30 %", || canary_weight(&sandbox) == Some(30)).await;
        pass(2).await;
        given(&sandbox, "5", "promote", None).await;
        pass(2).await;
        assert_eq!(phase(&sandbox), "Promoting");
        until(&sandbox, "promoted", || phase(&sandbox) == "Succeeded").await;
        pass(30).await;
    });
    let told = messages(&sandbox);
    for message in [
        "Command abort for podinfo.test refused: nothing is being rolled out",
        "Command abort for podinfo.test by jane: a test",
        "Rolling back podinfo.test aborted by jane: a test",
        "Command retry for podinfo.test by jane: a test",
        "Command promote for podinfo.test by jane: a test",
    ] {
        assert!(told.iter().any(|m| m == message), "{message:?} in {told:?}");
    }
    let history = annotation(&sandbox, HISTORY_ANNOTATION);
    assert_eq!(history.as_array().unwrap().len(), 2, "{history}");
    assert_eq!(
        (&history[0]["outcome"], &history[0]["reason"]),
        (&json!("Succeeded"), &json!("promoted by jane"))
    );
    assert_eq!(history[1]["outcome"], "Failed");
    assert_eq!(history[1]["reason"], "Rolling back podinfo.test aborted by jane: a test");
    assert_eq!(history[1]["images"], json!([NEW]));
    assert!(history[0]["started"].as_str() < history[0]["ended"].as_str(), "{history}");
}

#[test]
fn an_abort_does_not_wait_for_pods_that_never_become_ready() {
    let sandbox = sandbox();
    sandbox.set_pod_rule(|pod| pod.images().any(|i| i == NEW).then(canary_sandbox::PodFate::never_ready));
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        apply_image(&sandbox, NEW);
        until(&sandbox, "started", || phase(&sandbox) == "Progressing").await;
        pass(3).await;
        given(&sandbox, "1", "abort", None).await;
        pass(1).await;
        assert_eq!(phase(&sandbox), "Failed");
        let target = sandbox.get(DEPLOYMENTS, NAMESPACE, "podinfo").unwrap();
        assert_eq!(target["spec"]["replicas"], 0);
    });
}

#[test]
fn gates_without_a_web_service_are_opened_by_approval() {
    let sandbox = gated();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        apply_image(&sandbox, NEW);
        until(&sandbox, "waiting", || phase(&sandbox) == "Waiting").await;
        pass(300).await;
        assert_eq!(phase(&sandbox), "Waiting");
        assert!(given(&sandbox, "1", "approve", Some("leaf")).await["refused"].as_bool().unwrap());
        given(&sandbox, "2", "approve", Some("leave")).await;
        until(&sandbox, "at the second gate", || phase(&sandbox) == "WaitingPromotion").await;
        pass(300).await;
        assert_eq!(phase(&sandbox), "WaitingPromotion");
        given(&sandbox, "3", "approve", Some("finish")).await;
        until(&sandbox, "promoted", || phase(&sandbox) == "Succeeded").await;
    });
}

#[test]
fn a_command_costs_one_request_and_is_not_repeated_when_it_is_applied_again() {
    let sandbox = sandbox();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        apply_image(&sandbox, NEW);
        until(&sandbox, "20 %", || canary_weight(&sandbox) == Some(20)).await;
        pass(1).await;
        let before = sandbox.requests();
        given(&sandbox, "1", "pause", None).await;
        pass(5).await;
        let since = sandbox.requests().since(&before);
        assert_eq!(since.of("patch", CANARIES), 1, "{since:?}");
        assert_eq!(since.without_watches(), 2, "the order and its event: {since:?}");
        given(&sandbox, "2", "resume", None).await;
        // A tool puts back what it has in a file.
        say(&sandbox, "1", "pause", None);
        until(&sandbox, "promoted all the same", || phase(&sandbox) == "Succeeded").await;
    });
}

/// A person who gives one command at that moment of the rollout, and what the rollout is to end as.
async fn person(sandbox: &Sandbox, command: &str) {
    let mut applied = false;
    loop {
        let now = phase(sandbox);
        let said = !annotation_is_absent(sandbox);
        match now.as_str() {
            "Initialized" if !applied => {
                apply_image(sandbox, NEW);
                applied = true;
            }
            "Progressing" if !said && canary_weight(sandbox) == Some(20) => say(sandbox, "1", command, None),
            "Succeeded" | "Failed" if said => return,
            _ => pass(1).await,
        }
    }
}

fn annotation_is_absent(sandbox: &Sandbox) -> bool {
    annotation(sandbox, COMMAND_ANNOTATION).is_null()
}

/// Kills the controller at each request that follows the command, before and after it takes effect.
fn killed_at_each_request_after(command: &str, outcome: &str) {
    let first = Arc::new(std::sync::Mutex::new(None));
    let reference = sandbox();
    let seen = first.clone();
    reference.after_each_request(move |request, view| {
        let canary = view.get(CANARIES, NAMESPACE, "podinfo").unwrap_or_default();
        if canary.pointer("/metadata/annotations").is_some_and(|a| a.get(COMMAND_ANNOTATION).is_some()) {
            seen.lock().unwrap().get_or_insert(request.n);
        }
        Ok(())
    });
    assert_eq!(run_process_with(&reference, person(&reference, command)), End::Done);
    let first = first.lock().unwrap().unwrap() - 1;
    let last = reference.requests().total();
    assert!(last > first + 5, "{first}..{last}");
    for n in first..=last {
        for verdict in [Verdict::KillBefore, Verdict::KillAfter] {
            let at = format!("{command}, {verdict:?} at {n} of {first}..{last}");
            let sandbox = sandbox();
            let mut traffic = Traffic::default();
            sandbox.after_each_request(move |request, view| traffic.inspect(request, view));
            sandbox.intercept(move |request| if request.n == n { verdict } else { Verdict::Pass });
            if run_process_with(&sandbox, person(&sandbox, command)) == End::Killed {
                sandbox.stop_intercepting();
                assert_eq!(run_process_with(&sandbox, person(&sandbox, command)), End::Done, "{at}");
            }
            assert_eq!(sandbox.violations(), Vec::<String>::new(), "{at}");
            assert_eq!(phase(&sandbox), outcome, "{at}");
            let taken = annotation(&sandbox, STEERING_ANNOTATION)["acknowledged"].clone();
            assert_eq!(taken.as_array().unwrap().len(), 1, "{at}: {taken}");
            assert_eq!(taken[0]["refused"], Value::Null, "{at}: {taken}");
            let history = annotation(&sandbox, HISTORY_ANNOTATION);
            assert_eq!(history.as_array().map(Vec::len), Some(1), "{at}: {history}");
            assert_eq!(history[0]["outcome"], outcome, "{at}");
        }
    }
}

#[test]
fn a_controller_killed_at_any_request_carries_an_abort_out_once() {
    killed_at_each_request_after("abort", "Failed");
}

#[test]
fn a_controller_killed_at_any_request_carries_a_full_promotion_out_once() {
    killed_at_each_request_after("promote-full", "Succeeded");
}

#[test]
fn the_last_of_two_commands_that_a_cache_shows_late_is_taken_at_little_cost() {
    let sandbox = sandbox();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        apply_image(&sandbox, NEW);
        until(&sandbox, "20 %", || canary_weight(&sandbox) == Some(20)).await;
        // The controller sees neither before its next tick.
        sandbox.hold_watches(CANARIES, Duration::from_secs(30));
        say(&sandbox, "1", "pause", None);
        say(&sandbox, "2", "abort", None);
        let before = sandbox.requests();
        pass(25).await;
        assert_eq!(answer(&sandbox, "2").unwrap()["refused"], Value::Null);
        assert_eq!((phase(&sandbox).as_str(), canary_weight(&sandbox)), ("Failed", Some(0)));
        let requests = sandbox.requests().since(&before).without_watches();
        assert!(requests < 20, "{requests} requests");
    });
}
