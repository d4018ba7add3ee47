//! Every check: its template, its secret, its provider, and what its query finds at the moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use canary_api::{MetricSpec, MetricTemplate, MetricTemplateSpec, TargetKind};
use canary_core::{Check, CheckSource, MetricProvider};
use canary_metrics::{Observer, ProviderSpec, Template, observer};
use serde_json::Value;

use super::{Examination, State};
use crate::questions::model;
use crate::verdict::round;

/// The window of a built-in or inline query that names none.
const DEFAULT_INTERVAL: &str = "1m";

/// A provider and what it is asked.
struct Prepared {
    provider: Arc<dyn MetricProvider>,
    query: String,
}

impl Examination<'_> {
    pub(super) async fn metrics(&mut self) {
        let plan = self.canary.plan();
        let specs = self.canary.metric_specs();
        for check in &plan.checks {
            let Some(spec) = specs.get(check.index) else { continue };
            let what = format!("metric {}", check.name);
            match self.prepare(check, spec).await {
                Ok(prepared) => self.ask(&what, check, spec, prepared).await,
                Err(problem) => self.row(what, State::Bad, problem),
            }
        }
    }

    fn observer(&self) -> &'static Observer {
        let own = self.canary.spec.provider.as_deref().unwrap_or_default();
        observer(&self.canary.mesh_provider, own, self.canary.target_kind == TargetKind::Service).0
    }

    async fn prepare(&self, check: &Check, spec: &MetricSpec) -> Result<Prepared, String> {
        let built_in = model(&self.canary, spec, DEFAULT_INTERVAL);
        let query = match check.source {
            CheckSource::SuccessRate => self.observer().success_rate(&built_in),
            CheckSource::Duration => self.observer().duration(&built_in),
            CheckSource::Inline => {
                Template::parse(spec.query.as_deref().unwrap_or_default()).and_then(|t| t.render(&built_in))
            }
            CheckSource::Template => return self.prepare_template(spec).await,
            CheckSource::Nothing => return Err("has neither a query nor a template".into()),
        };
        let query = query.map_err(|error| format!("its query cannot be rendered: {error}"))?;
        let address = self.canary.metrics_server().unwrap_or(&self.look.metrics_server);
        let provider = self.providers.build(&ProviderSpec::new("prometheus", address));
        Ok(Prepared { provider: provider.map_err(|error| error.to_string())?, query })
    }

    async fn prepare_template(&self, spec: &MetricSpec) -> Result<Prepared, String> {
        let (namespace, name) = spec.template.clone().unwrap_or_default();
        let label = format!("MetricTemplate {name}.{namespace}");
        let template = self.template(&label, &namespace, &name).await?;
        let backend = &template.provider;
        let mut provider = ProviderSpec::new(&backend.kind, backend.address.clone().unwrap_or_default());
        provider.headers.clone_from(&backend.headers);
        provider.region = backend.region.clone().unwrap_or_default();
        provider.insecure_skip_verify = backend.insecure_skip_verify;
        provider.interval.clone_from(&spec.interval);
        if let Some(reference) = &backend.secret_ref {
            let secret = self.secret(&namespace, &reference.name).await;
            provider.secret = Some(secret.map_err(|problem| format!("{label} names a secret: {problem}"))?);
        }
        let rendered =
            Template::parse(&template.query).and_then(|t| t.render(&model(&self.canary, spec, "")));
        let query = rendered.map_err(|error| format!("the query of {label} cannot be rendered: {error}"))?;
        let provider = self.providers.build(&provider).map_err(|error| format!("{label}: {error}"))?;
        Ok(Prepared { provider, query })
    }

    async fn template(&self, label: &str, namespace: &str, name: &str) -> Result<MetricTemplateSpec, String> {
        let found = self.cluster.find("flagger.app/v1beta1", "MetricTemplate", namespace, name).await;
        let found = found.map_err(|error| format!("{label} cannot be read: {error}"))?;
        let Some(found) = found else {
            return Err(self.cluster.absent("flagger.app/v1beta1", "MetricTemplate", namespace, name).await);
        };
        let object = found.object;
        let template: MetricTemplate =
            serde_json::from_value(object).map_err(|error| format!("{label}: {error}"))?;
        template.check().map_err(|error| error.to_string())
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let label = format!("Secret {name}.{namespace}");
        let found = self.cluster.find("v1", "Secret", namespace, name).await;
        let found = found.map_err(|error| format!("{label} cannot be read: {error}"))?;
        let Some(found) = found else {
            return Err(self.cluster.absent("v1", "Secret", namespace, name).await);
        };
        let object = found.object;
        let mut data = BTreeMap::new();
        for (key, value) in object["data"].as_object().into_iter().flatten() {
            let bytes: k8s_openapi::ByteString = serde_json::from_value(value.clone())
                .map_err(|_| format!("{label}: key {key:?} is not base64"))?;
            data.insert(key.clone(), bytes.0);
        }
        for (key, value) in object["stringData"].as_object().into_iter().flatten() {
            data.insert(key.clone(), Value::as_str(value).unwrap_or_default().as_bytes().to_vec());
        }
        Ok(data)
    }

    async fn ask(&mut self, what: &str, check: &Check, spec: &MetricSpec, prepared: Prepared) {
        let Prepared { provider, query } = prepared;
        if let Err(error) = provider.check().await {
            return self.row(what, State::Bad, format!("{}: {error}", error.trouble().as_str()));
        }
        let answer = match provider.query(&query).await {
            Err(error) => {
                return self.row(what, State::Bad, format!("{}: {error}", error.trouble().as_str()));
            }
            Ok(value) => value,
        };
        let value = match (check.source, answer) {
            (CheckSource::Duration, Some(value)) => self.observer().duration_milliseconds(value),
            (CheckSource::Duration, None) => {
                let older = self.observer().older_duration(&model(&self.canary, spec, DEFAULT_INTERVAL));
                match older {
                    Some(Ok(older)) => {
                        let value = provider.query(&older).await.ok().flatten();
                        value.and_then(|value| self.observer().older_duration_milliseconds(value))
                    }
                    _ => None,
                }
            }
            (_, value) => value,
        };
        match value {
            None => {
                let reason = provider.explain(&query).await;
                let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
                self.row(what, State::Doubtful, format!("no-data at the moment{reason}"));
            }
            Some(value) => match check.bounds.violation(value) {
                None => self.row(what, State::Good, format!("is {} at the moment", round(value))),
                Some((bound, above)) => {
                    let than = if above { "more than" } else { "less than" };
                    let text = format!("is {} at the moment, {than} {bound}", round(value));
                    self.row(what, State::Doubtful, text);
                }
            },
        }
    }
}
