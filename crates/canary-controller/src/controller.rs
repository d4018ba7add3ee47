//! The controller: one loop that knows who is due, and a task for each canary that is looked at.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use canary_core::{Hooks, Notifier, Timestamp};
use canary_metrics::{HttpOptions, MetricProviders};
use canary_notifiers::Notifiers;
use canary_routers::{Contour, LiveObjects, Nginx, ObjectError, Routers};
use canary_webhooks::WebhookClient;
use futures::FutureExt;
use kube::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::Readiness;
use crate::announce::{self, Alerts, Announcer, Events, Outlets};
use crate::asking::Asking;
use crate::cache::Cache;
use crate::clock::{Clock, SystemClock};
use crate::memory::Memory;
use crate::newcomers::Newcomers;
use crate::queue::Queue;
use crate::reconcile::{Context, reconcile};
use crate::settings::Settings;
use crate::store::Key;
use crate::subject::{about, canary_kind, never_set_up};
use crate::telemetry::Telemetry;
use crate::workload::WorkloadSettings;

/// A wall clock may jump: nothing is slept for longer than this at a time.
const SLEEP_AT_MOST: Duration = Duration::from_secs(30);
/// When a canary is looked at again whose call panicked.
const AFTER_PANIC: Duration = Duration::from_secs(60);
/// How long a stop waits for calls under way, and then for what is still to be told.
const GRACE: Duration = Duration::from_secs(10);

/// Releases every Canary of a cluster (or namespace).
///
/// ```no_run
/// use canary_controller::{Controller, Settings};
/// use tokio_util::sync::CancellationToken;
///
/// # async fn run(client: kube::Client) -> Result<(), canary_controller::ControllerError> {
/// let stop = CancellationToken::new(); // cancel it on SIGTERM
/// Controller::new(client, Settings::default()).run(stop).await
/// # }
/// ```
pub struct Controller {
    client: Client,
    mesh: Option<Client>,
    settings: Settings,
    routers: Routers,
    providers: MetricProviders,
    notifiers: Notifiers,
    global: Option<Arc<dyn Notifier>>,
    hooks: Arc<dyn Hooks>,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
    readiness: Readiness,
    instance: String,
}

/// Why the controller stopped by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// Canaries cannot be listed. The text is the API server's.
    #[error("canaries.flagger.app cannot be listed: {0}")]
    Canaries(String),
}

impl Controller {
    /// A controller with the routers, providers and notifiers of these crates.
    pub fn new(client: Client, settings: Settings) -> Self {
        let telemetry = Telemetry::new(env!("CARGO_PKG_VERSION"), "", &settings.mesh_provider);
        let (prefix, class) = (settings.ingress_annotations_prefix.clone(), settings.ingress_class.clone());
        let egress = settings.egress.clone();
        let routers = Routers::default()
            .with_kinds("contour", Contour::kinds(), move |objects| Arc::new(Contour::new(objects, &class)))
            .with_kinds("nginx", Nginx::kinds(), move |objects| Arc::new(Nginx::new(objects, &prefix)));
        // Keptn and external metrics are asked through the cluster itself.
        let options = HttpOptions { egress: egress.clone(), ..HttpOptions::default() };
        let providers = MetricProviders::with_http(options.clone()).with_cluster(client.clone(), options);
        Self {
            client,
            mesh: None,
            providers,
            notifiers: Notifiers::with_egress(egress.clone()),
            global: None,
            hooks: Arc::new(WebhookClient::with_egress(egress)),
            settings,
            routers,
            clock: Arc::new(SystemClock),
            telemetry,
            readiness: Readiness::waiting("the canaries have not been listed yet"),
            instance: String::new(),
        }
    }

    /// With another cluster that holds the mesh's objects. They get no owners there, since owners cannot be elsewhere.
    #[must_use]
    pub fn with_mesh_client(mut self, mesh: Client) -> Self {
        self.settings.mesh_in_other_cluster = true;
        self.mesh = Some(mesh);
        self
    }

    /// With other routers.
    #[must_use]
    pub fn with_routers(self, routers: Routers) -> Self {
        Self { routers, ..self }
    }

    /// With other metric providers.
    #[must_use]
    pub fn with_providers(self, providers: MetricProviders) -> Self {
        Self { providers, ..self }
    }

    /// With other kinds of alert providers.
    #[must_use]
    pub fn with_notifiers(self, notifiers: Notifiers) -> Self {
        Self { notifiers, ..self }
    }

    /// With somebody who is told what canaries without alert rules have to say.
    #[must_use]
    pub fn with_global_notifier(self, notifier: Arc<dyn Notifier>) -> Self {
        Self { global: Some(notifier), ..self }
    }

    /// With another caller of webhooks.
    #[must_use]
    pub fn with_hooks(self, hooks: Arc<dyn Hooks>) -> Self {
        Self { hooks, ..self }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// With metrics that somebody exposes.
    #[must_use]
    pub fn with_telemetry(self, telemetry: Telemetry) -> Self {
        Self { telemetry, ..self }
    }

    /// With a readiness that somebody exposes: it is ready once the canaries were listed.
    #[must_use]
    pub fn with_readiness(self, readiness: Readiness) -> Self {
        Self { readiness, ..self }
    }

    /// With the name that events give this process, usually its pod's.
    #[must_use]
    pub fn with_instance(self, instance: impl Into<String>) -> Self {
        Self { instance: instance.into(), ..self }
    }

    /// Runs until `stop` is cancelled: then no call begins, those under way end, and what they have to tell is told.
    ///
    /// # Errors
    /// The canaries cannot be listed: their CRD is missing, or reading it is forbidden.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ControllerError> {
        let watches = CancellationToken::new();
        let _stop_watches = watches.clone().drop_guard();
        let (sender, touched) = mpsc::unbounded_channel();
        let namespace = self.settings.namespace.clone();
        let mesh = self
            .mesh
            .clone()
            .map(|client| Cache::new(client, namespace.clone(), sender.clone(), watches.clone()));
        let cache = Cache::new(self.client.clone(), namespace, sender, watches);
        let kind = canary_kind();
        tokio::select! {
            biased;
            listed = cache.follow_canaries(&kind) => listed.map_err(|e: ObjectError| ControllerError::Canaries(e.to_string()))?,
            () = stop.cancelled() => return Ok(()),
        }
        self.readiness.ready();
        let tracker = TaskTracker::new();
        let context = Arc::new(self.context(cache, mesh, &tracker));
        context.telemetry.working(true);
        let mut work = Work {
            calls: JoinSet::new(),
            memories: HashMap::new(),
            queue: Queue::default(),
            newcomers: Newcomers::default(),
            counted: BTreeMap::new(),
            context,
        };
        work.run(touched, &stop).await;
        work.context.telemetry.working(false);
        tracker.close();
        let _ = tokio::time::timeout(GRACE, tracker.wait()).await;
        Ok(())
    }

    fn context(self, cache: Cache, mesh: Option<Cache>, tracker: &TaskTracker) -> Context {
        let live = LiveObjects::new(self.client);
        let settings = self.settings;
        let global = self.global.or_else(|| announce::global_notifier(&self.notifiers, &settings));
        let outlets = Outlets {
            events: Events::new(live.clone(), self.instance),
            hooks: self.hooks.clone(),
            event_webhook: settings.event_webhook.as_ref().map(|a| a.reveal().to_owned()),
            alerts: Alerts {
                notifiers: self.notifiers,
                global,
                cluster_name: settings.cluster_name.clone(),
                secrets: live,
            },
            clock: self.clock.clone(),
            tracker: tracker.clone(),
        };
        let asking = Asking {
            hooks: self.hooks,
            providers: self.providers,
            metrics_server: settings.metrics_server.reveal().to_owned(),
            cache: cache.clone(),
            telemetry: self.telemetry.clone(),
        };
        let workload_settings = WorkloadSettings {
            selector_labels: settings.selector_labels.clone(),
            include_label_prefix: settings.include_label_prefix.clone(),
            config_tracking: settings.config_tracking,
        };
        Context {
            cache,
            mesh,
            workload_settings: Arc::new(workload_settings),
            settings,
            routers: self.routers,
            asking,
            outlets: Arc::new(outlets),
            clock: self.clock,
            telemetry: self.telemetry,
        }
    }
}

/// What came of looking at one canary: its memory, unless that was lost, and when to look again.
type Ended = (Key, Option<Memory>, Option<Timestamp>);

/// The loop and what it owns.
struct Work {
    context: Arc<Context>,
    queue: Queue,
    newcomers: Newcomers,
    /// Memories of canaries that are not being looked at right now.
    memories: HashMap<Key, Memory>,
    calls: JoinSet<Ended>,
    counted: BTreeMap<String, usize>,
}

impl Work {
    async fn run(&mut self, mut touched: mpsc::UnboundedReceiver<Key>, stop: &CancellationToken) {
        loop {
            let now = self.context.clock.now();
            for key in self.queue.take_due(now) {
                self.start(key, now);
            }
            while let Some(key) = self.newcomers.next(now) {
                self.start(key, now);
            }
            self.context.telemetry.calls_running(self.calls.len());
            let next = self.queue.next_due().into_iter().chain(self.newcomers.next_place()).min();
            let pause = next.map_or(SLEEP_AT_MOST, |at| {
                at.duration_since(now).try_into().unwrap_or(Duration::ZERO).min(SLEEP_AT_MOST)
            });
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.calls.join_next() => if let Ok(ended) = ended { self.done(ended) },
                Some(key) = touched.recv() => self.queue.touch(&key, self.context.clock.now()),
                () = tokio::time::sleep(pause) => {}
            }
        }
        let finish = async { while self.calls.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, finish).await;
    }

    /// Looks at one canary in a task of its own, or forgets one that is gone.
    fn start(&mut self, key: Key, now: Timestamp) {
        let kind = canary_kind();
        let Some(object) = self.context.cache.peek(&kind, &key) else {
            self.queue.forget(&key);
            if let Some(memory) = self.memories.remove(&key) {
                self.forget(&key, &memory.target);
            }
            return;
        };
        let uid = about(&object).uid;
        let known = self.memories.remove(&key).filter(|memory| memory.uid == uid);
        if known.is_none() {
            self.count();
        }
        let memory = known.unwrap_or_else(|| Memory::new(uid, Announcer::new(self.context.outlets.clone())));
        if memory.last_tick.is_none() && never_set_up(&object) && !self.newcomers.admit(&key, now) {
            self.memories.insert(key, memory);
            return;
        }
        let context = self.context.clone();
        self.calls.spawn(async move {
            let mut memory = memory;
            let call = AssertUnwindSafe(reconcile(&context, &object, &key, &mut memory)).catch_unwind().await;
            if let Ok(next) = call {
                return (key, Some(memory), next);
            }
            // A defect that one canary meets must not stop the others, nor that canary for ever.
            tracing::error!(canary = format!("{}.{}", key.1, key.0), "a call panicked");
            context.telemetry.reconcile_failed("panic");
            (key, None, Some(context.clock.now().checked_add(AFTER_PANIC).unwrap_or(Timestamp::MAX)))
        });
    }

    fn done(&mut self, (key, memory, next): Ended) {
        self.newcomers.left(&key);
        self.queue.done(&key, next, self.context.clock.now());
        if let Some(memory) = memory {
            self.memories.insert(key, memory);
        }
    }

    fn forget(&mut self, key: &Key, target: &str) {
        self.context.cache.forget(key, &canary_kind());
        if let Some(mesh) = &self.context.mesh {
            mesh.forget(key, &canary_kind());
        }
        self.context.telemetry.forget(&key.0, target);
        self.count();
    }

    /// Canaries by namespace, when they changed.
    fn count(&mut self) {
        let mut counted = BTreeMap::new();
        for (namespace, _) in self.context.cache.names(&canary_kind()) {
            *counted.entry(namespace).or_default() += 1;
        }
        if counted != self.counted {
            self.context.telemetry.canaries(counted.clone());
            self.counted = counted;
        }
    }
}
