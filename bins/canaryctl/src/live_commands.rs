//! The commands about canaries in a cluster.

use std::io::Write;
use std::process::ExitCode;

use canary_core::Verb;
use clap::Subcommand;
use jiff::Timestamp;

use crate::explain::Explain;
use crate::get::Get;
use crate::list::List;
use crate::live::{Cluster, ClusterArgs};
use crate::past::Past;
use crate::steer::{Order, Steer};
use crate::wait::Standing;

/// Commands that need a cluster.
#[derive(Subcommand)]
pub(crate) enum Live {
    /// List canaries.
    List(List),
    /// Show a canary and everything around it as a tree.
    #[command(after_help = "Example:\n  canaryctl get podinfo -n test --watch")]
    Get(Get),
    /// Say how a rollout stands, or wait for its end.
    #[command(after_help = "\
Exit codes:
  0  promoted; without --wait also: under way
  1  rolled back
  2  not over within --timeout
  3  there is no such canary")]
    Status(Standing),
    /// Say in plain words what a canary waits for, or why it was rolled back.
    Explain(Explain),
    /// Show the last rollouts of a canary.
    History(Past),
    /// Promote the new revision once its checks pass, without the remaining steps and gates.
    Promote {
        #[command(flatten)]
        steer: Steer,
        /// Without any further check.
        #[arg(long)]
        full: bool,
    },
    /// Roll back now.
    Abort(Steer),
    /// Stay at the present weight.
    Pause(Steer),
    /// Go on after a pause.
    Resume(Steer),
    /// Roll the failed revision out again.
    Retry(Steer),
    /// Open a gate: the one that the rollout waits at, or the one that is named.
    Approve(Gate),
    /// Close a gate, whatever its web service says.
    Deny(Gate),
}

#[derive(clap::Args)]
pub(crate) struct Gate {
    #[command(flatten)]
    steer: Steer,
    /// Name of the gate.
    #[arg(short, long, value_name = "NAME")]
    gate: Option<String>,
}

impl Live {
    /// Connects to the cluster that the flags name, and does the work.
    pub(crate) fn connect_and_run(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let cluster = self.cluster().connect().await?;
            self.run(&cluster, &Timestamp::now, &mut anstream::stdout()).await
        })
    }

    fn cluster(&self) -> &ClusterArgs {
        match self {
            Self::List(list) => &list.cluster,
            Self::Get(get) => &get.cluster,
            Self::Status(wait) => &wait.cluster,
            Self::Explain(explain) => &explain.cluster,
            Self::History(past) => &past.cluster,
            Self::Approve(gate) | Self::Deny(gate) => &gate.steer.cluster,
            Self::Promote { steer, .. }
            | Self::Abort(steer)
            | Self::Pause(steer)
            | Self::Resume(steer)
            | Self::Retry(steer) => &steer.cluster,
        }
    }

    /// Does the work on that cluster.
    pub(crate) async fn run(
        self,
        cluster: &Cluster,
        now: &dyn Fn() -> Timestamp,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let (steer, order) = match self {
            Self::List(list) => return list.run(cluster, now(), out).await.map(|()| ExitCode::SUCCESS),
            Self::Get(get) => return get.run(cluster, now, out).await,
            Self::Status(wait) => return wait.run(cluster, out).await,
            Self::Explain(explain) => return explain.run(cluster, now(), out).await,
            Self::History(past) => return past.run(cluster, now(), out).await,
            Self::Promote { steer, full: false } => (steer, Order::new(Verb::Promote)),
            Self::Promote { steer, full: true } => (steer, Order::new(Verb::PromoteFull)),
            Self::Abort(steer) => (steer, Order::new(Verb::Abort)),
            Self::Pause(steer) => (steer, Order::new(Verb::Pause)),
            Self::Resume(steer) => (steer, Order::new(Verb::Resume)),
            Self::Retry(steer) => (steer, Order::new(Verb::Retry)),
            Self::Approve(Gate { steer, gate }) => (steer, Order { verb: Verb::Approve, gate }),
            Self::Deny(Gate { steer, gate }) => (steer, Order { verb: Verb::Deny, gate }),
        };
        steer.give(cluster, &order, now, out).await
    }
}
