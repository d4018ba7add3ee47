//! Start, work, stop, in that order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use canary_controller::{
    AdminServer, Clock, Controller, Egress, Election, Readiness, Settings, SystemClock, Telemetry,
};
use canary_routers::Routers;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::environment::Environment;
use crate::flags::{Flags, ProcessFlags};
use crate::{REVISION, VERSION, cluster, preflight};

/// How long everything may take after the signal to stop: more than the controller gives its own parts, and less than the
/// 30 s after which a kubelet kills.
const GRACE: Duration = Duration::from_secs(25);

/// Runs the controller until a signal ends it.
///
/// # Errors
/// What is wrong with a flag, the cluster or the port; or that leadership was lost.
pub(crate) async fn run(flags: Flags, environment: &Environment) -> anyhow::Result<()> {
    let Flags { cluster, rollouts, notices, logging: _, traces: _, process, version: _ } = flags;
    let recipients = notices.recipients(environment)?;
    let mut settings = Settings {
        event_webhook: recipients.event_webhook,
        chat: recipients.chat,
        cluster_name: recipients.cluster_name,
        ..rollouts.settings(known_provider)?
    };
    let shutdown = CancellationToken::new();
    stop_on_signals(shutdown.clone())?;
    tracing::info!(
        version = VERSION,
        revision = REVISION,
        mesh_provider = settings.mesh_provider,
        "starting"
    );

    let clusters = cluster::connect(cluster).await?;
    settings.egress = clusters.servers.iter().fold(settings.egress, Egress::without_api_server);
    let checks = preflight::check(&clusters.main, settings.namespace.as_deref());
    match shutdown.run_until_cancelled(checks).await {
        Some(checked) => checked?,
        None => return Ok(()),
    }

    let telemetry = Telemetry::new(VERSION, REVISION, &settings.mesh_provider);
    let readiness = Readiness::waiting("starting");
    let admin = AdminServer::bind(process.port, telemetry.clone(), readiness.clone()).await?;
    let admin_shutdown = CancellationToken::new();
    let admin = tokio::spawn(admin.serve(admin_shutdown.clone()));

    let works = Works { clusters, settings, telemetry, readiness };
    let outcome = tokio::select! {
        outcome = works.run(process, shutdown.clone()) => outcome,
        () = overdue(&shutdown) => Err(anyhow!("work did not end within {GRACE:?} of the signal to stop")),
    };
    admin_shutdown.cancel();
    admin.await.context("the server of /healthz failed")?;
    outcome
}

/// What the controller is made of.
struct Works {
    clusters: cluster::Clusters,
    settings: Settings,
    telemetry: Telemetry,
    readiness: Readiness,
}

impl Works {
    async fn run(self, process: ProcessFlags, shutdown: CancellationToken) -> anyhow::Result<()> {
        let ProcessFlags { port: _, enable_leader_election, leader_election_namespace } = process;
        if !enable_leader_election {
            return self.control(shutdown).await;
        }
        // Flagger's rule: a controller that is limited to a namespace elects its leader there.
        let namespace = self.settings.namespace.clone().unwrap_or(leader_election_namespace);
        let identity = format!("{}_{}", hostname(), Uuid::new_v4());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let election = Election::new(self.clusters.main.clone(), namespace, identity, clock);
        // A standby that is not ready would hold up the rolling update that is to end the leader.
        self.readiness.ready();
        election.lead(shutdown, |stop| Box::pin(self.control(stop))).await?.unwrap_or(Ok(()))
    }

    async fn control(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { clusters, settings, telemetry, readiness } = self;
        let mut controller = Controller::new(clusters.main, settings)
            .with_telemetry(telemetry)
            .with_readiness(readiness)
            .with_instance(hostname());
        if let Some(mesh) = clusters.mesh {
            controller = controller.with_mesh_client(mesh);
        }
        Ok(controller.run(stop).await?)
    }
}

/// Refuses providers that no router has.
fn known_provider(name: &str) -> anyhow::Result<()> {
    Routers::default().kinds(name)?;
    Ok(())
}

/// The name of the machine, in a pod the pod's.
fn hostname() -> String {
    let kernels = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernels.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    if name.trim().is_empty() { "canaryd".to_owned() } else { name.trim().to_owned() }
}

/// The first SIGTERM or SIGINT stops gracefully, the second at once.
fn stop_on_signals(shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    tokio::spawn(async move {
        for last in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if last {
                tracing::error!("second signal: stopping at once");
                std::process::exit(1);
            }
            tracing::info!("stopping");
            shutdown.cancel();
        }
    });
    Ok(())
}

async fn overdue(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
