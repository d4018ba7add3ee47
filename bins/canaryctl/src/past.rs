//! `canaryctl history`: the last rollouts of a canary.

use std::io::Write;
use std::process::ExitCode;

use jiff::Timestamp;

use crate::list::{Format, print};
use crate::live::{Cluster, ClusterArgs, Table, age, pick, span};

/// The flags of `history`.
#[derive(clap::Args)]
pub(crate) struct Past {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Name of the canary.
    pub(crate) name: String,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

impl Past {
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
        let history = canary_api::history(&canary.metadata);
        match self.output {
            Format::Json | Format::Yaml => print(&history, self.output, out)?,
            Format::Name => {
                for rollout in &history {
                    writeln!(out, "{}", rollout.revision)?;
                }
            }
            Format::Text | Format::Wide if history.is_empty() => writeln!(out, "no rollout is over yet")?,
            Format::Text | Format::Wide => {
                let mut table = Table::new(&["REVISION", "IMAGE", "ENDED", "TOOK", "OUTCOME", "REASON"]);
                for rollout in history {
                    let took =
                        rollout.started.zip(rollout.ended).map(|(a, b)| span(b.duration_since(a).as_secs()));
                    table.row(vec![
                        rollout.revision,
                        rollout.images.join(","),
                        rollout.ended.map(|t| format!("{} ago", age(t, now))).unwrap_or_default(),
                        took.unwrap_or_default(),
                        rollout.outcome,
                        rollout.reason,
                    ]);
                }
                table.write(out)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
