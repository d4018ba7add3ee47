//! A controller whose metrics and hooks are all well.

use std::sync::Arc;

use async_trait::async_trait;
use canary_controller::{Controller, Settings};
use canary_core::{HookAnswer, HookCall, Hooks, MetricError, MetricProvider};
use canary_metrics::MetricProviders;
use kube::Client;

/// Answers every query with 100, and every hook with yes.
struct Healthy;

#[async_trait]
impl MetricProvider for Healthy {
    async fn query(&self, _: &str) -> Result<Option<f64>, MetricError> {
        Ok(Some(100.0))
    }
    async fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }
}

#[async_trait]
impl Hooks for Healthy {
    async fn call(&self, _: &HookCall) -> HookAnswer {
        HookAnswer::Passed
    }
}

/// A controller on that server for which every check and every hook passes.
pub fn healthy_controller(client: &Client) -> Controller {
    Controller::new(client.clone(), Settings::default())
        .with_hooks(Arc::new(Healthy))
        .with_providers(healthy_metrics())
}

/// Metrics that no threshold minds.
pub fn healthy_metrics() -> MetricProviders {
    MetricProviders::default().with("prometheus", |_| Ok(Arc::new(Healthy)))
}
