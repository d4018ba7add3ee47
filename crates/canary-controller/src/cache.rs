//! Watches, one a kind, started by the first canary that reads it and stopped with the last; and who reads what.
//!
//! Reads come from here and cost no request; an absence is confirmed by one GET before it counts,
//! but for what a new canary is about to make anyway.

mod reader;
mod stream;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use canary_routers::{LiveObjects, ObjectError, Objects};
use kube::api::{DynamicObject, PostParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use reader::Reader;

use crate::store::{Key, News, Store};

/// The caches of all kinds. Clones share them.
#[derive(Clone)]
pub(crate) struct Cache {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    live: LiveObjects,
    /// Only this namespace is watched; `None`: all.
    namespace: Option<String>,
    kinds: Mutex<HashMap<String, Arc<Kind>>>,
    /// Names whose objects, and those of their copies, are worth keeping before anybody has read them.
    interest: RwLock<HashSet<Key>>,
    touched: mpsc::UnboundedSender<Key>,
    stop: CancellationToken,
}

/// The cache of one kind.
struct Kind {
    resource: ApiResource,
    store: Mutex<Store>,
    /// Object -> canaries that read it.
    readers: Mutex<HashMap<Key, BTreeSet<Key>>>,
    state: watch::Sender<State>,
    stop: CancellationToken,
}

/// Whether a kind can be read.
#[derive(Clone, Debug)]
enum State {
    /// Its first list is under way.
    Listing,
    /// It was listed.
    Ready,
    /// It could not be listed yet: the message, and whether the kind is not served at all.
    Failed { message: String, not_served: bool },
}

impl Cache {
    /// Caches of the cluster that `client` talks to. Canaries to look at are sent to `touched`.
    pub(crate) fn new(
        client: Client,
        namespace: Option<String>,
        touched: mpsc::UnboundedSender<Key>,
        stop: CancellationToken,
    ) -> Self {
        let live = LiveObjects::new(client.clone());
        let shared = Shared {
            client,
            live,
            namespace,
            kinds: Mutex::default(),
            interest: RwLock::default(),
            touched,
            stop,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reads on behalf of one canary, which is looked at again when what it read changes.
    pub(crate) fn reader(&self, canary: &Key) -> Reader {
        Reader::new(self.clone(), canary.clone())
    }

    /// Objects without cache, for what is read rarely and must not be kept: secrets of providers.
    pub(crate) fn live(&self) -> &dyn Objects {
        &self.shared.live
    }

    /// Starts the watch of a kind of which every object is a canary, and waits for its first list.
    pub(crate) async fn follow_canaries(&self, resource: &ApiResource) -> Result<(), ObjectError> {
        self.kind(resource, true).listed().await
    }

    /// An object of a followed kind, without a confirmation of its absence.
    pub(crate) fn peek(&self, resource: &ApiResource, key: &Key) -> Option<Value> {
        let kind = lock(&self.shared.kinds).get(&id(resource)).cloned()?;
        lock(&kind.store).get(key)
    }

    /// All names of a followed kind.
    pub(crate) fn names(&self, resource: &ApiResource) -> Vec<Key> {
        let kind = lock(&self.shared.kinds).get(&id(resource)).cloned();
        kind.map(|k| lock(&k.store).keys().cloned().collect()).unwrap_or_default()
    }

    /// Takes an object that was read or written in another way.
    pub(crate) fn learn(&self, resource: &ApiResource, object: Value) {
        if let Some(kind) = lock(&self.shared.kinds).get(&id(resource)).cloned() {
            lock(&kind.store).apply(key_of(&object), object, true);
        }
    }

    /// Writes the status of an object on the version that it holds, and keeps the answer.
    pub(crate) async fn replace_status(
        &self,
        resource: &ApiResource,
        object: &Value,
    ) -> Result<Value, ObjectError> {
        let malformed = |source| ObjectError::Malformed { object: resource.kind.clone(), source };
        let object: DynamicObject = serde_json::from_value(object.clone()).map_err(malformed)?;
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let name = object.metadata.name.clone().unwrap_or_default();
        let api: Api<DynamicObject> = Api::namespaced_with(self.shared.client.clone(), &namespace, resource);
        let answer = api.replace_status(&name, &PostParams::default(), &object).await;
        let answer =
            serde_json::to_value(answer.map_err(|e| ObjectError::from_kube(&e))?).map_err(malformed)?;
        self.learn(resource, answer.clone());
        Ok(answer)
    }

    /// Keeps objects of these names, and of their primary and canary copies, from the first list on.
    pub(crate) fn expect(&self, names: impl IntoIterator<Item = Key>) {
        self.shared.interest.write().unwrap_or_else(PoisonError::into_inner).extend(names);
    }

    /// Drops what only that canary read; watches that nobody reads any more are stopped.
    pub(crate) fn forget(&self, canary: &Key, followed: &ApiResource) {
        let mut kinds = lock(&self.shared.kinds);
        kinds.retain(|id_of_kind, kind| {
            let mut readers = lock(&kind.readers);
            let mut store = lock(&kind.store);
            let is_followed = *id_of_kind == id(followed);
            readers.retain(|object, canaries| {
                canaries.remove(canary);
                // Followed objects are not there for the sake of readers.
                if canaries.is_empty() && !is_followed {
                    store.forget(object);
                }
                !canaries.is_empty()
            });
            let keep = !readers.is_empty() || is_followed;
            if !keep {
                kind.stop.cancel();
            }
            keep
        });
    }

    fn kind(&self, resource: &ApiResource, canaries: bool) -> Arc<Kind> {
        let mut kinds = lock(&self.shared.kinds);
        if let Some(kind) = kinds.get(&id(resource)) {
            return kind.clone();
        }
        let kind = Arc::new(Kind {
            resource: resource.clone(),
            store: Mutex::default(),
            readers: Mutex::default(),
            state: watch::Sender::new(State::Listing),
            stop: self.shared.stop.child_token(),
        });
        kinds.insert(id(resource), kind.clone());
        tokio::spawn(stream::follow(self.clone(), kind.clone(), canaries));
        kind
    }

    /// Whether an object of that name is kept although nobody has read it yet.
    fn is_expected(&self, key: &Key) -> bool {
        let (namespace, name) = key;
        let base = name.strip_suffix("-primary").or_else(|| name.strip_suffix("-canary")).unwrap_or(name);
        let interest = self.shared.interest.read().unwrap_or_else(PoisonError::into_inner);
        interest.contains(key) || interest.contains(&(namespace.clone(), base.to_owned()))
    }
}

impl Kind {
    /// Waits for the first list, or for the news that it failed.
    async fn listed(&self) -> Result<(), ObjectError> {
        let mut state = self.state.subscribe();
        let seen = state.wait_for(|s| !matches!(s, State::Listing)).await;
        match seen.as_deref() {
            Ok(State::Failed { message, not_served: true }) => Err(ObjectError::NotServed(message.clone())),
            Ok(State::Failed { message, not_served: false }) => {
                Err(ObjectError::Unavailable(message.clone()))
            }
            Ok(State::Ready | State::Listing) => Ok(()),
            Err(_) => Err(ObjectError::Unavailable("the controller is stopping".into())),
        }
    }

    fn is_read(&self, key: &Key) -> bool {
        lock(&self.readers).contains_key(key)
    }

    /// Tells the canaries that read the object.
    fn announce(&self, cache: &Cache, key: &Key, canaries: bool, news: News) {
        if canaries {
            if news != News::None {
                let _ = cache.shared.touched.send(key.clone());
            }
        } else if news == News::Major {
            for canary in lock(&self.readers).get(key).into_iter().flatten() {
                let _ = cache.shared.touched.send(canary.clone());
            }
        }
    }
}

/// Names a kind in the map of kinds.
fn id(resource: &ApiResource) -> String {
    format!("{}/{}/{}", resource.group, resource.version, resource.plural)
}

/// Namespace and name of an object.
fn key_of(object: &Value) -> Key {
    let text = |path| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/metadata/namespace"), text("/metadata/name"))
}

/// A lock whose holder cannot have left the data half changed: every critical section here is panic-free.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
