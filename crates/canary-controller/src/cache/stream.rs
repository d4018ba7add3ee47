//! Follows one kind: list, watch, and begin again after an error.

use std::sync::Arc;
use std::time::Duration;

use canary_routers::ObjectError;
use futures::StreamExt;
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use kube::runtime::watcher::Event;

use super::{Cache, Kind, State, key_of, lock};
use crate::store::{Key, News, version};

/// Between two tries when the API server fails.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_AT_MOST: Duration = Duration::from_secs(30);
/// Between two looks for a CRD that is not installed.
const RETRY_NOT_SERVED: Duration = Duration::from_secs(300);

/// Keeps the store of `kind` up to date until its watch is stopped.
pub(super) async fn follow(cache: Cache, kind: Arc<Kind>, canaries: bool) {
    let api: Api<DynamicObject> = match &cache.shared.namespace {
        Some(namespace) => Api::namespaced_with(cache.shared.client.clone(), namespace, &kind.resource),
        None => Api::all_with(cache.shared.client.clone(), &kind.resource),
    };
    let mut events = Box::pin(watcher(api, watcher::Config::default()));
    let mut retry = RETRY;
    loop {
        let event = tokio::select! {
            biased;
            () = kind.stop.cancelled() => return,
            event = events.next() => event,
        };
        match event {
            Some(Ok(event)) => {
                retry = RETRY;
                take(&cache, &kind, canaries, event);
            }
            Some(Err(error)) => {
                let wait = failed(&kind, &error, retry);
                retry = (retry * 2).min(RETRY_AT_MOST);
                tokio::select! {
                    biased;
                    () = kind.stop.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
            }
            None => return,
        }
    }
}

/// Notes an error; how long to wait before the next try.
fn failed(kind: &Kind, error: &watcher::Error, retry: Duration) -> Duration {
    let cause = match error {
        watcher::Error::InitialListFailed(e)
        | watcher::Error::WatchStartFailed(e)
        | watcher::Error::WatchFailed(e) => Some(ObjectError::from_kube(e)),
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => None,
    };
    let not_served = matches!(cause, Some(ObjectError::NotServed(_)));
    let message = cause.map_or_else(|| error.to_string(), |c| c.to_string());
    let expired = matches!(error, watcher::Error::WatchError(status) if status.code == 410);
    if expired {
        return Duration::ZERO; // the API server asks for a new list
    }
    tracing::warn!(kind = %kind.resource.kind, error = %message, "watch failed");
    // What was listed before stays readable: writes are conditional.
    kind.state.send_if_modified(|state| {
        let first = !matches!(state, State::Ready);
        if first {
            *state = State::Failed { message, not_served };
        }
        first
    });
    if not_served { RETRY_NOT_SERVED } else { retry }
}

fn take(cache: &Cache, kind: &Kind, canaries: bool, event: Event<DynamicObject>) {
    match event {
        Event::Init => lock(&kind.store).begin_list(),
        Event::InitApply(object) | Event::Apply(object) => {
            let Ok(object) = serde_json::to_value(&object) else { return };
            let key = key_of(&object);
            if canaries || kind.is_read(&key) || cache.is_expected(&key) {
                let news = lock(&kind.store).apply(key.clone(), object, false);
                kind.announce(cache, &key, canaries, news);
            }
        }
        Event::InitDone => {
            let gone: Vec<Key> = lock(&kind.store).end_list();
            kind.state.send_replace(State::Ready);
            for key in gone {
                kind.announce(cache, &key, canaries, News::Major);
            }
        }
        Event::Delete(object) => {
            let Ok(object) = serde_json::to_value(&object) else { return };
            let key = key_of(&object);
            let news = lock(&kind.store).delete(&key, version(&object));
            kind.announce(cache, &key, canaries, news);
        }
    }
}
