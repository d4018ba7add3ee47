//! One router on one cluster, in a namespace of its own, with the calls that rules are made of.

use std::sync::Arc;

use canary_core::{Capabilities, Owner, RouteSpec, Router, Weight, Weights};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::adapter::RouterAdapter;
use super::outcome::{Course, Stop, ensure};
use super::tap::{Fault, Tap};

/// The object that stands for the Canary: any can be an owner.
const OWNER: &str = "contract-canary";
/// Labels and annotations that a user gave an object of theirs.
const USERS: (&str, &str) = ("contract/user", "kept");

pub(super) struct Bench<'a> {
    pub(super) adapter: &'a dyn RouterAdapter,
    pub(super) router: Arc<dyn Router>,
    pub(super) tap: Arc<Tap>,
    pub(super) route: RouteSpec,
    client: Client,
}

fn api_failed(what: &str, error: &kube::Error) -> Stop {
    Stop::broken(format!("the cluster does not play its part: {what}: {error}"))
}

impl<'a> Bench<'a> {
    /// A namespace with what the router needs.
    pub(super) async fn new(
        adapter: &'a dyn RouterAdapter,
        client: Client,
        namespace: &str,
    ) -> Result<Self, Stop> {
        let core = |kind: &str| ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", kind));
        let create = async |api: Api<DynamicObject>, object: Value| {
            let object: DynamicObject = serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
            api.create(&PostParams::default(), &object).await
        };
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        let namespaces = Api::all_with(client.clone(), &core("Namespace"));
        create(namespaces, object).await.map_err(|e| api_failed("creating a namespace", &e))?;
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": OWNER } });
        let maps = Api::namespaced_with(client.clone(), namespace, &core("ConfigMap"));
        let owner = create(maps, object).await.map_err(|e| api_failed("creating an owner", &e))?;

        let mut route = RouteSpec::new(namespace, "podinfo", "podinfo");
        route.selector = Some(("app".into(), "podinfo".into()));
        route.owner = Some(Owner {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            name: OWNER.into(),
            uid: owner.metadata.uid.unwrap_or_default(),
        });
        adapter.complete(&mut route);
        // A router is called once the Services are there.
        for (name, app) in [
            (&route.apex, "podinfo-primary"),
            (&route.primary, "podinfo-primary"),
            (&route.canary, "podinfo"),
        ] {
            let ports = json!([{ "name": route.port_name, "port": route.port }]);
            let spec = json!({ "selector": { "app": app }, "ports": ports });
            let object =
                json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name }, "spec": spec });
            let services = Api::namespaced_with(client.clone(), namespace, &core("Service"));
            create(services, object).await.map_err(|e| api_failed("creating a Service", &e))?;
        }
        let tap = Tap::new(client.clone());
        let router = adapter.router(tap.client());
        let bench = Self { adapter, router, tap, route, client };
        for object in adapter.needs(&bench.route) {
            bench.put(object).await?;
        }
        Ok(bench)
    }

    /// The same once more, to be told another route.
    pub(super) fn again(&self) -> Self {
        let (router, tap) = (Arc::clone(&self.router), Arc::clone(&self.tap));
        Self { adapter: self.adapter, router, tap, route: self.route.clone(), client: self.client.clone() }
    }

    // === The router ===

    pub(super) fn can(&self) -> Capabilities {
        self.router.capabilities()
    }

    /// Leaves the rule where there is nothing to split.
    pub(super) fn needs_weights(&self) -> Course {
        if self.can().weighted { Ok(()) } else { Err(Stop::NotConcerned("the router splits no traffic")) }
    }

    pub(super) async fn reconcile(&self) -> Course {
        let done = self.router.reconcile(&self.route).await;
        done.map_err(|e| Stop::broken(format!("reconcile fails: {e}")))?;
        self.settle().await
    }

    pub(super) async fn set(&self, weights: Weights) -> Course {
        let done = self.router.set_weights(&self.route, weights).await;
        done.map_err(|e| Stop::broken(format!("set_weights of {weights} fails: {e}")))?;
        self.settle().await
    }

    pub(super) async fn expect(&self, weights: Weights, when: &str) -> Course {
        match self.router.weights(&self.route).await {
            Ok(Some(seen)) if seen == weights => Ok(()),
            Ok(Some(seen)) => Err(Stop::broken(format!("{when}, weights says {seen} instead of {weights}"))),
            Ok(None) => Err(Stop::broken(format!("{when}, weights knows of no route instead of {weights}"))),
            Err(error) => Err(Stop::broken(format!("{when}, weights fails: {error}"))),
        }
    }

    /// The route is there, with everything on the primary.
    pub(super) async fn begun(&self) -> Course {
        self.reconcile().await?;
        self.expect(Weights::PRIMARY, "after the first reconcile").await
    }

    /// Fails when `call` wrote something.
    pub(super) async fn without_writing(&self, what: &str, call: impl Future<Output = Course>) -> Course {
        let before = self.tap.writes();
        call.await?;
        let writes = self.tap.writes() - before;
        ensure(writes == 0, || format!("{what} sent {writes} writes although nothing was to change"))
    }

    // === The cluster ===

    fn api(&self, kind: &ApiResource) -> Api<DynamicObject> {
        if self.adapter.is_cluster_scoped(kind) {
            Api::all_with(self.client.clone(), kind)
        } else {
            Api::namespaced_with(self.client.clone(), &self.route.namespace, kind)
        }
    }

    /// The kind of the live object.
    pub(super) fn live_kind(&self) -> Result<ApiResource, Stop> {
        self.adapter.kinds().into_iter().next().ok_or(Stop::NotConcerned("the router writes no objects"))
    }

    pub(super) fn live_name(&self) -> String {
        self.adapter.live_name(&self.route)
    }

    fn kind_of(&self, object: &Value) -> Result<ApiResource, Stop> {
        let mut kinds = self.adapter.kinds().into_iter();
        let found = kinds.find(|k| object["kind"] == k.kind && object["apiVersion"] == k.api_version);
        found.ok_or_else(|| {
            let (kind, version) = (&object["kind"], &object["apiVersion"]);
            Stop::broken(format!(
                "the adapter has an object of kind {kind} of {version}, which is none of its kinds"
            ))
        })
    }

    /// Creates an object of the user's, with a label and an annotation.
    pub(super) async fn put(&self, mut object: Value) -> Result<Value, Stop> {
        let kind = self.kind_of(&object)?;
        for map in ["labels", "annotations"] {
            object["metadata"][map][USERS.0] = json!(USERS.1);
        }
        if !self.adapter.is_cluster_scoped(&kind) {
            object["metadata"]["namespace"] = json!(self.route.namespace);
        }
        let status = object.as_object_mut().and_then(|fields| fields.remove("status"));
        let typed: DynamicObject =
            serde_json::from_value(object).map_err(|e| Stop::broken(format!("the adapter's object: {e}")))?;
        let created = self.api(&kind).create(&PostParams::default(), &typed).await;
        let created = created.map_err(|e| api_failed("creating an object of the user's", &e))?;
        if let Some(status) = status {
            self.put_status(&kind, &created.metadata.name.clone().unwrap_or_default(), &status).await?;
        }
        Ok(stripped(json!(created)))
    }

    async fn put_status(&self, kind: &ApiResource, name: &str, status: &Value) -> Course {
        let patch = json!({ "status": status });
        let written = self.api(kind).patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        written.map(drop).map_err(|e| api_failed("writing a status", &e))
    }

    /// Lets the mesh's controllers do their part.
    pub(super) async fn settle(&self) -> Course {
        let Ok(kind) = self.live_kind() else { return Ok(()) };
        let Some(live) = self.find().await? else { return Ok(()) };
        match self.adapter.status(&live) {
            Some(status) => self.put_status(&kind, &self.live_name(), &status).await,
            None => Ok(()),
        }
    }

    /// The live object as it is, if it is there.
    async fn find(&self) -> Result<Option<Value>, Stop> {
        let found = self.api(&self.live_kind()?).get_opt(&self.live_name()).await;
        Ok(found.map_err(|e| api_failed("reading the live object", &e))?.map(|object| json!(object)))
    }

    /// The live object, without what the server adds.
    pub(super) async fn live(&self) -> Result<Value, Stop> {
        let name = self.live_name();
        let missing = || Stop::broken(format!("there is no object {name} after the router's work"));
        self.find().await?.map(stripped).ok_or_else(missing)
    }

    /// Somebody else changes the live object.
    pub(super) async fn edit(&self, change: impl FnOnce(&mut Value)) -> Course {
        let mut object = self.find().await?.ok_or_else(|| Stop::broken("the live object is missing"))?;
        change(&mut object);
        let object: DynamicObject =
            serde_json::from_value(object).map_err(|e| Stop::broken(format!("the adapter's change: {e}")))?;
        let api = self.api(&self.live_kind()?);
        let written = api.replace(&self.live_name(), &PostParams::default(), &object).await;
        written.map_err(|e| api_failed("changing the live object", &e))?;
        self.settle().await
    }

    pub(super) async fn delete(&self, kind: &ApiResource, name: &str) -> Course {
        let deleted = self.api(kind).delete(name, &DeleteParams::default()).await;
        deleted.map(drop).map_err(|e| api_failed("deleting an object", &e))
    }

    /// All objects of the router's kinds, without what the server adds, sorted.
    pub(super) async fn state(&self) -> Result<Vec<Value>, Stop> {
        let mut all = Vec::new();
        for kind in self.adapter.kinds() {
            let list = self.api(&kind).list(&ListParams::default()).await;
            let list = list.map_err(|e| api_failed("listing objects", &e))?;
            // Of a kind without namespaces, one object is this bench's.
            let foreign = |name: &str| {
                let other = self.adapter.is_cluster_scoped(&kind) && name != self.live_name();
                other || kind.group.is_empty() && (name == OWNER || name == "kube-root-ca.crt")
            };
            for object in list.items {
                let name = object.metadata.name.clone().unwrap_or_default();
                if !foreign(&name) {
                    let mut object = stripped(json!(object));
                    object["apiVersion"] = json!(kind.api_version);
                    object["kind"] = json!(kind.kind);
                    all.push(object);
                }
            }
        }
        all.sort_by_key(|object| format!("{} {}", object["kind"], object["metadata"]["name"]));
        Ok(all)
    }

    /// Begins anew: nothing is there but what the router needs.
    pub(super) async fn clear(&self) -> Course {
        for object in self.state().await? {
            let kind = self.kind_of(&object)?;
            self.delete(&kind, object["metadata"]["name"].as_str().unwrap_or_default()).await?;
        }
        for object in self.adapter.needs(&self.route) {
            self.put(object).await?;
        }
        Ok(())
    }

    /// Clears, sets up `weights`, and lets nothing go wrong.
    pub(super) async fn at(&self, canary: i64) -> Course {
        self.tap.heal();
        self.clear().await?;
        self.reconcile().await?;
        self.set(share(canary)).await
    }

    pub(super) fn fail(&self, fault: Fault) {
        self.tap.fail(fault);
    }
}

/// So many percent to the canary.
pub(super) fn share(canary: i64) -> Weights {
    Weights::canary(Weight::clamped(canary))
}

/// Whether the user's label and annotation are on the object.
pub(super) fn is_still_the_users(object: &Value) -> bool {
    ["labels", "annotations"].iter().all(|map| object["metadata"][map][USERS.0] == USERS.1)
}

/// The object without its status and without what the server counts.
fn stripped(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in ["resourceVersion", "uid", "generation", "managedFields", "creationTimestamp"] {
            metadata.remove(field);
        }
    }
    object
}
