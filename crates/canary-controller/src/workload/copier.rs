//! Reads a target and keeps its primary: what Deployments and `DaemonSets` have in common.
//! Not for their size, nor for whether they are ready.

use std::sync::Arc;

use canary_core::{RouteSpec, WorkloadError, WorkloadSpec};
use canary_routers::{ObjectError, Objects};
use serde_json::Value;

use super::selection::discovered_ports;
use super::source::{Kind, Source, template_of};
use super::{Pods, Selector, WorkloadSettings, past, primary};
use crate::configs::Configs;
use crate::failure::{Explain as _, Within as _};
use crate::generated::primary_name;

/// Reads targets of one kind and keeps their primaries.
pub(super) struct Copier {
    pub(super) kind: Kind,
    pub(super) objects: Arc<dyn Objects>,
    pub(super) settings: Arc<WorkloadSettings>,
}

impl Copier {
    /// The target as an object.
    pub(super) async fn target(&self, spec: &WorkloadSpec) -> Result<Value, WorkloadError> {
        self.existing(spec, &spec.target).await
    }

    /// The primary as an object, if it exists.
    pub(super) async fn primary(&self, spec: &WorkloadSpec) -> Result<Option<Value>, WorkloadError> {
        let name = primary_name(&spec.target);
        let found = self.objects.get(&self.kind.resource(), &spec.namespace, &name).await;
        found.explain(|| self.get_failed(spec, &name))
    }

    /// The primary as an object; an error when it does not exist.
    pub(super) async fn existing_primary(&self, spec: &WorkloadSpec) -> Result<Value, WorkloadError> {
        self.existing(spec, &primary_name(&spec.target)).await
    }

    /// The target with all that follows from it.
    pub(super) async fn source(&self, spec: &WorkloadSpec) -> Result<Source, WorkloadError> {
        let object = self.target(spec).await?;
        let selector = self.selector(spec, &object)?;
        let configs = self.configs_of(spec, &object).await?;
        Ok(Source { kind: self.kind, object, selector, configs })
    }

    /// The configs that a workload uses, when they are tracked.
    pub(super) async fn configs_of(
        &self,
        spec: &WorkloadSpec,
        workload: &Value,
    ) -> Result<Option<Configs>, WorkloadError> {
        if !self.settings.config_tracking {
            return Ok(None);
        }
        let template = template_of(self.kind, workload);
        Configs::collect(&*self.objects, &spec.namespace, &template).await.map(Some)
    }

    /// How the target's pods are selected and which ports they serve.
    pub(super) async fn pods(&self, spec: &WorkloadSpec, route: &RouteSpec) -> Result<Pods, WorkloadError> {
        let object = self.target(spec).await?;
        Ok(Pods { selector: self.selector(spec, &object)?, ports: discovered_ports(&object, route) })
    }

    /// Whether the primary runs the target's template, with the configs that the target has.
    pub(super) async fn is_run_by(
        &self,
        source: &Source,
        primary: Option<&Value>,
        spec: &WorkloadSpec,
    ) -> Result<bool, WorkloadError> {
        if !primary.is_some_and(|primary| source.is_run_by(primary, spec, &self.settings)) {
            return Ok(false);
        }
        match &source.configs {
            Some(configs) => configs.are_copied(&*self.objects).await,
            None => Ok(true),
        }
    }

    /// Creates the primary and its configs where they are missing.
    pub(super) async fn ensure_primary(&self, spec: &WorkloadSpec) -> Result<(), WorkloadError> {
        let whole = || format!("createPrimary{} failed", self.kind.resource().kind);
        let present = self.primary(spec).await.within(whole)?;
        let source = self.source(spec).await.within(whole)?;
        if let Some(primary) = present {
            return self.restore_configs(spec, &source, &primary).await.within(whole);
        }
        let object = match past::promoted(self, spec, &source).await.within(whole)? {
            None => {
                self.write_configs(spec, &source).await.within(whole)?;
                primary::created(&source, spec, &self.settings)
            }
            Some(promoted) => {
                // Copies that are there are what was promoted with it.
                let object = primary::created(&promoted, spec, &self.settings);
                self.restore_configs(spec, &promoted, &object).await.within(whole)?;
                object
            }
        };
        let name = primary_name(&spec.target);
        let created = self.objects.create(&self.kind.resource(), &object).await;
        created
            .explain(|| format!("creating {} {name}.{} failed", self.kind.noun(), spec.namespace))
            .within(whole)?;
        tracing::info!(kind = self.kind.noun(), %name, namespace = %spec.namespace, "the primary was created");
        Ok(())
    }

    /// Makes the primary what the target is, provided that the target still has `revision`.
    pub(super) async fn promote(&self, spec: &WorkloadSpec, revision: &str) -> Result<(), WorkloadError> {
        let name = primary_name(&spec.target);
        let noun = self.kind.noun();
        let whole = || format!("updating {noun} {name}.{} template spec failed", spec.namespace);
        let source = self.source(spec).await.within(whole)?;
        let present = source.revision();
        if present != revision {
            return Err(WorkloadError::MovedOn {
                message: format!(
                    "{noun} {}.{} has revision {present}, and {revision} was to be promoted",
                    spec.target, spec.namespace
                ),
            });
        }
        let live = self.existing_primary(spec).await.within(whole)?;
        self.write_configs(spec, &source).await.within(whole)?;
        let object = primary::promoted(&source, spec, &self.settings, &live);
        if object == live {
            return Ok(());
        }
        self.objects.replace(&self.kind.resource(), &object).await.explain(whole)?;
        Ok(())
    }

    async fn write_configs(&self, spec: &WorkloadSpec, source: &Source) -> Result<(), WorkloadError> {
        match &source.configs {
            Some(configs) => {
                configs.write_copies(&*self.objects, &spec.owner, &self.settings.include_label_prefix).await
            }
            None => Ok(()),
        }
    }

    async fn restore_configs(
        &self,
        spec: &WorkloadSpec,
        source: &Source,
        primary: &Value,
    ) -> Result<(), WorkloadError> {
        let Some(configs) = &source.configs else { return Ok(()) };
        let template = template_of(self.kind, primary);
        let prefixes = &self.settings.include_label_prefix;
        configs.restore_copies(&*self.objects, &template, &spec.owner, prefixes).await
    }

    fn selector(&self, spec: &WorkloadSpec, object: &Value) -> Result<Selector, WorkloadError> {
        let candidates = &self.settings.selector_labels;
        Selector::of(object, candidates).ok_or_else(|| {
            Selector::missing(&format!("{} {}.{}", self.kind.noun(), spec.target, spec.namespace), candidates)
        })
    }

    async fn existing(&self, spec: &WorkloadSpec, name: &str) -> Result<Value, WorkloadError> {
        let resource = self.kind.resource();
        let failed = || self.get_failed(spec, name);
        let found = self.objects.get(&resource, &spec.namespace, name).await.explain(failed)?;
        found.ok_or_else(|| WorkloadError::Missing {
            message: format!("{}: {}", failed(), ObjectError::absent(&resource, name)),
        })
    }

    fn get_failed(&self, spec: &WorkloadSpec, name: &str) -> String {
        format!("{} {name}.{} get query error", self.kind.noun(), spec.namespace)
    }
}
