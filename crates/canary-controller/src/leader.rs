//! Leader election by a Lease, compatible with client-go's: of several controllers one works, the others stand by.
//!
//! Not a general lock. What makes it safe is in [`Election::lead`].

mod lease;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use self::lease::{Observation, claimed, released};
use crate::clock::Clock;

/// The name of the Lease. It is Flagger's, so that a controller of either kind keeps the other out while one replaces the
/// other.
pub(crate) const LEASE_NAME: &str = "flagger-leader-election";

/// How long things last. The defaults are Flagger's.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTiming {
    /// How long a holder that does not renew keeps others out.
    pub lease: Duration,
    /// How long the holder goes on without a successful renewal.
    pub renew_deadline: Duration,
    /// Time between tries, to renew as to take over.
    pub retry: Duration,
}

impl Default for LeaseTiming {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            renew_deadline: Duration::from_secs(15),
            retry: Duration::from_secs(5),
        }
    }
}

impl LeaseTiming {
    /// When work that does not stop by itself is dropped, counted from the last renewal: one retry before others may lead.
    fn last_moment(&self) -> Duration {
        self.lease.saturating_sub(self.retry).max(self.renew_deadline)
    }
}

/// One candidate.
pub struct Election {
    leases: Api<Lease>,
    namespace: String,
    identity: String,
    clock: Arc<dyn Clock>,
    timing: LeaseTiming,
}

impl Election {
    /// A candidate for the Lease `flagger-leader-election` in `namespace`. `identity` must differ between processes, also
    /// between a process and its successor on the same machine: `<hostname>_<uuid>`.
    ///
    /// `clock` gives the times that the Lease shows. Decisions are never made on them, since another machine's clock may
    /// differ: a holder counts as gone once its record has not changed for the length of the lease while we looked.
    pub fn new(
        client: Client,
        namespace: impl Into<String>,
        identity: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let namespace = namespace.into();
        Self {
            leases: Api::namespaced(client, &namespace),
            namespace,
            identity: identity.into(),
            clock,
            timing: LeaseTiming::default(),
        }
    }

    /// With other times.
    #[must_use]
    pub fn with_timing(mut self, timing: LeaseTiming) -> Self {
        self.timing = timing;
        self
    }

    /// Waits until this candidate leads, then runs `work`. `None`: `shutdown` came before it led.
    ///
    /// No other candidate leads before the work has stopped:
    /// - `work` gets a token that is cancelled by `shutdown`, and when the lease could not be renewed for
    ///   [`LeaseTiming::renew_deadline`]. It is expected to end soon after.
    /// - After `shutdown` the lease is renewed until `work` has ended, and only then released.
    /// - Work that was told to stop since renewals fail is dropped before the lease expires for others. So everything that
    ///   it does must end when its future is dropped: keep spawned tasks in a `JoinSet` that it owns.
    ///
    /// A process that was frozen for longer than the lease cannot know it; what it writes then must be conditional.
    ///
    /// # Errors
    /// [`LeadershipLost`]: the work was stopped since the lease could not be renewed. Start a new candidate, or exit.
    pub async fn lead<T, W: Future<Output = T>>(
        self,
        shutdown: CancellationToken,
        work: impl FnOnce(CancellationToken) -> W,
    ) -> Result<Option<T>, LeadershipLost> {
        tracing::info!(identity = %self.identity, namespace = %self.namespace, "waiting to lead");
        let Some(mut held) = shutdown.run_until_cancelled(self.take()).await else {
            return Ok(None);
        };
        tracing::info!(identity = %self.identity, "leading");

        let stop = shutdown.child_token();
        let mut work = pin!(work(stop.clone()));
        tokio::select! {
            result = &mut work => {
                self.release(held.lease).await;
                return Ok(Some(result));
            }
            () = self.hold(&mut held) => {}
        }
        tracing::error!(identity = %self.identity, "the lease could not be renewed; stopping");
        stop.cancel();
        let stopped = timeout_at(held.renewed + self.timing.last_moment(), work).await.is_ok();
        Err(LeadershipLost { namespace: self.namespace, identity: self.identity, stopped })
    }

    /// Tries until the lease is ours.
    async fn take(&self) -> Held {
        let mut observation = None;
        loop {
            match self.bounded(self.try_take(&mut observation)).await {
                Ok(Some(held)) => return held,
                Ok(None) => {}
                Err(Failure::Outdated) => tracing::debug!("another candidate was faster"),
                Err(failure) => tracing::warn!(%failure, "the lease cannot be taken"),
            }
            sleep(self.timing.retry).await;
        }
    }

    async fn try_take(&self, observation: &mut Option<Observation>) -> Result<Option<Held>, Failure> {
        let Some(found) = self.leases.get_opt(LEASE_NAME).await? else {
            return self.create().await;
        };
        let spec = found.spec.clone().unwrap_or_default();
        let seen = Observation::update(observation, spec, Instant::now());
        if seen.keeps_out(&self.identity, self.timing.lease, Instant::now()) {
            tracing::debug!(holder = seen.holder(), "another one leads");
            return Ok(None);
        }
        self.write(found).await.map(Some)
    }

    async fn create(&self) -> Result<Option<Held>, Failure> {
        let mut lease = Lease::default();
        lease.metadata.name = Some(LEASE_NAME.to_owned());
        lease.metadata.namespace = Some(self.namespace.clone());
        lease.spec = Some(self.claim(&LeaseSpec::default()));
        let sent = Instant::now();
        let lease = self.leases.create(&PostParams::default(), &lease).await?;
        Ok(Some(Held { lease, renewed: sent }))
    }

    /// Writes our claim over `lease`, unless that has changed meanwhile.
    async fn write(&self, mut lease: Lease) -> Result<Held, Failure> {
        lease.spec = Some(self.claim(&lease.spec.unwrap_or_default()));
        lease.metadata.managed_fields = None;
        // Counted from before the request: others cannot have seen the renewal earlier, whenever the answer comes.
        let sent = Instant::now();
        let lease = self.leases.replace(LEASE_NAME, &PostParams::default(), &lease).await?;
        Ok(Held { lease, renewed: sent })
    }

    fn claim(&self, before: &LeaseSpec) -> LeaseSpec {
        claimed(before, &self.identity, self.timing.lease, self.clock.now())
    }

    /// Renews until that failed for the length of the deadline, or another one holds the lease.
    async fn hold(&self, held: &mut Held) {
        loop {
            let deadline = held.renewed + self.timing.renew_deadline;
            sleep_until(deadline.min(Instant::now() + self.timing.retry)).await;
            match timeout_at(deadline, self.bounded(self.renew(&held.lease))).await {
                Ok(Ok(renewed)) => *held = renewed,
                Ok(Err(Failure::Taken(holder))) => {
                    tracing::error!(holder, "another one holds the lease");
                    return;
                }
                Ok(Err(failure)) => tracing::warn!(%failure, "the lease could not be renewed yet"),
                Err(_) => return,
            }
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<Held, Failure> {
        match self.write(lease.clone()).await {
            Err(Failure::Outdated) => self.write(self.ours().await?).await,
            other => other,
        }
    }

    /// The newest version of the lease, provided that we hold it. Ours may be outdated since somebody touched the object,
    /// or since a renewal had effect whose answer we never saw.
    async fn ours(&self) -> Result<Lease, Failure> {
        let found = self.leases.get(LEASE_NAME).await?;
        let holder = found.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        if holder == self.identity { Ok(found) } else { Err(Failure::Taken(holder.to_owned())) }
    }

    /// Lets others lead at once. Best effort: a lease that is not released expires.
    async fn release(&self, lease: Lease) {
        let released = self.bounded(async {
            match self.give_back(lease).await {
                Err(Failure::Outdated) => self.give_back(self.ours().await?).await,
                other => other,
            }
        });
        match released.await {
            Ok(()) => tracing::info!(identity = %self.identity, "released the lease"),
            Err(failure) => tracing::warn!(%failure, "the lease could not be released"),
        }
    }

    async fn give_back(&self, mut lease: Lease) -> Result<(), Failure> {
        lease.spec = Some(released(lease.spec.as_ref(), self.clock.now()));
        lease.metadata.managed_fields = None;
        self.leases.replace(LEASE_NAME, &PostParams::default(), &lease).await?;
        Ok(())
    }

    /// No request about the lease takes longer than the time between tries: one that hangs must not use up the deadline.
    async fn bounded<T>(&self, request: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        timeout(self.timing.retry, request).await.unwrap_or(Err(Failure::TooSlow(self.timing.retry)))
    }
}

/// The lease as we wrote it last.
struct Held {
    lease: Lease,
    /// Just before the last renewal was sent.
    renewed: Instant,
}

/// The work was stopped, as the lease could not be renewed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{identity} lost the lease {LEASE_NAME}.{namespace}{}",
    if *.stopped { "" } else { ", and its work had to be interrupted" }
)]
pub struct LeadershipLost {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Who lost it.
    pub identity: String,
    /// The work ended by itself in time; else it was dropped.
    pub stopped: bool,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The lease changed since we read it.
    #[error("the lease changed meanwhile")]
    Outdated,
    #[error("held by {0:?}")]
    Taken(String),
    #[error("no answer within {0:?}")]
    TooSlow(Duration),
    /// kube prints a status twice; its message says it once.
    #[error("{}", .0.message)]
    Refused(Box<kube::core::Status>),
    #[error("{0}")]
    Unreachable(kube::Error),
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Unreachable(error);
        };
        if status.is_conflict() || status.is_already_exists() {
            Self::Outdated
        } else {
            Self::Refused(status)
        }
    }
}

#[cfg(test)]
mod tests;
