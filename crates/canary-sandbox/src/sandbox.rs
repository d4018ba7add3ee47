//! The handle that tests and simulations hold.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::core::ApiResource;
use serde_json::Value;
use tokio::sync::Notify;

use crate::cluster::Cluster;
use crate::definitions;
use crate::pods::{PodCount, PodFacts, PodFate};
use crate::requests::{RequestCounts, RequestInfo, Verdict};
use crate::server::{Answer, Call};
use crate::service::ApiServer;
use crate::store::Ending;
use crate::view::{View, WriteError};

type Interceptor = Arc<dyn Fn(&RequestInfo) -> Verdict + Send + Sync>;
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
type Inspector = Box<dyn FnMut(&RequestInfo, &View<'_>) -> Result<(), String> + Send>;

/// What all handles of a sandbox share.
pub(crate) struct Shared {
    cluster: Mutex<Cluster>,
    hooks: Mutex<Hooks>,
    /// Grows when clients die.
    incarnation: AtomicU64,
    severed: Notify,
    /// Work was planned, or an object changed.
    stirred: Notify,
}

#[derive(Default)]
struct Hooks {
    interceptor: Option<Interceptor>,
    inspector: Option<Inspector>,
    clock: Option<Clock>,
    violations: Vec<String>,
}

/// Locks, whatever happened to the thread that held the lock: the state is consistent between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Cluster> {
        lock(&self.cluster)
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::SeqCst)
    }

    pub(crate) fn sever(&self) {
        self.incarnation.fetch_add(1, Ordering::SeqCst);
        self.severed.notify_waiters();
    }

    /// Notes a request, and says who wants to intercept it.
    pub(crate) fn receive(&self, call: &Call) -> (RequestInfo, Option<Interceptor>) {
        let (interceptor, clock) = {
            let hooks = lock(&self.hooks);
            (hooks.interceptor.clone(), hooks.clock.clone())
        };
        let mut cluster = self.lock();
        if let Some(clock) = clock {
            cluster.advance(clock());
        }
        let info = call.info(cluster.log.next_number());
        cluster.log.note(&info);
        (info, interceptor)
    }

    /// Carries out a request and shows the outcome to the inspector.
    pub(crate) fn carry_out(self: &Arc<Self>, call: &Call, info: &RequestInfo) -> Answer {
        let mut cluster = self.lock();
        let answer = cluster.answer(self, call);
        let mut hooks = lock(&self.hooks);
        let Hooks { inspector, violations, .. } = &mut *hooks;
        if let Some(inspect) = inspector
            && let Err(text) = inspect(info, &View::new(&cluster))
        {
            violations.push(format!("{info}: {text}"));
        }
        drop(hooks);
        self.announce(&mut cluster);
        answer
    }

    fn announce(&self, cluster: &mut Cluster) {
        if cluster.agenda.take_changed() {
            self.stirred.notify_waiters();
        }
    }
}

/// An in-process Kubernetes cluster. Clones are handles of the same one.
///
/// ```
/// use canary_sandbox::Sandbox;
/// use serde_json::json;
///
/// let sandbox = Sandbox::new("2026-01-01T00:00:00Z".parse().unwrap());
/// sandbox
///     .put_object(json!({
///         "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "podinfo", "namespace": "test" },
///         "spec": {
///             "selector": { "matchLabels": { "app": "podinfo" } },
///             "template": {
///                 "metadata": { "labels": { "app": "podinfo" } },
///                 "spec": { "containers": [{ "name": "podinfod", "image": "podinfo:1" }] },
///             },
///         },
///     }))
///     .unwrap();
/// sandbox.advance("2026-01-01T00:00:01Z".parse().unwrap());
/// let deployment = sandbox.get("deployments.apps", "test", "podinfo").unwrap();
/// assert_eq!(deployment["status"]["readyReplicas"], 1);
/// ```
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// A cluster at that time, with the usual namespaces and one node.
    pub fn new(now: Timestamp) -> Self {
        Self::of(Cluster::new(now))
    }

    fn of(cluster: Cluster) -> Self {
        Self {
            shared: Arc::new(Shared {
                cluster: Mutex::new(cluster),
                hooks: Mutex::default(),
                incarnation: AtomicU64::new(0),
                severed: Notify::new(),
                stirred: Notify::new(),
            }),
        }
    }

    /// Another cluster in the same state: its kinds, objects, pods and time. Clients, watches, faults and counted requests
    /// are not taken along. It costs no copy of an object, and no schema is read again.
    ///
    /// ```
    /// # use canary_sandbox::Sandbox;
    /// # use serde_json::json;
    /// let one = Sandbox::new("2026-01-01T00:00:00Z".parse().unwrap());
    /// let other = one.fork();
    /// let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "test"}});
    /// other.put_object(config).unwrap();
    /// assert!(one.get("configmaps", "test", "c").is_none());
    /// ```
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::of(self.shared.lock().fork())
    }

    /// A client of this cluster. It needs a tokio runtime, as every client of kube does.
    pub fn client(&self, namespace: impl Into<String>) -> kube::Client {
        kube::Client::new(self.service(), namespace)
    }

    /// The API server, to put layers around.
    pub fn service(&self) -> ApiServer {
        ApiServer::new(Arc::clone(&self.shared))
    }

    // === Time ===

    /// The cluster's time.
    pub fn now(&self) -> Timestamp {
        self.shared.lock().now
    }

    /// Moves the cluster's time to `now` and does, in the order of time, what falls due until then: pods become ready,
    /// controllers work, owners' dependents go, watches end. An earlier time than the present one does what is due now.
    pub fn advance(&self, now: Timestamp) {
        let mut cluster = self.shared.lock();
        cluster.advance(now);
        self.shared.announce(&mut cluster);
    }

    /// When something happens by itself next; `None` if nothing does. Open watches end some time.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.shared.lock().agenda.next_due()
    }

    /// Takes the time from `clock` at each request from now on, besides [`Sandbox::advance`].
    pub fn follow_clock(&self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) {
        lock(&self.shared.hooks).clock = Some(Arc::new(clock));
    }

    /// Waits until new work was planned, so that [`Sandbox::next_due`] may be earlier than it was.
    pub async fn stirred(&self) {
        self.shared.stirred.notified().await;
    }

    /// A future of [`Sandbox::stirred`] that counts from its making, not from its first poll.
    pub(crate) fn stirred_from_now(&self) -> tokio::sync::futures::Notified<'_> {
        self.shared.stirred.notified()
    }

    // === Pods ===

    /// How long a pod takes to become ready; 1 s at first.
    pub fn set_ready_delay(&self, delay: Duration) {
        self.shared.lock().pod_rule.delay = delay;
    }

    /// Asks `rule` for the fate of each pod that is born; where it has no answer, the label `simulated: never-ready` and
    /// the annotation `simulated/ready-after: 5s` of the template and then the delay count.
    ///
    /// The rule is called under the cluster's lock: it must not use the sandbox.
    pub fn set_pod_rule(&self, rule: impl Fn(&PodFacts<'_>) -> Option<PodFate> + Send + Sync + 'static) {
        self.shared.lock().pod_rule.rule = Some(Arc::new(rule));
    }

    /// Asks the rule again about the pods that live, as when a cause of trouble goes away.
    pub fn reconsider_pods(&self) {
        let mut cluster = self.shared.lock();
        cluster.reconsider_pods();
        self.shared.announce(&mut cluster);
    }

    /// Counts the pods of a namespace that carry all these labels.
    pub fn pods(&self, namespace: &str, labels: &serde_json::Map<String, Value>) -> PodCount {
        self.shared.lock().count_pods(namespace, labels)
    }

    // === Objects, past the API ===

    /// The object, with its type; resources are named as kubectl does, `deployments.apps`.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        View::new(&self.shared.lock()).get(resource, namespace, name)
    }

    /// What `look` finds in the state as it is now. It must not use the sandbox, only the view.
    pub fn view<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        look(&View::new(&self.shared.lock()))
    }

    /// The objects of a kind in one namespace, or in all (`""`).
    pub fn list(&self, resource: &str, namespace: &str) -> Vec<Value> {
        View::new(&self.shared.lock()).list(resource, namespace)
    }

    /// Creates or replaces an object as stated, its status included; a missing namespace is created.
    pub fn put_object(&self, object: Value) -> Result<Value, WriteError> {
        self.write(|cluster| cluster.put_object(object))
    }

    /// Serves a kind whose definition is not at hand: any content is accepted, and the status is a subresource. Nothing
    /// happens where one of that group and plural is served already.
    pub fn serve(&self, kind: &ApiResource, namespaced: bool) {
        if self.shared.lock().kinds.find(&kind.group, &kind.plural).is_none() {
            let put = self.put_object(definitions::stand_in(kind, namespaced));
            debug_assert!(put.is_ok(), "{put:?}"); // its form is right whatever the names are
        }
    }

    /// Applies a JSON merge patch, which may reach into the status.
    pub fn patch_object(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, WriteError> {
        self.write(|cluster| cluster.patch_object(resource, namespace, name, patch))
    }

    /// Deletes an object; its finalizers hold it as usual.
    pub fn delete_object(&self, resource: &str, namespace: &str, name: &str) -> Result<(), WriteError> {
        self.write(|cluster| cluster.delete_object(resource, namespace, name))
    }

    fn write<T>(&self, write: impl FnOnce(&mut Cluster) -> T) -> T {
        let mut cluster = self.shared.lock();
        let answer = write(&mut cluster);
        self.shared.announce(&mut cluster);
        answer
    }

    // === Faults ===

    /// Asks `interceptor` what is to become of each request; it may use the sandbox. The last one set counts.
    pub fn intercept(&self, interceptor: impl Fn(&RequestInfo) -> Verdict + Send + Sync + 'static) {
        lock(&self.shared.hooks).interceptor = Some(Arc::new(interceptor));
    }

    /// Lets every request pass again.
    pub fn stop_intercepting(&self) {
        lock(&self.shared.hooks).interceptor = None;
    }

    /// Shows the state to `inspector` after each request that was carried out; what it finds wrong is collected in
    /// [`Sandbox::violations`]. It must not use the sandbox, only the view.
    pub fn after_each_request(
        &self,
        inspector: impl FnMut(&RequestInfo, &View<'_>) -> Result<(), String> + Send + 'static,
    ) {
        lock(&self.shared.hooks).inspector = Some(Box::new(inspector));
    }

    /// What inspectors found wrong, each with its request.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.shared.hooks).violations.clone()
    }

    /// Kills the clients that exist now: nothing that they ask takes effect or is answered.
    pub fn sever(&self) {
        self.shared.sever();
    }

    /// Waits until clients are killed, by [`Sandbox::sever`] or by a verdict.
    pub async fn severed(&self) {
        self.shared.severed.notified().await;
    }

    /// Breaks the connections of all open watches.
    pub fn cut_watches(&self) {
        self.end_watches(Ending::Cut);
    }

    /// Ends all open watches with an ERROR event of code 410.
    pub fn expire_watches(&self) {
        self.end_watches(Ending::Expired);
    }

    /// Tells watches of that kind (named as kubectl does) nothing for so long: whoever caches it is behind meanwhile.
    pub fn hold_watches(&self, resource: &str, time: Duration) {
        let mut cluster = self.shared.lock();
        if let Some(kind) = cluster.kinds.find_resource(resource) {
            cluster.hold_watches(kind, time);
        }
        self.shared.announce(&mut cluster);
    }

    /// Tells all watches of that kind the last changes once more, as they were: repeated, and older than what they know.
    pub fn repeat_changes(&self, resource: &str, count: usize) {
        let mut cluster = self.shared.lock();
        if let Some(kind) = cluster.kinds.find_resource(resource) {
            cluster.repeat_changes(kind, count);
        }
    }

    fn end_watches(&self, ending: Ending) {
        let mut cluster = self.shared.lock();
        let kinds: Vec<_> = cluster.kinds.iter().map(|(id, _)| id).collect();
        for kind in kinds {
            cluster.finish_watches(kind, ending, |_| true);
        }
    }

    /// Forgets all past changes: a watch or a page from an earlier version is told 410.
    pub fn forget_history(&self) {
        let mut cluster = self.shared.lock();
        let revision = cluster.store.revision();
        cluster.store.tables_mut().for_each(|table| table.forget(revision));
    }

    /// The requests so far.
    pub fn requests(&self) -> RequestCounts {
        self.shared.lock().log.counts()
    }
}
