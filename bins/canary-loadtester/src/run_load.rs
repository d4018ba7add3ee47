//! Load under a canary: whom it may go to, when it ends, and what is told of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use canary_api::Canary;
use canary_load::{Plan, Report};
use http::StatusCode;
use jiff::Timestamp;

use crate::access::Caller;
use crate::answers::{Reply, empty, text};
use crate::canaries::{Watched, hosts};
use crate::events;
use crate::flags::Auth;
use crate::lifetime;
use crate::payload::Payload;
use crate::queue::{Place, Refused};
use crate::resume::{self, Kept};
use crate::runs::{Aborted, Beginning, Label, Record};
use crate::scenarios::{Ending, Running};
use crate::state::State;
use crate::targets::Targets;
use crate::tasks::{bound_to, too_many};

/// Load that is wanted.
pub(crate) struct Order {
    /// The same load is not started twice at a time.
    pub(crate) identity: String,
    /// Its name among those of the API.
    pub(crate) id: String,
    /// When a process before this one had begun it.
    pub(crate) first: Option<Timestamp>,
    /// Its name among the runs.
    pub(crate) name: String,
    pub(crate) plan: Plan,
    /// It ends when nobody has asked for it again for so long.
    pub(crate) lease: Option<Duration>,
    /// How a next process can go on with it.
    pub(crate) kept: Option<Kept>,
}

/// What became of an order.
pub(crate) enum Begun {
    Fresh(Arc<Record>),
    /// It was there already, and is renewed.
    Running(Arc<Record>),
    /// The same is just ending.
    Ending,
    /// It was aborted not long ago, and is not started again.
    Aborted(Aborted),
}

/// Where load of that caller may go. `named`: hosts in the metadata, which count as named by the Canary if it is bound.
pub(crate) fn targets_for(state: &State, caller: &Caller, payload: &Payload, named: &[&str]) -> Targets {
    let of = |canary: &Canary| state.targets.clone().naming(hosts(canary));
    match caller {
        _ if state.auth == Auth::None => Targets::any(),
        // Who may write the Canary names the targets, in its service as in the metadata.
        Caller::Bound(canary) => of(canary).naming(named.iter().map(|&host| host.to_owned())),
        Caller::Resumed(Some(canary)) if crate::canaries::has_metadata(canary, payload) => {
            of(canary).naming(named.iter().map(|&host| host.to_owned()))
        }
        Caller::Resumed(Some(canary)) => of(canary),
        Caller::Anybody
        | Caller::Inside
        | Caller::Token(..)
        | Caller::Signed
        | Caller::Resumed(None)
        | Caller::Nobody(_) => match state.canaries.watched(&payload.namespace, &payload.name) {
            Watched::Canary(canary) => of(&canary),
            Watched::Gone | Watched::Unknown => state.targets.clone(),
        },
    }
}

/// The name of a run among those of the API, and when a process before this one had begun it, if that is so.
pub(crate) fn origin(resumed: Option<(String, Timestamp)>) -> (String, Option<Timestamp>) {
    match resumed {
        Some((id, first)) => (id, Some(first)),
        None => (uuid::Uuid::new_v4().to_string(), None),
    }
}

/// Done when the canary has left its phase.
pub(crate) type Lasting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Done when the canary has left the phase in which load was asked for; never for load without a phase.
pub(crate) fn lasting(state: &Arc<State>, payload: &Payload) -> Lasting {
    let (shared, bound_to) = (state.clone(), bound_to(payload));
    Box::pin(async move {
        match &bound_to {
            Some((namespace, name)) => lifetime::over(&shared.canaries, namespace, name).await,
            None => std::future::pending().await,
        }
    })
}

/// A place among the tasks, or what is there already.
///
/// # Errors
/// There are too many.
pub(crate) fn enter(
    state: &State,
    payload: &Payload,
    identity: &str,
) -> Result<Result<Place, Begun>, Box<Reply>> {
    if let Some(aborted) = state.runs.aborted(identity) {
        tracing::info!(canary = payload.canary(), "load that was aborted is not started again");
        return Ok(Err(Begun::Aborted(aborted)));
    }
    match state.queue.enter(identity.to_owned(), &payload.namespace, state.max_tasks) {
        Ok(place) => Ok(Ok(place)),
        // Flagger: it is not queued again, and the caller does not learn of it.
        Err(Refused::Running) => {
            tracing::info!(canary = payload.canary(), "load is there already");
            Ok(Err(state.runs.running(identity).map_or(Begun::Ending, Begun::Running)))
        }
        Err(Refused::TooMany) => Err(Box::new(too_many(&payload.namespace))),
    }
}

impl Order {
    /// Starts it, and answers as the task endpoint does.
    pub(crate) fn answer<D: Future<Output = ()> + Send + 'static>(
        self,
        state: &Arc<State>,
        payload: &Payload,
        drive: impl FnOnce(Arc<Record>) -> D + Send + 'static,
    ) -> Reply {
        match self.start(state, payload, drive) {
            Ok(_) => empty(StatusCode::ACCEPTED),
            Err(refusal) => *refusal,
        }
    }

    /// Starts it, unless it runs already. It ends with its plan, with the progress of the canary, or with its lease.
    pub(crate) fn start<D: Future<Output = ()> + Send + 'static>(
        self,
        state: &Arc<State>,
        payload: &Payload,
        drive: impl FnOnce(Arc<Record>) -> D + Send + 'static,
    ) -> Result<Begun, Box<Reply>> {
        match enter(state, payload, &self.identity)? {
            Ok(place) => self.start_at(state, payload, (place, lasting(state, payload)), None, drive),
            Err(begun) => Ok(begun),
        }
    }

    /// Starts it at a place that it has already. `scenario`: what it is a run of.
    pub(crate) fn start_at<D: Future<Output = ()> + Send + 'static>(
        self,
        state: &Arc<State>,
        payload: &Payload,
        (place, over): (Place, Lasting),
        scenario: Option<Running>,
        drive: impl FnOnce(Arc<Record>) -> D + Send + 'static,
    ) -> Result<Begun, Box<Reply>> {
        let Self { identity, id, first, name, mut plan, lease, kept } = self;
        let most = plan.duration.unwrap_or(state.timeout).min(state.timeout);
        let gone =
            first.map_or(Duration::ZERO, |first| Timestamp::now().duration_since(first).unsigned_abs());
        plan.duration = Some(most.saturating_sub(gone).max(Duration::from_millis(1)));
        let label = Label { namespace: payload.namespace.clone(), canary: payload.name.clone(), name };
        let beginning = Beginning { id, identity: identity.clone(), label, first, stop: place.stop.clone() };
        let attended = state.runs.begin(plan, beginning).map_err(|error| {
            Box::new(text(StatusCode::BAD_REQUEST, format!("the load cannot be started: {error:#}")))
        })?;
        let record = attended.record.clone();
        if let Some(scenario) = &scenario {
            record.set_scenario(scenario.show(), None);
        }
        let (shared, payload) = (state.clone(), payload.clone());
        state.queue.spawn(async move {
            let record = attended.record.clone();
            if let Some(kept) = kept {
                resume::keep(&shared.store, &record, &kept).await;
            }
            let mut work = std::pin::pin!(attended.attend(drive));
            let working = async {
                let report = tokio::select! {
                    report = work.as_mut() => report,
                    reason = async {
                        tokio::select! {
                            () = over => "the canary has left its phase",
                            () = lifetime::expired(&shared.queue, &identity, lease) => "nobody has asked for it again",
                        }
                    } => {
                        tracing::info!(canary = payload.canary(), reason, "load is stopped");
                        place.stop.cancel();
                        work.await
                    }
                };
                place.stop.cancel();
                report
            };
            // At once, so that a process that is killed in this moment has told the next one.
            let remembering = async {
                place.stop.cancelled().await;
                if let Some(aborted) = record.to_remember() {
                    resume::remember(&shared.store, &aborted).await;
                }
            };
            let (report, ()) = tokio::join!(working, remembering);
            // What a process leaves running at its end is for the next one.
            if !shared.closing.is_cancelled() || record.aborted().is_some() {
                resume::forget(&shared.store, &record.id).await;
            }
            let ending = match scenario {
                Some(scenario) => scenario.finish(&record, report.clone()).await,
                None => Ending { is_good: true, ..Ending::default() },
            };
            tell(&shared, &payload, &record, report.as_deref(), &ending).await;
            drop(place);
        });
        Ok(Begun::Fresh(record))
    }
}

/// One line at the end, in the log and as an event of the Canary.
async fn tell(state: &State, payload: &Payload, record: &Record, report: Option<&Report>, ending: &Ending) {
    let canary = payload.canary();
    let Some(report) = report else {
        tracing::error!(canary, "load ended without a report");
        return;
    };
    let (reason, line) = match record.aborted() {
        Some(why) => ("LoadAborted", events::aborted(&record.label.name, why, report)),
        None => ("LoadFinished", events::line(&record.label.name, report)),
    };
    let line = format!("{line}{}", ending.note);
    tracing::info!(canary, "load finished: {line}");
    if let Some(client) = state.canaries.client()
        && let Ok(Some(found)) = state.canaries.look(&payload.namespace, &payload.name).await
    {
        let is_good = report.errors.is_empty() && ending.is_good && record.aborted().is_none();
        events::send(client, &found, (reason, &line), is_good).await;
    }
}
