//! The task type `load` with a scenario: fetched anew for each run, and held to what its Canary may.

mod cluster_files;
mod journal;
mod running;
mod wanted;

use std::collections::BTreeMap;
use std::sync::Arc;

use canary_api::Canary;
use canary_scenario::{CanaryNames, Fetcher, Scenario, Setting};
use http::StatusCode;
use jiff::Timestamp;

use self::cluster_files::ClusterFiles;
pub(crate) use self::journal::{Writes, sweep};
pub(crate) use self::running::{Ending, Running};
use self::wanted::Wanted;
use crate::access::Caller;
use crate::answers::{Reply, text};
use crate::beside::{Beside, opened};
use crate::canaries;
use crate::flags::{SharedSecret, SourceLogin};
use crate::load::{follow_weight, usual_lease};
use crate::payload::Payload;
use crate::primary::PrimaryLimits;
use crate::real_traffic::Source;
use crate::resume::Kept;
use crate::run_load::{Begun, Order, enter, lasting, origin, targets_for};
use crate::runs::Record;
use crate::state::State;

/// The annotation of a Canary whose scenarios may write.
const MAY_WRITE: &str = "canaryd/allow-load-writes";

/// What the flags say about scenarios.
pub(crate) struct Scenarios {
    pub(crate) fetcher: Fetcher,
    pub(crate) secrets: Arc<[SharedSecret]>,
    pub(crate) logins: Arc<[SourceLogin]>,
    /// Whether any may write.
    pub(crate) allow_writes: bool,
    pub(crate) writes: Writes,
}

/// A refusal with a sentence.
fn refuse(status: StatusCode) -> impl Fn(String) -> Box<Reply> {
    move |why| Box::new(text(status, why))
}

/// Starts the scenario that the metadata name, or renews it when it is there already. `resumed`: the run of a process before
/// this one, and when it began.
///
/// # Errors
/// The answer to whoever may not, or asks for what cannot be.
pub(crate) async fn start(
    state: &Arc<State>,
    caller: &Caller,
    payload: &Payload,
    resumed: Option<(String, Timestamp)>,
) -> Result<Begun, Box<Reply>> {
    let wanted = Wanted::of(payload).map_err(refuse(StatusCode::BAD_REQUEST))?;
    // Another revision is other load, which takes the place of this one. So are other metadata, beside this one.
    let beginning = format!("{} scenario {}\n", payload.canary(), wanted.digest);
    let identity = format!("{beginning}{}", payload.checksum);
    state.queue.stop_others(&beginning, &identity);
    let place = match enter(state, payload, &identity)? {
        Ok(place) => place,
        Err(begun) => return Ok(begun),
    };
    let mut over = lasting(state, payload);
    let (id, first) = origin(resumed);
    // What an earlier process has entered in the journal is of another run.
    let run = match first {
        Some(_) => format!("{id}-{}", Timestamp::now().as_second()),
        None => id.clone(),
    };
    let prepared = tokio::select! {
        prepared = prepare(state, caller, payload, &wanted, run) => prepared?,
        () = &mut over => return Err(refuse(StatusCode::CONFLICT)("the canary has left its phase".to_owned())),
        () = place.stop.cancelled() => {
            return Err(refuse(StatusCode::CONFLICT)("something else has taken its place".to_owned()));
        }
    };
    let Prepared { name, running, beside } = prepared;
    let plan = running.plan().clone();
    let lease = wanted.lease.or_else(|| usual_lease(state, caller, payload, plan.duration.is_some()));
    let kept = Some(Kept::of(caller, payload, first));
    let order = Order { identity, id, first, name, plan, lease, kept };
    let (exhausted, weights) = (running.exhausted(), running.weights());
    let (canaries, canary) = (state.canaries.clone(), (payload.namespace.clone(), payload.name.clone()));
    order.start_at(state, payload, (place, over), Some(running), move |record| async move {
        let weighing = async {
            if let Some(weights) = weights {
                follow_weight(&canaries, &canary.0, &canary.1, &record, weights).await;
            }
        };
        tokio::join!(beside.attend(&record), weighing, until_exhausted(exhausted, &record));
    })
}

/// A queue of rows that is empty ends the run.
async fn until_exhausted(is_exhausted: impl Fn() -> bool, record: &Record) {
    let mut snapshots = record.handle().snapshots();
    while snapshots.next().await.is_some() {
        if is_exhausted() {
            return record.stop();
        }
    }
}

/// A scenario that can be run.
struct Prepared {
    name: String,
    running: Running,
    beside: Beside,
}

async fn prepare(
    state: &Arc<State>,
    caller: &Caller,
    payload: &Payload,
    wanted: &Wanted,
    run: String,
) -> Result<Prepared, Box<Reply>> {
    let canary = live(state, caller, payload).await;
    let shared = (state.scenarios.secrets.clone(), state.scenarios.logins.clone());
    let cluster = state.canaries.client().map(|client| ClusterFiles::of(client, &payload.namespace, shared));
    let cluster = cluster.as_ref().map(|cluster| cluster as &dyn canary_scenario::ClusterFiles);
    let fetch = async |sources: &BTreeMap<_, _>| {
        let fetched = state.scenarios.fetcher.fetch(sources, cluster, &BTreeMap::new()).await;
        fetched.map_err(refuse(StatusCode::FAILED_DEPENDENCY))
    };
    let wrong = |mistakes: canary_scenario::Mistakes| refuse(StatusCode::BAD_REQUEST)(mistakes.to_string());
    let (mut files, mut digests) = (Vec::new(), Vec::new());
    for (n, source) in wanted.files.iter().enumerate() {
        let name = if n == 0 { "of the scenario".to_owned() } else { format!("of overlay {n}") };
        let mut file = fetch(&BTreeMap::from([(name, source.clone())])).await?;
        digests.extend(file.digests.pop_first().map(|(_, digest)| digest));
        let content = file.data.pop_first().map(|(_, content)| content).unwrap_or_default();
        let content = String::from_utf8(content.to_vec())
            .map_err(|_| refuse(StatusCode::BAD_REQUEST)(format!("{} is no text", source.label())))?;
        let inline = n > 0 && source.inline.is_some();
        files.push((if inline { format!("overlay {n}") } else { source.label() }, content));
    }
    files.extend(wanted.changes.clone().map(|changes| ("metadata".to_owned(), changes)));
    let scenario = Scenario::layered(&files).map_err(wrong)?;
    if scenario.writes() {
        may_write(state, canary.as_deref(), payload).map_err(refuse(StatusCode::FORBIDDEN))?;
    }
    let fetched = fetch(scenario.sources()).await?;
    let writing = scenario.writes().then(|| state.scenarios.writes.begin(&run)).flatten();
    let setting = Setting {
        params: wanted.params.clone(),
        canary: Some(names(canary.as_deref(), payload)),
        base: wanted.base.clone(),
        target: wanted.target.clone(),
        duration: wanted.duration.clone(),
        ceiling: Some(state.max_rate),
        // Its hook's life ends it.
        must_end: false,
        run,
        writes: writing.is_some(),
        journal: writing.as_ref().map(|writing| writing.journal().clone()),
    };
    let mut ready = scenario.prepare(&setting, &fetched.data).map_err(wrong)?;
    let source =
        ready.top_up.as_ref().map(real_traffic).transpose().map_err(refuse(StatusCode::BAD_REQUEST))?;
    let mut hosts: Vec<String> = ready.plan.targets.iter().map(|target| target.host().to_owned()).collect();
    hosts.extend(source.iter().flat_map(|(_, source)| source.hosts()));
    // A host that only the file names is named by whoever may write the file, who may not be who may write the Canary.
    let named: Vec<&str> =
        hosts.iter().map(String::as_str).filter(|host| wanted::mention(payload, host)).collect();
    let targets = Arc::new(targets_for(state, caller, payload, &named));
    hosts.iter().try_for_each(|host| targets.permit_host(host)).map_err(refuse(StatusCode::FORBIDDEN))?;
    ready.plan.addresses = targets.clone();
    let limits = &mut ready.plan.limits;
    limits.connections = limits.connections.min(state.max_connections);
    let opened = |top_up| opened(top_up, targets, state.canaries.client(), &payload.namespace);
    let top_up = source.map(opened).transpose().map_err(refuse(StatusCode::FORBIDDEN))?;
    let primary = PrimaryLimits::of_scenario(&ready).map_err(refuse(StatusCode::BAD_REQUEST))?;
    let name = scenario.name().to_owned();
    let running = Running::begin(&name, &setting.run, ready, (digests, fetched.digests), writing)
        .map_err(|error| refuse(StatusCode::INTERNAL_SERVER_ERROR)(error.to_string()))?;
    Ok(Prepared { name, running, beside: Beside { top_up, primary } })
}

/// The Canary that the payload names, if there is one.
async fn live(state: &State, caller: &Caller, payload: &Payload) -> Option<Box<Canary>> {
    match caller {
        Caller::Bound(canary) | Caller::Resumed(Some(canary)) => Some(canary.clone()),
        Caller::Anybody
        | Caller::Inside
        | Caller::Token(..)
        | Caller::Signed
        | Caller::Resumed(None)
        | Caller::Nobody(_) => {
            let found = state.canaries.look(&payload.namespace, &payload.name).await;
            found.ok().flatten().map(Box::new)
        }
    }
}

/// Both the load tester and the Canary have to allow it.
fn may_write(state: &State, canary: Option<&Canary>, payload: &Payload) -> Result<(), String> {
    if !state.scenarios.allow_writes {
        return Err(
            "the scenario writes, which this load tester does not do without -allow-writes".to_owned()
        );
    }
    let annotations = canary.and_then(|canary| canary.metadata.annotations.as_ref());
    if annotations.and_then(|all| all.get(MAY_WRITE)).is_some_and(|value| value == "true") {
        return Ok(());
    }
    Err(format!(
        "the scenario writes, which takes the annotation {MAY_WRITE}: \"true\" of the Canary {}",
        payload.canary()
    ))
}

/// What templates know of the canary.
fn names(canary: Option<&Canary>, payload: &Payload) -> CanaryNames {
    let service = canary.and_then(canaries::service).unwrap_or(&payload.name).to_owned();
    let port = canary.and_then(|canary| canary.spec.pointer("/service/port")?.as_u64());
    CanaryNames {
        name: payload.name.clone(),
        namespace: payload.namespace.clone(),
        service,
        port: port.and_then(|port| u16::try_from(port).ok()),
    }
}

/// Where real requests are counted, as the metadata of other load would say it.
pub(crate) fn real_traffic(
    plan: &canary_scenario::TopUpPlan,
) -> Result<(canary_load::TopUpSettings, Source), String> {
    let given = [
        ("prometheus", plan.prometheus.clone()),
        ("pods", plan.pods.clone()),
        ("metrics", plan.metrics.clone()),
        ("query", Some(plan.query.clone())),
        ("scrape", Some(format!("{}ms", plan.scrape.as_millis()))),
    ];
    let metadata = given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    let source = Source::of(&Payload { metadata, ..Payload::default() });
    source.map(|source| (plan.settings, source)).map_err(|why| format!("load.real: {why}"))
}
