//! The task endpoint: what Flagger's load tester does with a hook that is no gate.

use std::sync::Arc;

use canary_load::Target;
use http::StatusCode;

use crate::access::Caller;
use crate::answers::{Reply, empty, forbidden, text};
use crate::command::{Ended, Invocation, run};
use crate::flags::Commands;
use crate::hey::{self, Ceilings, Hey};
use crate::payload::Payload;
use crate::queue::Refused;
use crate::run_load::{Order, origin, targets_for};
use crate::state::State;
use crate::tokens::Role;
use crate::{concord, judge, lifetime, load, ngrinder};

/// Does what the metadata asks for.
pub(crate) async fn perform(state: &Arc<State>, caller: &Caller, payload: Payload) -> Reply {
    if payload.metadata.is_empty() {
        return text(StatusCode::BAD_REQUEST, "metadata not found in payload");
    }
    if !caller.may(Role::Run, &payload.namespace) {
        return refuse(caller);
    }
    let cmd = payload.get("cmd").unwrap_or_default().to_owned();
    match payload.get("type").unwrap_or("cmd") {
        "bash" => blocking(state, caller, &payload, Invocation::shell("bash", &cmd), cmd).await,
        "helm" | "helmv3" => blocking(state, caller, &payload, Invocation::words("helm", &cmd), cmd).await,
        "kubectl" => blocking(state, caller, &payload, Invocation::words("kubectl", &cmd), cmd).await,
        "cmd" if !payload.metadata.contains_key("cmd") => {
            text(StatusCode::BAD_REQUEST, "cmd not found in metadata")
        }
        "cmd" => queued(state, caller, &payload, cmd),
        // They call any address that the metadata names, which is as much as a command may.
        "concord" | "ngrinder" if may_command(state, caller).is_err() => {
            may_command(state, caller).err().map_or_else(forbidden, |refusal| *refusal)
        }
        "concord" => {
            let (state, timeout) = (state.clone(), state.timeout);
            let work = async move {
                let outcome = concord::run(&payload, timeout).await;
                outcome.map_or_else(|why| text(state.failed, why), |()| empty(StatusCode::OK))
            };
            unbound(work).await
        }
        "ngrinder" => match ngrinder::Test::of(&payload) {
            Err(why) => text(StatusCode::BAD_REQUEST, why),
            Ok(test) => {
                let identity = format!("{}{}", payload.canary(), test.clone_id());
                let timeout = state.timeout;
                enqueue(state, &payload, identity, move |stop| async move {
                    match test.run(timeout, &stop).await {
                        Ok(()) => tracing::info!("ngrinder test finished"),
                        Err(why) => tracing::error!(why, "ngrinder test failed"),
                    }
                })
            }
        },
        "check" => judge::hook(state, &payload),
        "load" => {
            let (state, caller) = (state.clone(), caller.clone());
            unbound(async move {
                match load::start(&state, &caller, &payload, None).await {
                    Ok(_) => empty(StatusCode::ACCEPTED),
                    Err(refusal) => *refusal,
                }
            })
            .await
        }
        other => text(StatusCode::BAD_REQUEST, format!("unknown task type {other}")),
    }
}

/// Who may not is told no more than Flagger tells; the log has the reason.
pub(crate) fn refuse(caller: &Caller) -> Reply {
    tracing::warn!(caller = caller.describe(), "a request was refused");
    forbidden()
}

/// Whether the caller may have a command run; if not, the answer.
fn may_command(state: &State, caller: &Caller) -> Result<(), Box<Reply>> {
    let by_mode = match (state.commands, caller) {
        (Commands::None, _) => Err("-commands=none forbids commands"),
        (_, Caller::Nobody(_) | Caller::Resumed(_)) => Err("there is no right to run commands"),
        (Commands::Bound, Caller::Token(..) | Caller::Signed) => Err(
            "only commands that a webhook of a live Canary names are run; -commands=shell would run those of other callers",
        ),
        (Commands::Bound | Commands::Shell, _) => Ok(()),
    };
    by_mode.map_err(|why| Box::new(text(StatusCode::FORBIDDEN, why)))
}

/// Runs a command and answers with its outcome.
async fn blocking(
    state: &Arc<State>,
    caller: &Caller,
    payload: &Payload,
    invocation: Invocation,
    cmd: String,
) -> Reply {
    if let Err(refusal) = may_command(state, caller) {
        return *refusal;
    }
    let identity = format!("blocking {}", uuid::Uuid::new_v4());
    let Ok(place) = state.queue.enter(identity, &payload.namespace, state.max_tasks) else {
        return too_many(&payload.namespace);
    };
    let (with_output, canary) = (payload.is_set("returnCmdOutput"), payload.canary());
    let state = state.clone();
    unbound(async move {
        let Ended { output, failure } = run(&invocation, &state.bounds, state.timeout, &place.stop).await;
        log(&canary, &cmd, &output, failure.as_deref(), true);
        match failure {
            None if with_output => text(StatusCode::OK, output),
            None => empty(StatusCode::OK),
            Some(failure) => text(state.failed, format!("command {cmd} failed: {output}: {failure}")),
        }
    })
    .await
}

/// The work goes on when the caller hangs up, as in Flagger.
pub(crate) async fn unbound(work: impl Future<Output = Reply> + Send + 'static) -> Reply {
    match tokio::spawn(work).await {
        Ok(reply) => reply,
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Starts a command soon; simple calls of hey become load of the engine.
fn queued(state: &Arc<State>, caller: &Caller, payload: &Payload, cmd: String) -> Reply {
    let identity = format!("{}{cmd}", payload.canary());
    if let Some(hey) = Hey::parse(&cmd) {
        return hey_load(state, caller, payload, identity, &hey);
    }
    if let Err(refusal) = may_command(state, caller) {
        return *refusal;
    }
    if let Some(why) = hey::missing(&cmd, &std::env::var_os("PATH").unwrap_or_default()) {
        return text(StatusCode::BAD_REQUEST, why);
    }
    let (shared, with_output, canary) = (state.clone(), payload.is_set("logCmdOutput"), payload.canary());
    let bound_to = bound_to(payload);
    enqueue(state, payload, identity, move |stop| async move {
        let invocation = Invocation::shell("sh", &cmd);
        let work = run(&invocation, &shared.bounds, shared.timeout, &stop);
        let ended = match &bound_to {
            None => work.await,
            Some((namespace, name)) => tokio::select! {
                ended = work => ended,
                () = lifetime::over(&shared.canaries, namespace, name) => {
                    tracing::info!(canary, "the canary is not progressing any more: command stopped");
                    return;
                }
            },
        };
        log(&canary, &cmd, &ended.output, ended.failure.as_deref(), with_output);
    })
}

/// The canary whose end of progress ends a task.
pub(crate) fn bound_to(payload: &Payload) -> Option<(String, String)> {
    (payload.phase == "Progressing").then(|| (payload.namespace.clone(), payload.name.clone()))
}

/// Load of the engine in the place of a call of hey.
fn hey_load(state: &Arc<State>, caller: &Caller, payload: &Payload, identity: String, hey: &Hey) -> Reply {
    let target: Target = match hey.url.parse() {
        Ok(target) => target,
        Err(error) => return text(StatusCode::BAD_REQUEST, format!("{error}")),
    };
    let targets = targets_for(state, caller, payload, &[target.host()]);
    if let Err(why) = targets.permit_host(target.host()) {
        return text(StatusCode::FORBIDDEN, why);
    }
    let mut plan = match hey.plan(Ceilings {
        connections: state.max_connections,
        rate: state.max_rate,
        duration: state.timeout,
    }) {
        Ok(plan) => plan,
        Err(error) => return text(StatusCode::BAD_REQUEST, format!("{error:#}")),
    };
    plan.addresses = Arc::new(targets);
    // hey's load ends by itself, so that no lease is needed; and it is called again sooner than a process starts.
    let (id, first) = origin(None);
    let order = Order { identity, id, first, name: target.to_string(), plan, lease: None, kept: None };
    order.answer(state, payload, |_| std::future::pending())
}

fn enqueue<F>(
    state: &Arc<State>,
    payload: &Payload,
    identity: String,
    task: impl FnOnce(tokio_util::sync::CancellationToken) -> F,
) -> Reply
where
    F: Future<Output = ()> + Send + 'static,
{
    match state.queue.add(identity, &payload.namespace, state.max_tasks, task) {
        Ok(()) => empty(StatusCode::ACCEPTED),
        // Flagger: it is not queued again, and the caller does not learn of it.
        Err(Refused::Running) => {
            tracing::info!(canary = payload.canary(), "command skipped: it is already running");
            empty(StatusCode::ACCEPTED)
        }
        Err(Refused::TooMany) => too_many(&payload.namespace),
    }
}

pub(crate) fn too_many(namespace: &str) -> Reply {
    text(
        StatusCode::TOO_MANY_REQUESTS,
        format!("namespace {namespace} has as many tasks under way as -max-tasks allows"),
    )
}

fn log(canary: &str, cmd: &str, output: &str, failure: Option<&str>, with_output: bool) {
    match failure {
        Some(failure) => tracing::error!(canary, cmd, failure, output, "command failed"),
        None if with_output => tracing::info!(canary, cmd, output, "command finished"),
        None => tracing::info!(canary, cmd, "command finished"),
    }
}
