//! A controller with a router of its own: an in-house load balancer that reads its split from a ConfigMap.
//!
//! `cargo run -p canary-examples --bin custom_router` plays a rollout on a simulated cluster, in no time.
use std::sync::Arc;

use async_trait::async_trait;
use canary_controller::{Controller, Settings};
use canary_core::{RouteSpec, Router, RouterError, Weight, Weights};
use canary_routers::kube::core::{ApiResource, GroupVersionKind};
use canary_routers::{Attempt, ObjectMetadata, Objects, Routers};
use serde_json::{Value, json};

#[path = "custom-router/cluster.rs"]
mod cluster;

// ANCHOR: router
/// Splits traffic by a ConfigMap `<apex>-balancer`: two Services, and the percentage of the second.
pub struct Balancer(pub Arc<dyn Objects>);

/// The kind that the load balancer reads.
pub fn config_maps() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"))
}

fn share(map: &Value) -> Weight {
    Weight::clamped(map["data"]["percent"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0))
}

impl Balancer {
    async fn live(&self, route: &RouteSpec) -> Result<Option<Value>, RouterError> {
        let (kind, name) = (config_maps(), format!("{}-balancer", route.apex));
        let text = format!("ConfigMap {name}.{} get error: ", route.namespace);
        let found = self.0.get(&kind, &route.namespace, &name).await;
        found.map_err(|error| Attempt::new(text, "get", &kind).failed(error))
    }

    /// Creates the map, or edits what is `live`: entries of others stay, and the version that was read guards the write.
    async fn write(&self, route: &RouteSpec, live: Option<Value>, canary: Weight) -> Result<(), RouterError> {
        let name = format!("{}-balancer", route.apex);
        let mut map =
            live.clone().unwrap_or_else(|| json!({"metadata": ObjectMetadata::created(route, &name)}));
        let entries = [("primary", route.primary.clone()), ("canary", route.canary.clone())];
        for (key, value) in entries.into_iter().chain([("percent", canary.to_string())]) {
            map["data"][key] = value.into();
        }
        let (verb, answer) = match live {
            Some(live) if live == map => return Ok(()), // nothing to do is nothing written
            Some(_) => ("update", self.0.replace(&config_maps(), &map).await),
            None => ("create", self.0.create(&config_maps(), &map).await),
        };
        let text = format!("ConfigMap {name}.{} {verb} error: ", route.namespace);
        answer.map(drop).map_err(|error| Attempt::new(text, verb, &config_maps()).failed(error))
    }
}

#[async_trait]
impl Router for Balancer {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let live = self.live(route).await?;
        let kept = live.as_ref().map_or(Weight::ZERO, share); // a repair moves no traffic
        self.write(route, live, kept).await
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        Ok(self.live(route).await?.map(|map| Weights::canary(share(&map))))
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        self.write(route, self.live(route).await?, weights.canary).await
    }
}
// ANCHOR_END: router

// ANCHOR: main
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let routers =
        Routers::default().with_kinds("acme", vec![config_maps()], |objects| Arc::new(Balancer(objects)));
    let settings = Settings { mesh_provider: "acme".into(), ..Settings::default() };
    // On a real cluster the client is `Client::try_default()`, and `run` lasts as long as the process.
    cluster::play(|client| Controller::new(client, settings).with_routers(routers)).await
}
// ANCHOR_END: main
