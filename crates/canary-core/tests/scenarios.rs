//! Plays the scripts of `tests/scenarios/*.txt` and compares what the core decides with what they say.
//!
//! A line that starts with `>` is a command, the lines below it are what came of it, `#` starts a comment. `UPDATE=1`
//! rewrites the files; the difference is then for a person to judge.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at what it did not expect"
)]
#![allow(clippy::disallowed_methods, reason = "the scripts are files")]

#[path = "support/world.rs"]
mod world;

use std::fmt::Write as _;
use std::path::Path;

use canary_core::{
    Bounds, Check, CheckSource, Command, Commit, Decision, Effect, Hook, HookKind, Instance, Plan, Steering,
    Steps, Strategy, Verb, Wake, Weight, Weights,
};
use world::{World, seconds, stuck, waiting};

#[test]
fn every_script_is_decided_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "scripts are missing");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let played = play(&text);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, played).unwrap();
        } else {
            assert_eq!(text, played, "{}", file.display());
        }
    }
}

fn play(script: &str) -> String {
    let mut out = String::new();
    let mut world = World::new(plan());
    for line in script.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            writeln!(out, "{line}").unwrap();
            obey(&mut world, command, &mut out);
        } else if line.starts_with('#') || line.is_empty() {
            writeln!(out, "{line}").unwrap();
        }
    }
    out
}

fn plan() -> Plan {
    let mut plan = Plan::new("podinfo", "test");
    plan.interval = seconds(10);
    plan.threshold = 2;
    plan.strategy = Strategy::Weighted(Steps::even(20, 40));
    plan
}

fn obey(world: &mut World, command: &str, out: &mut String) {
    let words: Vec<&str> = command.split_whitespace().collect();
    match words.as_slice() {
        ["plan", setting @ ..] => set(&mut world.plan, setting),
        ["metric", name, "none"] => drop(world.values.insert((*name).into(), None)),
        ["metric", name, value] => drop(world.values.insert((*name).into(), Some(value.parse().unwrap()))),
        ["close", hook, text @ ..] => drop(world.closed.insert((*hook).into(), text.join(" "))),
        ["open", hook] => drop(world.closed.remove(*hook)),
        ["revision", revision] => world.apply_revision(revision),
        ["config", name, sum] => {
            world.configs.get_or_insert_default().insert((*name).into(), (*sum).into());
            world.changed_at = Some(world.now);
        }
        ["target", "gone"] => world.target_is_gone = true,
        ["target", state, n] => world.target = instance(state, n),
        ["primary", state, n] => world.primary = Some(instance(state, n)),
        ["mesh", n] => world.routes = Some(Weights::canary(Weight::new(n.parse().unwrap()).unwrap())),
        ["break", effect] => world.broken = Some((*effect).into()),
        ["mend"] => world.broken = None,
        ["delete"] => world.deleting = true,
        ["restart"] => (world.last_tick, world.changed_at) = (None, None),
        ["status", "applied", text] => world.status.last_applied = (*text).into(),
        ["status", "promoted", text] => world.status.last_promoted = (*text).into(),
        ["say", id, verb] => world.command = Some(Ok(said(id, verb))),
        ["say", id, verb, gate] => {
            let mut command = said(id, verb);
            command.gate = Some((*gate).into());
            world.command = Some(Ok(command));
        }
        ["mumble", text @ ..] => world.command = Some(Command::parse(&text.join(" "))),
        ["wait", n] => world.now += seconds(n.parse().unwrap()),
        ["call"] => {
            show(world, out);
        }
        ["tick"] => {
            let wake = world.clone().decide().wake;
            if !world.clone().decide().tick {
                assert!(world.wait(wake), "nothing is due");
            }
            show(world, out);
        }
        ["run"] => {
            for _ in 0..60 {
                let wake = show(world, out);
                if !world.wait(wake) {
                    return;
                }
                if wake != Wake::Now {
                    writeln!(out, "  --").unwrap();
                }
            }
            panic!("does not come to rest");
        }
        _ => panic!("unknown command {command:?}"),
    }
}

/// A command of Jane's.
fn said(id: &str, verb: &str) -> Command {
    let verb = Verb::ALL.into_iter().find(|v| v.as_str() == verb).unwrap();
    let mut command = Command::new(id, verb);
    (command.by, command.reason) = ("jane".into(), "I say so".into());
    command
}

fn instance(state: &str, n: &str) -> Instance {
    let n = n.parse().unwrap();
    match state {
        "ready" => Instance::ready(n),
        "waiting" => waiting(n),
        "stuck" => stuck(n),
        _ => panic!("unknown state {state:?}"),
    }
}

fn set(plan: &mut Plan, setting: &[&str]) {
    match setting {
        ["steps", step, max] => {
            plan.strategy = Strategy::Weighted(Steps::even(step.parse().unwrap(), max.parse().unwrap()));
        }
        ["list", weights @ ..] => {
            let weights: Vec<_> = weights.iter().map(|w| Weight::new(w.parse().unwrap()).unwrap()).collect();
            plan.strategy = Strategy::Weighted(Steps::listed(&weights));
        }
        ["ab", n] => plan.strategy = Strategy::AbTesting { iterations: n.parse().unwrap() },
        ["blue-green", n] => plan.strategy = Strategy::BlueGreen { iterations: n.parse().unwrap() },
        ["mirror"] => plan.mirror = true,
        ["promote-by", n] => plan.step_weight_promotion = n.parse().unwrap(),
        ["threshold", n] => plan.threshold = n.parse().unwrap(),
        ["revert"] => plan.revert_on_deletion = true,
        ["skip"] => plan.skip_analysis = true,
        ["suspend", on] => plan.suspend = *on == "on",
        ["autoscaler"] => plan.has_autoscaler = true,
        ["kubernetes"] => {
            plan.provider = "kubernetes".into();
            plan.capabilities = canary_core::Capabilities::NONE;
        }
        ["weights-only", provider] => {
            plan.provider = (*provider).into();
            plan.capabilities = canary_core::Capabilities::default();
        }
        ["check", name, bounds @ ..] => {
            let source = match *name {
                "request-success-rate" => CheckSource::SuccessRate,
                "request-duration" => CheckSource::Duration,
                _ => CheckSource::Template,
            };
            let bound =
                |key: &str| bounds.iter().find_map(|b| b.strip_prefix(key)).map(|b| b.parse().unwrap());
            let mut check = Check::new(*name, source);
            check.bounds = Bounds { min: bound("min="), max: bound("max=") };
            plan.probes.push(canary_core::MetricId(plan.checks.len()));
            plan.checks.push(check);
        }
        ["hook", name, kind] => {
            let kind = [
                HookKind::ConfirmRollout,
                HookKind::PreRollout,
                HookKind::Rollout,
                HookKind::ConfirmTrafficIncrease,
                HookKind::ConfirmPromotion,
                HookKind::PostRollout,
                HookKind::Rollback,
            ]
            .into_iter()
            .find(|k| k.as_str() == *kind)
            .unwrap();
            plan.hooks.push(Hook::new(*name, kind, "http://hooks/"));
        }
        ["gate", name, kind] => {
            set(plan, &["hook", name, kind]);
            plan.hooks.last_mut().unwrap().url.clear();
        }
        _ => panic!("unknown setting {setting:?}"),
    }
}

/// Makes one call and writes what came of it.
fn show(world: &mut World, out: &mut String) -> Wake {
    let asked = world.asked.len();
    let begin = world.now;
    let (decision, performed) = world.call();
    for question in &world.asked[asked..] {
        writeln!(out, "  ask {question:?}").unwrap();
    }
    let done = &decision.effects[..performed];
    let upkeep = done.iter().filter(|e| is_upkeep(e)).count();
    if upkeep > 0 {
        writeln!(out, "  ensure {upkeep}").unwrap();
    }
    for effect in done.iter().filter(|e| !is_upkeep(e)) {
        match effect {
            Effect::Steer(steering) => writeln!(out, "  steer {}", orders(steering)).unwrap(),
            effect => writeln!(out, "  do {effect:?}").unwrap(),
        }
    }
    if let Some(effect) = decision.effects.get(performed) {
        writeln!(out, "  failed {effect:?}").unwrap();
    } else {
        write_commit(world, &decision, out);
        for sentence in world.sentences(&decision.then) {
            writeln!(out, "  {sentence}").unwrap();
        }
    }
    let wake = match decision.wake {
        Wake::At(at) => format!("in {}s", at.duration_since(begin).as_secs()),
        Wake::Now => "at once".into(),
        Wake::OnChange => "on change".into(),
    };
    writeln!(out, "  {}wake {wake}", if decision.tick { "tick, " } else { "" }).unwrap();
    decision.wake
}

/// The orders that stand, and what became of the latest command.
fn orders(steering: &Steering) -> String {
    let mut words = Vec::new();
    words.extend(steering.paused.iter().map(|_| "paused".to_owned()));
    words.extend(steering.promote.iter().map(|p| if p.full { "promote-full" } else { "promote" }.into()));
    words.extend(steering.abort.iter().map(|_| "abort".to_owned()));
    words.extend(steering.retry.iter().map(|_| "retry".to_owned()));
    words.extend(
        steering
            .gates
            .iter()
            .map(|(name, gate)| format!("{name} {}", if gate.open { "open" } else { "closed" })),
    );
    let last = steering.acknowledged.first();
    let last = last.map_or("nothing".into(), |a| {
        format!("{}: {}{}", a.id, if a.refused { "refused, " } else { "" }, a.text)
    });
    format!("[{}] {last}", words.join(", "))
}

fn is_upkeep(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::EnsureServices
            | Effect::EnsurePrimary
            | Effect::EnsureAutoscaler
            | Effect::EnsureApex
            | Effect::EnsureRoutes
    )
}

fn write_commit(world: &World, decision: &Decision, out: &mut String) {
    match &decision.commit {
        Commit::Nothing => {}
        Commit::ReleaseFinalizer => writeln!(out, "  commit: finalizer released").unwrap(),
        Commit::Status(s) => {
            let condition = s.condition.as_ref().map_or("", |c| c.status);
            writeln!(
                out,
                "  commit {} weight {} iterations {} failed {} applied {} promoted {} ({condition})",
                s.phase, s.weight, s.iterations, s.failed_checks, s.last_applied, s.last_promoted
            )
            .unwrap();
            assert_eq!(&world.status, &**s);
        }
    }
}
