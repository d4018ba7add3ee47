//! Which path leads where.

use std::sync::Arc;

use http::{Method, StatusCode};
use jiff::Timestamp;

use crate::access::{Asked, Caller};
use crate::answers::{Reply, empty, forbidden, text};
use crate::gates::{Opening, ROLLBACK, SHARED};
use crate::payload::Payload;
use crate::state::State;
use crate::tasks::refuse;
use crate::tokens::Role;
use crate::{metrics, process, query, tasks, v1};

/// Answers a request, whatever it is. On Flagger's paths the method does not matter.
pub(crate) async fn answer(state: &Arc<State>, asked: &Asked<'_>) -> Reply {
    let (path, query) = asked.path.split_once('?').unwrap_or((asked.path, ""));
    match path {
        "/healthz" | "/gate/approve" => text(StatusCode::OK, "OK"),
        "/metrics" => text(StatusCode::OK, metrics::page(&state.runs, Timestamp::now()) + &process::page()),
        "/gate/halt" => forbidden(),
        "/api/v1/query" => {
            let caller = Caller::of(state, asked, None).await;
            if !caller.may_query() {
                return refuse(&caller);
            }
            let form = if asked.method == Method::POST.as_str() {
                String::from_utf8_lossy(asked.body).into_owned()
            } else {
                query.to_owned()
            };
            query::answer(&state.runs, &form, |namespace| caller.may(Role::Read, namespace), Timestamp::now())
        }
        _ if path.starts_with("/v1/") => {
            let caller = Caller::of(state, asked, Payload::read(asked.body).as_ref()).await;
            v1::answer(state, &caller, asked, path).await
        }
        _ => hook(state, asked, path).await,
    }
}

/// The paths that take the payload of a hook.
async fn hook(state: &Arc<State>, asked: &Asked<'_>, path: &str) -> Reply {
    let Some(payload) = Payload::read(asked.body) else { return empty(StatusCode::BAD_REQUEST) };
    if state.namespaces.as_ref().is_some_and(|allowed| !allowed.is_match(&payload.namespace)) {
        return forbidden();
    }
    let caller = Caller::of(state, asked, Some(&payload)).await;
    match path {
        "/gate/check" => check(state, &caller, &payload, SHARED),
        "/gate/open" => change(state, &caller, &payload, SHARED, true).await,
        "/gate/close" => change(state, &caller, &payload, SHARED, false).await,
        "/rollback/check" => check(state, &caller, &payload, ROLLBACK),
        "/rollback/open" => change(state, &caller, &payload, ROLLBACK, true).await,
        "/rollback/close" => change(state, &caller, &payload, ROLLBACK, false).await,
        _ => {
            let caller = caller.or_bound(state, asked, &payload).await;
            tasks::perform(state, &caller, payload).await
        }
    }
}

fn check(state: &State, caller: &Caller, payload: &Payload, kind: &str) -> Reply {
    if !caller.may(Role::Read, &payload.namespace) {
        return refuse(caller);
    }
    match state.gates.opening(&payload.namespace, &payload.name, kind, Timestamp::now()) {
        Some(_) => text(StatusCode::OK, "Approved"),
        None => forbidden(),
    }
}

async fn change(state: &State, caller: &Caller, payload: &Payload, kind: &str, open: bool) -> Reply {
    if !caller.may(Role::Gate, &payload.namespace) {
        return refuse(caller);
    }
    let (namespace, name) = (&payload.namespace, &payload.name);
    let changed = if open {
        let opening = Opening { by: caller.describe(), at: Timestamp::now(), until: None };
        state.gates.open(namespace, name, kind, opening).await
    } else {
        state.gates.close(namespace, name, kind).await
    };
    match changed {
        Ok(()) => {
            let by = caller.describe();
            tracing::info!(canary = payload.canary(), kind, open, by, "gate changed");
            empty(StatusCode::ACCEPTED)
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")),
    }
}

#[cfg(test)]
mod tests;
