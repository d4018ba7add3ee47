//! Our own paths: runs and gates.

use std::sync::Arc;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use canary_api::GoDuration;

use crate::access::{Asked, Caller};
use crate::answers::{Reply, events, json as reply, of_type, text};
use crate::gates::{KINDS, Opening};
use crate::payload::Payload;
use crate::run_load::Begun;
use crate::runs::{Aborted, Record};
use crate::state::State;
use crate::tasks::{refuse, unbound};
use crate::tokens::Role;
use crate::{judge, load, resume, streams};

/// How a gate is changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    open: bool,
    /// How long it stays open.
    #[serde(rename = "for")]
    length: Option<String>,
}

/// A new rate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    /// Requests a second.
    rate: f64,
}

/// Answers a path below `/v1/`.
pub(crate) async fn answer(state: &Arc<State>, caller: &Caller, asked: &Asked<'_>, path: &str) -> Reply {
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    match (asked.method, parts.as_slice()) {
        ("GET", ["runs"]) => list(state, caller),
        ("POST", ["runs"]) => start(state, caller, asked).await,
        ("DELETE", ["leftovers", run]) => forget(state, caller, run),
        (method, ["runs", id, rest @ ..]) => run(state, caller, asked, method, id, rest).await,
        ("POST", ["check"]) => match permitted(state, caller, asked, Role::Read) {
            Ok(payload) => judge::hook(state, &payload),
            Err(refusal) => *refusal,
        },
        (method @ ("GET" | "POST" | "PUT"), ["gates", namespace, name, kind]) => {
            if !KINDS.contains(kind) {
                let known = KINDS.join(", ");
                return text(
                    StatusCode::NOT_FOUND,
                    format!("{kind:?} is no kind of gate; known are {known}"),
                );
            }
            if method == "PUT" {
                change(state, caller, asked, (namespace, name, kind)).await
            } else {
                gate(state, caller, (namespace, name, kind))
            }
        }
        (_, ["runs" | "check"] | ["leftovers", _] | ["gates", _, _, _]) => {
            text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        }
        _ => text(StatusCode::NOT_FOUND, "not found"),
    }
}

/// The payload, if the caller may do that in its namespace.
fn permitted(state: &State, caller: &Caller, asked: &Asked<'_>, role: Role) -> Result<Payload, Box<Reply>> {
    let Some(payload) = Payload::read(asked.body) else {
        let why = "it takes {\"name\": …, \"namespace\": …, \"metadata\": {…}}, the payload of a webhook";
        return Err(Box::new(text(StatusCode::BAD_REQUEST, why)));
    };
    let is_ours = state.namespaces.as_ref().is_none_or(|allowed| allowed.is_match(&payload.namespace));
    if is_ours && caller.may(role, &payload.namespace) { Ok(payload) } else { Err(Box::new(refuse(caller))) }
}

fn list(state: &State, caller: &Caller) -> Reply {
    match caller {
        Caller::Nobody(_) | Caller::Bound(_) | Caller::Resumed(_) => refuse(caller),
        Caller::Anybody | Caller::Inside | Caller::Token(..) | Caller::Signed => {
            let all = state.runs.all();
            let mine = all.iter().filter(|run| caller.may(Role::Read, &run.label.namespace));
            let mut remembered = state.runs.remembered();
            remembered.retain(|run| caller.may(Role::Read, &run.label.namespace));
            let shown: Vec<_> =
                remembered.iter().map(Aborted::show).chain(mine.map(|run| json!(run.show()))).collect();
            let mut left = state.scenarios.writes.left();
            left.retain(|left| caller.may(Role::Read, &left.label.namespace));
            reply(StatusCode::OK, &json!({"runs": shown, "leftovers": left}))
        }
    }
}

/// Gives up what a run has left behind, since somebody has removed it by hand.
fn forget(state: &State, caller: &Caller, run: &str) -> Reply {
    let left = state.scenarios.writes.left().into_iter().find(|left| left.run == run);
    let namespace = left.as_ref().map_or("", |left| left.label.namespace.as_str());
    if matches!(caller, Caller::Bound(_)) || !caller.may(Role::Run, namespace) {
        return refuse(caller);
    }
    if left.is_none() {
        return text(StatusCode::NOT_FOUND, "no run of that name has left anything behind");
    }
    let number = state.scenarios.writes.forget(run);
    tracing::info!(run, number, by = caller.describe(), "what was left over is given up");
    reply(StatusCode::OK, &json!({"run": run, "forgotten": number}))
}

/// Starts load as the task type `load` does. The same load of the same revision is started once.
async fn start(state: &Arc<State>, caller: &Caller, asked: &Asked<'_>) -> Reply {
    let payload = match permitted(state, caller, asked, Role::Run) {
        Ok(payload) => payload,
        Err(refusal) => return *refusal,
    };
    let (state, caller) = (state.clone(), caller.clone());
    unbound(async move {
        match load::start(&state, &caller, &payload, None).await {
            Ok(Begun::Fresh(run)) => reply(StatusCode::CREATED, &run.show()),
            Ok(Begun::Running(run)) => reply(StatusCode::OK, &run.show()),
            Ok(Begun::Aborted(run)) => {
                let (why, id) = (&run.reason, &run.id);
                let how = format!("it may begin again after ten minutes, or after DELETE /v1/runs/{id}");
                text(StatusCode::CONFLICT, format!("this load was aborted: {why}; {how}"))
            }
            Ok(Begun::Ending) => {
                text(StatusCode::CONFLICT, "the run before it is ending, or it is just beginning; try again")
            }
            Err(refusal) => *refusal,
        }
    })
    .await
}

async fn run(
    state: &State,
    caller: &Caller,
    asked: &Asked<'_>,
    method: &str,
    id: &str,
    rest: &[&str],
) -> Reply {
    let run = state.runs.get(id);
    let before = state.runs.remembered().into_iter().find(|run| run.id == id);
    // Who may not see it does not learn whether it is there.
    let role = if method == "GET" { Role::Read } else { Role::Run };
    let label = run.as_ref().map(|run| &run.label).or(before.as_ref().map(|run| &run.label));
    let namespace = label.map_or("", |label| label.namespace.as_str());
    if matches!(caller, Caller::Bound(_)) || !caller.may(role, namespace) {
        return refuse(caller);
    }
    let Some(run) = run else {
        return match (before, method, rest) {
            (Some(run), "GET", []) => reply(StatusCode::OK, &run.show()),
            (Some(run), "DELETE", []) => {
                state.runs.remove(id);
                resume::pardon(&state.store, id).await;
                reply(StatusCode::ACCEPTED, &run.show())
            }
            _ => text(StatusCode::NOT_FOUND, "there is no such run"),
        };
    };
    match (method, rest) {
        ("GET", []) => reply(StatusCode::OK, &run.show()),
        ("GET", ["stream"]) => events(streams::of(run)),
        ("GET", ["report"]) => report(&run, asked),
        ("DELETE", []) => {
            run.stop();
            if run.aborted().is_some() {
                state.runs.remove(id);
                resume::pardon(&state.store, id).await;
            }
            reply(StatusCode::ACCEPTED, &run.show())
        }
        ("POST", ["rate"]) => match serde_json::from_slice::<Rate>(asked.body) {
            Ok(Rate { rate }) if (0.0..=state.max_rate).contains(&rate) => {
                run.set_rate(rate);
                reply(StatusCode::ACCEPTED, &run.show())
            }
            Ok(_) | Err(_) => {
                let why = format!("it takes {{\"rate\": NUMBER}} with at most {}", state.max_rate);
                text(StatusCode::BAD_REQUEST, why)
            }
        },
        (_, [] | ["stream" | "rate" | "report"]) => {
            text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        }
        _ => text(StatusCode::NOT_FOUND, "not found"),
    }
}

/// The report of a scenario as the command line writes it.
fn report(run: &Record, asked: &Asked<'_>) -> Reply {
    let Some(report) = run.scenario_report() else {
        return text(StatusCode::NOT_FOUND, "it is no run of a scenario, or not over yet");
    };
    let query = asked.path.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let form = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "form");
    match form.as_ref().map_or("json", |(_, form)| form.as_ref()) {
        "json" => reply(StatusCode::OK, &*report),
        "text" => text(StatusCode::OK, report.text()),
        "junit" => of_type(StatusCode::OK, report.junit(), "application/xml"),
        "html" => of_type(StatusCode::OK, report.html(), "text/html; charset=utf-8"),
        other => {
            let why = format!("form is {other:?}; known are json, text, junit and html");
            text(StatusCode::BAD_REQUEST, why)
        }
    }
}

/// Whether a gate is open: 200 or 403, so that a hook can point here.
fn gate(state: &State, caller: &Caller, (namespace, name, kind): (&str, &str, &str)) -> Reply {
    if !caller.may(Role::Read, namespace) || is_of_another(caller, namespace, name) {
        return refuse(caller);
    }
    match state.gates.opening(namespace, name, kind, Timestamp::now()) {
        Some(opening) => reply(StatusCode::OK, &json!({"open": true, "opening": opening})),
        None => reply(StatusCode::FORBIDDEN, &json!({"open": false})),
    }
}

/// A Canary that asks for a gate of another one.
fn is_of_another(caller: &Caller, namespace: &str, name: &str) -> bool {
    matches!(caller, Caller::Bound(canary) if canary.metadata.namespace.as_deref() != Some(namespace)
        || canary.metadata.name.as_deref() != Some(name))
}

/// When so long is over; `None`: that is no time to come.
fn end_of(length: &str, now: Timestamp) -> Option<Timestamp> {
    let length = length.parse::<GoDuration>().ok()?.to_std();
    let length = SignedDuration::try_from(length).ok().filter(SignedDuration::is_positive)?;
    now.checked_add(length).ok()
}

async fn change(
    state: &State,
    caller: &Caller,
    asked: &Asked<'_>,
    (namespace, name, kind): (&str, &str, &str),
) -> Reply {
    if !caller.may(Role::Gate, namespace) {
        return refuse(caller);
    }
    let wrong =
        || text(StatusCode::BAD_REQUEST, "it takes {\"open\": true, \"for\": \"30m\"} or {\"open\": false}");
    let Ok(Change { open, length }) = serde_json::from_slice(asked.body) else { return wrong() };
    let now = Timestamp::now();
    let until = match length.map(|length| end_of(&length, now).ok_or(length)) {
        None => None,
        Some(Ok(until)) => Some(until),
        Some(Err(length)) => {
            let why = format!("for is {length:?}; it takes a time above 0, such as 30m or 1h30m");
            return text(StatusCode::BAD_REQUEST, why);
        }
    };
    let changed = if open {
        state.gates.open(namespace, name, kind, Opening { by: caller.describe(), at: now, until }).await
    } else {
        state.gates.close(namespace, name, kind).await
    };
    match changed {
        Ok(()) => {
            let by = caller.describe();
            tracing::info!(namespace, name, kind, open, by, "gate changed");
            reply(StatusCode::OK, &json!({"open": open, "until": until}))
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")),
    }
}
