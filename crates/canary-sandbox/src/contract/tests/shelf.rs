//! A router of a made-up mesh, and the ways in which it can be wrong.

use std::sync::Mutex;

use async_trait::async_trait;
use canary_core::{Capabilities, RouteSpec, Router, RouterError, Weight, Weights};
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Error};
use serde_json::{Value, json};

const ORIGINAL: &str = "acme.io/original";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Flaw {
    LosesUserFields,
    ResetsOnRepair,
    WritesEachTime,
    ReadsWrong,
    SwallowsErrors,
    FinalizeForgets,
    IgnoresVersions,
    NamesNothing,
    ClaimsMirror,
    ClaimsConditions,
    RemembersWeights,
    ForgetsOwner,
}

/// Splits traffic by `spec.canary` of a Split.
pub(super) struct Shelf {
    client: Client,
    flaw: Option<Flaw>,
    memory: Mutex<Option<Weights>>,
}

pub(super) fn splits() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("acme.io", "v1", "Split"))
}

fn percent(split: &Value) -> i64 {
    split["spec"]["canary"].as_i64().unwrap_or(0)
}

impl Shelf {
    pub(super) fn new(client: Client, flaw: Option<Flaw>) -> Self {
        Self { client, flaw, memory: Mutex::default() }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn api(&self, route: &RouteSpec) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &route.namespace, &splits())
    }

    fn failed(&self, error: &Error) -> RouterError {
        if self.is(Flaw::NamesNothing) {
            return RouterError::Api { message: "something went wrong".into(), conflict: false };
        }
        let Error::Api(status) = error else {
            return RouterError::Api { message: error.to_string(), conflict: false };
        };
        if status.code == 404 && status.details.is_none() {
            return RouterError::NotInstalled { message: format!("splits.acme.io: {}", status.message) };
        }
        RouterError::Api { message: status.message.clone(), conflict: status.code == 409 }
    }

    async fn live(&self, route: &RouteSpec) -> Result<Option<Value>, RouterError> {
        match self.api(route).get(&route.apex).await {
            Ok(object) => Ok(Some(json!(object))),
            Err(Error::Api(status)) if status.code == 404 && status.details.is_some() => Ok(None),
            Err(_) if self.is(Flaw::SwallowsErrors) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn write(&self, route: &RouteSpec, live: &Value, mut wanted: Value) -> Result<(), RouterError> {
        if *live == wanted && !self.is(Flaw::WritesEachTime) {
            return Ok(());
        }
        if self.is(Flaw::LosesUserFields) {
            wanted["spec"] = json!({ "to": wanted["spec"]["to"], "canary": wanted["spec"]["canary"] });
            wanted["metadata"]["labels"] = json!({});
        }
        if self.is(Flaw::IgnoresVersions) {
            let now = self.live(route).await?.unwrap_or_default();
            wanted["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
            return self.put_again(route, wanted).await;
        }
        let object: DynamicObject = serde_json::from_value(wanted).unwrap();
        match self.api(route).replace(&route.apex, &PostParams::default(), &object).await {
            Err(error) if !self.is(Flaw::SwallowsErrors) => Err(self.failed(&error)),
            _ => Ok(()),
        }
    }

    /// Writes until nobody is in the way, on whatever version there is.
    async fn put_again(&self, route: &RouteSpec, mut wanted: Value) -> Result<(), RouterError> {
        loop {
            let object: DynamicObject = serde_json::from_value(wanted.clone()).unwrap();
            match self.api(route).replace(&route.apex, &PostParams::default(), &object).await {
                Err(Error::Api(status)) if status.code == 409 => {
                    let now = self.live(route).await?.unwrap_or_default();
                    wanted["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
                }
                answer => return answer.map(drop).map_err(|e| self.failed(&e)),
            }
        }
    }

    async fn create(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let owner = route.owner.iter().map(|owner| {
            json!({ "apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid })
        });
        let owners: Vec<_> = owner.filter(|_| !self.is(Flaw::ForgetsOwner)).collect();
        let split = json!({
            "apiVersion": "acme.io/v1", "kind": "Split",
            "metadata": { "name": route.apex, "ownerReferences": owners },
            "spec": { "to": route.primary, "canary": 0 },
        });
        let object: DynamicObject = serde_json::from_value(split).unwrap();
        let created = self.api(route).create(&PostParams::default(), &object).await;
        created
            .map(drop)
            .or_else(|error| if self.is(Flaw::SwallowsErrors) { Ok(()) } else { Err(self.failed(&error)) })
    }
}

#[async_trait]
impl Router for Shelf {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let Some(live) = self.live(route).await? else { return self.create(route).await };
        let mut wanted = live.clone();
        if live["metadata"]["ownerReferences"].is_null() && live["spec"]["canary"].is_null() {
            wanted["metadata"]["annotations"][ORIGINAL] = json!(live["spec"].to_string());
        }
        wanted["spec"]["to"] = json!(route.primary);
        let reset = self.is(Flaw::ResetsOnRepair) && wanted["spec"] != live["spec"];
        wanted["spec"]["canary"] = json!(if reset { 0 } else { percent(&live) });
        self.write(route, &live, wanted).await
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        if self.is(Flaw::RemembersWeights)
            && let Some(weights) = *self.memory.lock().unwrap()
        {
            return Ok(Some(weights));
        }
        let wrong = i64::from(self.is(Flaw::ReadsWrong));
        let read = |split: &Value| Weights::canary(Weight::clamped(percent(split) / (1 + wrong)));
        Ok(self.live(route).await?.map(|split| read(&split)))
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        let Some(live) = self.live(route).await? else {
            if self.is(Flaw::SwallowsErrors) {
                return Ok(());
            }
            return Err(RouterError::Invalid { message: format!("Split {} not found", route.apex) });
        };
        *self.memory.lock().unwrap() = Some(weights);
        let mut wanted = live.clone();
        wanted["spec"]["canary"] = json!(weights.canary);
        self.write(route, &live, wanted).await
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let live = match self.live(route).await {
            Err(RouterError::NotInstalled { .. }) => return Ok(()),
            other => other?,
        };
        let Some(live) = live.filter(|_| !self.is(Flaw::FinalizeForgets)) else { return Ok(()) };
        let mut wanted = live.clone();
        if let Some(original) = live["metadata"]["annotations"][ORIGINAL].as_str() {
            wanted["spec"] = serde_json::from_str(original).unwrap();
            wanted["metadata"]["annotations"].as_object_mut().unwrap().remove(ORIGINAL);
        }
        self.write(route, &live, wanted).await
    }

    fn capabilities(&self) -> Capabilities {
        match self.flaw {
            Some(Flaw::ClaimsMirror) => Capabilities::default().with_mirror(),
            Some(Flaw::ClaimsConditions) => Capabilities::default().with_conditions(),
            _ => Capabilities::default(),
        }
    }
}
