//! The timeline for programs, as JSON.

use std::io::Write;

use serde_json::{Value, json};

use crate::play::{Played, Request};
use crate::timeline::Story;
use crate::world::World;

/// Writes everything; seconds count from the new revision.
pub(crate) fn json(
    world: &World,
    request: &Request,
    played: &[Played],
    show_objects: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let canaries = world.canaries.iter().zip(played).map(|(subject, rollout)| {
        let mut canary = json!({
            "name": subject.name,
            "namespace": subject.namespace,
            "phase": rollout.story.position().phase,
            "verdict": rollout.verdict.ending,
            "reason": rollout.verdict.reason,
            "timeline": timeline(&rollout.story),
        });
        if show_objects {
            canary["routing"] = json!(rollout.scenes);
        }
        canary
    });
    let canaries: Vec<_> = canaries.collect();
    let all = json!({ "scenario": request.scenario.about, "notes": world.remarks, "canaries": canaries });
    writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
    Ok(())
}

fn timeline(story: &Story) -> Vec<Value> {
    let entry = |entry: &crate::timeline::Entry| {
        let position = story.position_at(entry.at);
        let mut value = json!(entry.what);
        value["seconds"] = (entry.at.as_second() - story.begin().as_second()).into();
        value["phase"] = position.phase.as_str().into();
        value["weight"] = position.weight.into();
        value["mirrored"] = position.mirrored.into();
        value
    };
    story.entries.iter().map(entry).collect()
}
