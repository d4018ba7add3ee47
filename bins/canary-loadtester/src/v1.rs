//! Our own paths: runs and gates.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use canary_api::GoDuration;

use crate::access::{Asked, Caller};
use crate::answers::{Reply, json as reply, text};
use crate::gates::{KINDS, Opening};
use crate::state::State;
use crate::tasks::refuse;
use crate::tokens::Role;

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
pub(crate) fn answer(state: &State, caller: &Caller, asked: &Asked<'_>, path: &str) -> Reply {
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    match (asked.method, parts.as_slice()) {
        ("GET", ["runs"]) => {
            let all = state.runs.all();
            let mine = all.iter().filter(|run| caller.may(Role::Read, &run.label.namespace));
            match caller {
                Caller::Nobody(_) | Caller::Bound(_) => refuse(caller),
                Caller::Anybody | Caller::Inside | Caller::Token(_) | Caller::Signed => {
                    let shown: Vec<_> = mine.map(|run| run.show()).collect();
                    reply(StatusCode::OK, &json!({"runs": shown}))
                }
            }
        }
        (method, ["runs", id, rest @ ..]) => run(state, caller, asked, method, id, rest),
        (method @ ("GET" | "POST" | "PUT"), ["gates", namespace, name, kind]) => {
            if !KINDS.contains(kind) {
                let known = KINDS.join(", ");
                return text(
                    StatusCode::NOT_FOUND,
                    format!("{kind:?} is no kind of gate; known are {known}"),
                );
            }
            if method == "PUT" {
                change(state, caller, asked, (namespace, name, kind))
            } else {
                gate(state, caller, (namespace, name, kind))
            }
        }
        _ => text(StatusCode::NOT_FOUND, "not found"),
    }
}

fn run(state: &State, caller: &Caller, asked: &Asked<'_>, method: &str, id: &str, rest: &[&str]) -> Reply {
    let run = state.runs.get(id);
    // Who may not see it does not learn whether it is there.
    let role = if method == "GET" { Role::Read } else { Role::Run };
    let namespace = run.as_ref().map_or("", |run| run.label.namespace.as_str());
    if matches!(caller, Caller::Bound(_)) || !caller.may(role, namespace) {
        return refuse(caller);
    }
    let Some(run) = run else { return text(StatusCode::NOT_FOUND, "there is no such run") };
    match (method, rest) {
        ("GET", []) => reply(StatusCode::OK, &run.show()),
        ("DELETE", []) => {
            run.stop();
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
        _ => text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed"),
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

fn change(
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
    let until = match length.map(|length| length.parse::<GoDuration>()) {
        None => None,
        Some(Ok(length)) => {
            let length = SignedDuration::try_from(length.to_std()).ok();
            match length.and_then(|length| now.checked_add(length).ok()) {
                Some(until) => Some(until),
                None => return wrong(),
            }
        }
        Some(Err(_)) => return wrong(),
    };
    let changed = if open {
        state.gates.open(namespace, name, kind, Opening { by: caller.describe(), at: now, until })
    } else {
        state.gates.close(namespace, name, kind)
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
