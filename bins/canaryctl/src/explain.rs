//! `canaryctl explain`: in plain words, what a canary waits for, or why it was rolled back, and what to do.

use std::io::Write;
use std::process::ExitCode;

use canary_api::MetricSpec;
use canary_core::{Check, HookKind, Phase, Plan};
use jiff::Timestamp;

use crate::get::check_name;
use crate::live::{Cluster, ClusterArgs, Facts, age, pick, span};

/// The flags of `explain`.
#[derive(clap::Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Name of the canary.
    pub(crate) name: String,
    /// The mesh or ingress of canaries that name none.
    #[arg(long, default_value = "istio")]
    pub(crate) mesh_provider: String,
}

impl Explain {
    pub(crate) async fn run(
        &self,
        cluster: &Cluster,
        now: Timestamp,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let canary = match pick(cluster, &self.name).await? {
            Ok(canary) => canary,
            Err(missing) => {
                writeln!(out, "{missing}")?;
                return Ok(ExitCode::from(3));
            }
        };
        let facts = Facts::read(cluster, &canary, &self.mesh_provider).await;
        for paragraph in paragraphs(&facts, now) {
            writeln!(out, "{paragraph}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What there is to say, one thought each.
fn paragraphs(facts: &Facts, now: Timestamp) -> Vec<String> {
    let name = &facts.name;
    let plan = match &facts.valid {
        Ok((_, plan)) => plan,
        Err(problem) => {
            return vec![
                format!("The controller cannot use this canary, so its rollout rests: {problem}."),
                "Mend the field and apply the canary again; `canaryctl lint FILE` shows the line.".into(),
            ];
        }
    };
    let mut all = Vec::new();
    if facts.pending().is_some() {
        all.push("A command was given and the controller has not taken it: it is not running, or it may not patch canaries.".into());
    }
    if facts.suspended {
        all.push("The canary is suspended, so nothing is done. Set spec.suspend to false to go on.".into());
        return all;
    }
    if let Some(paused) = &facts.steering.paused {
        let why = if paused.reason.is_empty() { String::new() } else { format!(" ({})", paused.reason) };
        all.push(format!(
            "The rollout was paused by {} {} ago{why} and stays at weight {}. Next: `canaryctl resume {name}`.",
            paused.by,
            age(paused.at, now),
            facts.weight()
        ));
    }
    all.extend(position(facts, plan, now));
    all
}

fn position(facts: &Facts, plan: &Plan, now: Timestamp) -> Vec<String> {
    let name = &facts.name;
    match facts.phase() {
        Phase::Unset => vec!["The controller has not seen this canary yet. If that lasts, it is not running or does not watch this namespace.".into()],
        Phase::Initializing => {
            let mut all = vec![format!(
                "The primary is being set up: {}-primary must be rolled out before the Service points at it.",
                plan.target
            )];
            all.extend(pods(facts));
            all
        }
        Phase::Initialized | Phase::Succeeded => vec![format!(
            "Nothing is being rolled out: the primary runs the revision of {}. A change of its pod template, or of a ConfigMap or Secret that it uses, starts a rollout.",
            plan.target
        )],
        Phase::Waiting => gate(facts, plan, HookKind::ConfirmRollout, "A new revision waits for leave to be brought up."),
        Phase::WaitingPromotion => {
            gate(facts, plan, HookKind::ConfirmPromotion, "The analysis is complete and waits for leave to promote.")
        }
        Phase::Progressing => progress(facts, plan, now),
        Phase::Promoting => {
            let mut all = vec!["The analysis passed. The primary gets the new revision, and traffic moves back to it once its pods are ready.".into()];
            all.extend(pods(facts));
            all
        }
        Phase::Finalising => vec!["All traffic is on the primary with the new revision; the target is about to be scaled down.".into()],
        Phase::Failed => failure(facts, plan, name, now),
        Phase::Terminating | Phase::Terminated => vec!["The canary is being deleted, and what was changed for it is changed back.".into()],
    }
}

fn gate(facts: &Facts, plan: &Plan, kind: HookKind, what: &str) -> Vec<String> {
    let mut all = vec![what.to_owned()];
    for hook in plan.hooks.iter().filter(|h| h.kind == kind) {
        let order = facts.steering.gates.get(&hook.name);
        all.push(match order {
            Some(gate) if !gate.open => format!("Gate {} was denied by {}.", hook.name, gate.order.by),
            Some(gate) => format!("Gate {} was approved by {}.", hook.name, gate.order.by),
            None if hook.url.is_empty() => format!("Gate {} is opened by a person.", hook.name),
            None => format!("Gate {} is asked every {}: its web service says no.", hook.name, interval(plan)),
        });
    }
    all.push(format!(
        "Next: `canaryctl approve {0}`, or `canaryctl abort {0}` to give the revision up.",
        facts.name
    ));
    all
}

fn progress(facts: &Facts, plan: &Plan, now: Timestamp) -> Vec<String> {
    let mut all = vec![format!(
        "The new revision is being analysed at weight {} of {}; every {} its checks are made and it may make a step.",
        facts.weight(),
        plan.strategy.max_weight(),
        interval(plan)
    )];
    all.extend(pods(facts));
    let moved = facts.events.iter().find(|e| e.text.starts_with("Advance "));
    let halted = facts.events.iter().find(|e| e.warning && e.text.starts_with("Halt"));
    if let Some(halt) = halted.filter(|h| moved.is_none_or(|m| m.at < h.at)) {
        all.push(format!("{} ago it made no step: {}.", age(halt.at, now), halt.text));
        all.extend(about_check(facts, plan, &halt.text));
        if halt.text.contains("approval") {
            all.push(format!("Next: `canaryctl approve {}`.", facts.name));
        }
    }
    all.extend(failed_check(facts, now));
    let failed = facts.status.failed_checks;
    if failed > 0 {
        let left = i64::from(plan.threshold) - i64::from(failed);
        all.push(format!("{failed} checks failed; {} more and it is rolled back.", left.max(0)));
    }
    all
}

/// The check that an event speaks of: what it asks and which values are good.
fn about_check(facts: &Facts, plan: &Plan, text: &str) -> Option<String> {
    let Ok((valid, _)) = &facts.valid else { return None };
    let specs = valid.metric_specs();
    let check: &Check =
        plan.checks.iter().find(|c| text.contains(check_name(c)) || text.contains(&c.name))?;
    let spec: &MetricSpec = specs.get(check.index)?;
    let bounds = match (check.bounds.min, check.bounds.max) {
        (Some(min), Some(max)) => format!("between {min} and {max}"),
        (Some(min), None) => format!("{min} or more"),
        (None, Some(max)) => format!("{max} or less"),
        (None, None) => "anything".into(),
    };
    let asked = match (&spec.template, &spec.query) {
        (Some((namespace, name)), _) => format!("the query of MetricTemplate {name} in {namespace}"),
        (None, Some(query)) => {
            format!("the query `{}`", query.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        (None, None) => format!("the built-in query for {}", plan.provider),
    };
    let window = spec.interval.as_deref().unwrap_or("1m");
    let hint = if text.contains("no values found") {
        " No value means no traffic in that window: send some to the canary, or look at the query."
    } else {
        ""
    };
    Some(format!("Check {} is {asked} over {window}; good is {bounds}.{hint}", check.name))
}

/// What was asked when a check failed for the last time, and what that means.
fn failed_check(facts: &Facts, now: Timestamp) -> Option<String> {
    let failed = facts.failed_check.as_ref()?;
    let meaning = match failed.trouble.as_str() {
        "BadValue" => "the canary is out of bounds",
        "NoData" => "the backend answered and has no value",
        "ProviderUnreachable" => "the backend could not be asked, which says nothing of the canary",
        _ => "the query or its provider's settings are wrong, which says nothing of the canary",
    };
    Some(format!("Last failed check, {} ago: {meaning}. {}.", age(failed.at, now), failed.text))
}

fn failure(facts: &Facts, plan: &Plan, name: &str, now: Timestamp) -> Vec<String> {
    let mut all = vec![if facts.status.weight == 100 {
        format!(
            "The promotion failed: the primary could not serve, so {} still has all traffic.",
            plan.target
        )
    } else {
        "The rollout failed: all traffic is on the primary, and the target was scaled down.".into()
    }];
    let causes = facts.events.iter().filter(|e| e.warning).map(|e| e.text.as_str());
    let why = facts.history.first().map(|r| r.reason.clone()).filter(|r| !r.is_empty());
    let why = why.or_else(|| causes.clone().find(|t| t.starts_with("Rolling back")).map(str::to_owned));
    if let Some(why) = &why {
        all.push(format!("Why: {why}."));
    }
    let halted = why.iter().map(String::as_str).chain(causes).find_map(|text| about_check(facts, plan, text));
    all.extend(halted);
    all.extend(failed_check(facts, now));
    all.push(format!(
        "Next: apply a mended revision, which starts by itself; or `canaryctl retry {name}` for the same one; `canaryctl history {name}` shows the rollouts before."
    ));
    all
}

/// Pods that are not ready.
fn pods(facts: &Facts) -> Vec<String> {
    let sides = [&facts.target, &facts.primary];
    let bad = sides.into_iter().flatten().flat_map(|s| &s.pods).filter(|p| !p.ready);
    bad.map(|p| format!("Pod {} is not ready: {}, {} restarts.", p.name, p.state, p.restarts)).collect()
}

fn interval(plan: &Plan) -> String {
    span(i64::try_from(plan.interval.as_secs()).unwrap_or(0))
}
