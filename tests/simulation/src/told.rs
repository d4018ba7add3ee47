//! A change of phase is told: once, or at least once when processes died.

use canary_sandbox::Sandbox;
use serde_json::Value;

use crate::setting::NAMESPACE;

/// Phases, and the beginnings of the events that tell of them.
const TOLD: [(&str, &[&str]); 3] = [
    ("Initialized", &["Initialization done!"]),
    ("Succeeded", &["Promotion completed!", "Nothing to approve"]),
    ("Failed", &["Canary failed!", "Promotion of", "Nothing to approve"]),
];

/// Compares the events with the phases that were written. `quiet`: no process died, none was doubled.
pub(crate) fn check(sandbox: &Sandbox, phases: &[String], quiet: bool) -> Result<(), String> {
    let events = sandbox.list("events", NAMESPACE);
    for (phase, beginnings) in TOLD {
        let reached = phases.iter().filter(|p| *p == phase).count();
        let told = events.iter().filter(|event| {
            let message = event["message"].as_str().unwrap_or_default();
            beginnings.iter().any(|beginning| message.starts_with(beginning))
        });
        let told: u64 = told.map(|event| event["count"].as_u64().unwrap_or(1)).sum();
        if quiet && reached > 0 && told == 0 {
            return Err(format!("nobody was told of {phase}: {phases:?} {:?}", messages(&events)));
        }
        if quiet && usize::try_from(told).is_ok_and(|told| told > reached) {
            return Err(format!(
                "{phase} was told {told} times, and reached {reached} times: {:?}",
                messages(&events)
            ));
        }
    }
    Ok(())
}

fn messages(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|e| e["message"].as_str()).collect()
}
