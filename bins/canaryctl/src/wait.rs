//! `canaryctl status`: how a rollout stands, and, for pipelines, how it ends.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use canary_core::Phase;

use crate::live::{Cluster, ClusterArgs, Facts, pick};

/// How often the canary is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// An end that another rollout may be about to follow counts when it lasted this long: a change is acted on after a second.
const SETTLED: Duration = Duration::from_secs(4);

/// The flags of `status`.
#[derive(clap::Args)]
pub(crate) struct Standing {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Name of the canary.
    pub(crate) name: String,
    /// Wait for the end of the rollout.
    #[arg(short, long)]
    pub(crate) wait: bool,
    /// How long to wait.
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = crate::command_line::duration)]
    pub(crate) timeout: Duration,
    /// The mesh or ingress of canaries that name none.
    #[arg(long, default_value = "istio")]
    pub(crate) mesh_provider: String,
}

const TIMED_OUT: u8 = 2;
const NOT_FOUND: u8 = 3;

impl Standing {
    /// Exit code 0: promoted (or under way, without --wait), 1: rolled back, 2: not over in time, 3: no such canary.
    pub(crate) async fn run(&self, cluster: &Cluster, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let begin = tokio::time::Instant::now();
        let mut told = String::new();
        let mut under_way = false;
        loop {
            let canary = match pick(cluster, &self.name).await? {
                Ok(canary) => canary,
                Err(missing) => {
                    writeln!(out, "{missing}")?;
                    return Ok(ExitCode::from(NOT_FOUND));
                }
            };
            let facts = Facts::read(cluster, &canary, &self.mesh_provider).await;
            let line = line(&facts);
            if line != told {
                writeln!(out, "{line}")?;
                out.flush()?;
                told = line;
            }
            let code = outcome(&facts);
            if !self.wait {
                return Ok(code.unwrap_or(ExitCode::SUCCESS));
            }
            match code.filter(|_| !is_to_come(&facts)) {
                // An end that was there from the beginning may be of the rollout before: what was applied a moment ago
                // may not have been noticed yet.
                Some(code) if under_way || begin.elapsed() >= SETTLED => return Ok(code),
                Some(_) => {}
                None => under_way |= code.is_none(),
            }
            if begin.elapsed() >= self.timeout {
                writeln!(out, "{} is not over within {} s", facts.label(), self.timeout.as_secs())?;
                return Ok(ExitCode::from(TIMED_OUT));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// At rest, with a target that has other images than the primary: a rollout is about to begin.
fn is_to_come(facts: &Facts) -> bool {
    if !matches!(facts.phase(), Phase::Initialized | Phase::Succeeded) {
        return false;
    }
    match (&facts.target, &facts.primary) {
        (Some(target), Some(primary)) => target.images != primary.images,
        _ => false,
    }
}

fn outcome(facts: &Facts) -> Option<ExitCode> {
    match facts.phase() {
        Phase::Initialized | Phase::Succeeded => Some(ExitCode::SUCCESS),
        Phase::Failed => Some(ExitCode::FAILURE),
        Phase::Unset
        | Phase::Initializing
        | Phase::Waiting
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Promoting
        | Phase::Finalising
        | Phase::Terminating
        | Phase::Terminated => None,
    }
}

fn line(facts: &Facts) -> String {
    let mut parts = vec![format!("{} {} weight {}", facts.label(), facts.phase(), facts.weight())];
    if facts.status.failed_checks > 0 {
        parts.push(format!(" failed checks {}", facts.status.failed_checks));
    }
    parts.extend(facts.steering.paused.iter().map(|paused| format!(" paused by {}", paused.by)));
    if facts.phase() == Phase::Failed {
        parts.extend(facts.history.first().map(|rollout| format!(": {}", rollout.reason)));
    }
    parts.concat()
}
