//! Finding answers: one hook, one metric or one probe, each with its own time limit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use canary_api::{MetricSpec, MetricTemplate, MetricTemplateSpec, TargetKind};
use canary_core::{
    Answer, Check, CheckSource, FailureKind, HookAnswer, HookId, Hooks, MetricId, MetricProvider, Phase,
    Question,
};
use canary_metrics::{MetricProviders, Observer, ProviderSpec, QueryModel, Template, observer};
use canary_routers::{KnativeService, ObjectError, Objects};
use canary_webhooks::hook_call;
use k8s_openapi::api::core::v1::Secret;
use kube::core::ApiResource;
use tracing::Instrument as _;

use crate::cache::{Cache, Reader};
use crate::finding::{Finding, Put};
use crate::spans;
use crate::subject::Subject;
use crate::telemetry::Telemetry;

/// The window of a built-in or inline query that names none.
const DEFAULT_INTERVAL: &str = "1m";
/// What events say of a provider that answered without a value.
const NO_VALUES: &str = "no values found";

/// Whom questions are put to.
pub(crate) struct Asking {
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) providers: MetricProviders,
    /// Address of the Prometheus for built-in and inline queries.
    pub(crate) metrics_server: String,
    pub(crate) cache: Cache,
    pub(crate) telemetry: Telemetry,
}

/// A template with the provider that answers it.
struct Prepared {
    provider: Arc<dyn MetricProvider>,
    query: String,
    label: String,
}

impl Asking {
    /// Finds one answer, and for a metric what is wrong with it.
    pub(crate) async fn ask(
        &self,
        subject: &Subject,
        reader: &Reader,
        question: &Question,
    ) -> (Answer, Option<Finding>) {
        let (begun, span) = (Instant::now(), spans::question(&subject.plan, question));
        let asked = self.ask_one(subject, reader, question).instrument(span.clone());
        let (kind, (answer, finding)) = asked.await;
        spans::answered(&span, outcome(&answer));
        self.telemetry.question_answered(kind, outcome(&answer), begun.elapsed());
        (answer, finding)
    }

    /// The same with the kind of the question.
    async fn ask_one(
        &self,
        subject: &Subject,
        reader: &Reader,
        question: &Question,
    ) -> (&'static str, (Answer, Option<Finding>)) {
        match question {
            Question::Hook { id, phase } => {
                ("hook", (Answer::Hook(self.hook(subject, *id, *phase).await), None))
            }
            Question::Metric(id) => ("metric", self.metric(subject, reader, *id).await),
            Question::Online(id) => ("probe", (self.online(subject, reader, *id).await, None)),
        }
    }

    async fn hook(&self, subject: &Subject, id: HookId, phase: Phase) -> HookAnswer {
        match subject.plan.hooks.get(id.0) {
            Some(hook) => self.hooks.call(&hook_call(hook, &subject.plan, &subject.status, phase)).await,
            None => HookAnswer::Failed("the hook is not in the plan".into()),
        }
    }

    async fn metric(&self, subject: &Subject, reader: &Reader, id: MetricId) -> (Answer, Option<Finding>) {
        let Some((check, spec)) = check(subject, id) else {
            return (failed(FailureKind::Query, "the metric is not in the plan"), None);
        };
        let mut put = Put::default();
        let answer = match check.source {
            CheckSource::SuccessRate | CheckSource::Duration => {
                self.built_in(subject, reader, check, spec, &mut put).await
            }
            CheckSource::Inline => self.inline(subject, reader, spec, &mut put).await,
            CheckSource::Template => match self.prepare(subject, reader, spec).await {
                Ok(prepared) => query(prepared.provider, prepared.query, &mut put).await,
                Err(answer) => answer,
            },
            CheckSource::Nothing => failed(FailureKind::Query, "there is nothing to ask"),
        };
        if let Answer::Value(value) = answer {
            // Flagger exports durations in seconds.
            let shown = if check.source == CheckSource::Duration { value / 1000.0 } else { value };
            self.telemetry.metric_value(&subject.plan.namespace, &subject.plan.target, &check.name, shown);
        }
        let finding = Finding::of(check, &put, &answer);
        (answer, finding)
    }

    async fn built_in(
        &self,
        subject: &Subject,
        reader: &Reader,
        check: &Check,
        spec: &MetricSpec,
        put: &mut Put,
    ) -> Answer {
        let queries = observer_of(subject);
        let model = match model(subject, reader, spec, DEFAULT_INTERVAL).await {
            Ok(model) => model,
            Err(answer) => return answer,
        };
        let duration = check.source == CheckSource::Duration;
        let rendered = if duration { queries.duration(&model) } else { queries.success_rate(&model) };
        let text = match rendered {
            Ok(text) => text,
            Err(error) => return failed(FailureKind::Query, format!("rendering query failed: {error}")),
        };
        let provider = match self.prometheus(subject) {
            Ok(provider) => provider,
            Err(answer) => return answer,
        };
        let answer = of_built_in(query(provider.clone(), text, put).await);
        let measured = match &answer {
            Answer::Value(value) if duration => queries.duration_milliseconds(*value),
            Answer::NoData(_) if duration => older_duration(queries, &model, provider, put).await,
            Answer::Value(_) | Answer::NoData(_) | Answer::Failed { .. } | Answer::Hook(_) => return answer,
        };
        match (measured, answer) {
            (Some(milliseconds), _) => Answer::Value(milliseconds),
            (None, Answer::Value(_)) => Answer::NoData(NO_VALUES.into()),
            (None, answer) => answer,
        }
    }

    async fn inline(&self, subject: &Subject, reader: &Reader, spec: &MetricSpec, put: &mut Put) -> Answer {
        match (rendered_inline(subject, reader, spec).await, self.prometheus(subject)) {
            (Err(answer), _) | (_, Err(answer)) => answer,
            (Ok(text), Ok(provider)) => query(provider, text, put).await,
        }
    }

    /// The Prometheus of built-in and inline queries: the canary's own, or the controller's.
    fn prometheus(&self, subject: &Subject) -> Result<Arc<dyn MetricProvider>, Answer> {
        let own = subject.valid.metrics_server();
        let address = own.unwrap_or(&self.metrics_server);
        let mut spec = ProviderSpec::new("prometheus", address);
        spec.patience = Some(patience(subject));
        self.providers.build(&spec).map_err(|error| match own {
            Some(url) => failed(FailureKind::MetricsServer { url: url.to_owned() }, error.to_string()),
            None => failed(FailureKind::Query, error.to_string()),
        })
    }

    /// Reads the template, its secret, and makes its provider and its query.
    async fn prepare(
        &self,
        subject: &Subject,
        reader: &Reader,
        spec: &MetricSpec,
    ) -> Result<Prepared, Answer> {
        let (template, name, namespace) = self.template(reader, spec).await?;
        let label = format!("{name}.{namespace}");
        let secret = self.secret(&template, &label, &namespace).await?;
        let backend = &template.provider;
        let mut provider = ProviderSpec::new(&backend.kind, backend.address.clone().unwrap_or_default());
        provider.headers.clone_from(&backend.headers);
        provider.secret = secret;
        provider.region = backend.region.clone().unwrap_or_default();
        provider.insecure_skip_verify = backend.insecure_skip_verify;
        provider.interval.clone_from(&spec.interval);
        provider.patience = Some(patience(subject));
        let provider = self.providers.build(&provider).map_err(|error| {
            let kind = FailureKind::Provider { template: label.clone(), provider: backend.kind.clone() };
            failed(kind, error.to_string())
        })?;
        let model = model(subject, reader, spec, "").await?;
        let rendered = Template::parse(&template.query).and_then(|t| t.render(&model));
        let query = rendered
            .map_err(|error| failed(FailureKind::Render { template: label.clone() }, error.to_string()))?;
        Ok(Prepared { provider, query, label })
    }

    async fn template(
        &self,
        reader: &Reader,
        spec: &MetricSpec,
    ) -> Result<(MetricTemplateSpec, String, String), Answer> {
        let (namespace, name) = spec.template.clone().unwrap_or_default();
        let label = format!("{name}.{namespace}");
        let kind = ApiResource::erase::<MetricTemplate>(&());
        let error = |text: String| failed(FailureKind::Template { template: label.clone() }, text);
        let objects: &dyn Objects = reader;
        let found = objects.get_as::<MetricTemplate>(&kind, &namespace, &name).await;
        let template = found
            .map_err(|e| error(e.to_string()))?
            .ok_or_else(|| error(ObjectError::absent(&kind, &name).to_string()))?;
        let template = template.check().map_err(|e| error(e.to_string()))?;
        Ok((template, name, namespace))
    }

    /// The data of the template's secret. It is read anew each time and never kept.
    async fn secret(
        &self,
        template: &MetricTemplateSpec,
        label: &str,
        namespace: &str,
    ) -> Result<Option<BTreeMap<String, Vec<u8>>>, Answer> {
        let Some(reference) = &template.provider.secret_ref else { return Ok(None) };
        let kind = ApiResource::erase::<Secret>(&());
        let error = |text: String| {
            let kind = FailureKind::Secret { template: label.to_owned(), secret: reference.name.clone() };
            failed(kind, text)
        };
        let found = self.cache.live().get_as::<Secret>(&kind, namespace, &reference.name).await;
        let secret = found
            .map_err(|e| error(e.to_string()))?
            .ok_or_else(|| error(ObjectError::absent(&kind, &reference.name).to_string()))?;
        Ok(Some(secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect()))
    }

    /// Whether the provider of a check can be reached.
    async fn online(&self, subject: &Subject, reader: &Reader, id: MetricId) -> Answer {
        let Some((check, spec)) = check(subject, id) else { return Answer::Value(1.0) };
        let provider = match check.source {
            CheckSource::SuccessRate | CheckSource::Duration => {
                self.prometheus(subject).map(|p| (p, "prometheus not available".to_owned()))
            }
            CheckSource::Template => self
                .prepare(subject, reader, spec)
                .await
                .map(|p| (p.provider, format!("metric template {} not available", p.label))),
            // A query that cannot be rendered would fail the first check, when it is too late.
            CheckSource::Inline => {
                let rendered = rendered_inline(subject, reader, spec).await;
                return rendered.map_or_else(|answer| answer, |_| Answer::Value(1.0));
            }
            CheckSource::Nothing => return Answer::Value(1.0),
        };
        match provider {
            Ok((provider, what)) => match provider.check().await {
                Ok(()) => Answer::Value(1.0),
                Err(error) => failed(FailureKind::Query, format!("{what}: {error}")),
            },
            Err(answer) => answer,
        }
    }
}

async fn rendered_inline(subject: &Subject, reader: &Reader, spec: &MetricSpec) -> Result<String, Answer> {
    let text = spec.query.as_deref().unwrap_or_default();
    let model = model(subject, reader, spec, DEFAULT_INTERVAL).await?;
    let rendered = Template::parse(text).and_then(|t| t.render(&model));
    rendered.map_err(|error| failed(FailureKind::Query, error.to_string()))
}

fn check(subject: &Subject, id: MetricId) -> Option<(&Check, &MetricSpec)> {
    let check = subject.plan.checks.get(id.0)?;
    Some((check, subject.metrics.get(check.index)?))
}

fn observer_of(subject: &Subject) -> &'static Observer {
    let valid = &subject.valid;
    let own = valid.spec.provider.as_deref().unwrap_or_default();
    observer(&valid.mesh_provider, own, valid.target_kind == TargetKind::Service).0
}

async fn model(
    subject: &Subject,
    reader: &Reader,
    spec: &MetricSpec,
    default_interval: &str,
) -> Result<QueryModel, Answer> {
    let mut names = subject.valid.query_model();
    if subject.kind == TargetKind::Knative {
        names.route = latest_revision(subject, reader).await?;
    }
    Ok(QueryModel {
        name: names.name,
        namespace: names.namespace,
        target: names.target,
        service: names.service,
        ingress: names.ingress,
        route: names.route,
        interval: spec
            .interval
            .clone()
            .filter(|i| !i.is_empty())
            .unwrap_or_else(|| default_interval.to_owned()),
        variables: spec.variables.clone(),
    })
}

/// Requests to a Knative Service are counted by revision, and the canary is the latest one.
async fn latest_revision(subject: &Subject, reader: &Reader) -> Result<String, Answer> {
    let (kind, plan) = (KnativeService::kind(), &subject.plan);
    let objects: &dyn Objects = reader;
    let found = objects.get_as::<KnativeService>(&kind, &plan.namespace, &plan.target).await;
    let found = found.and_then(|s| s.ok_or_else(|| ObjectError::absent(&kind, &plan.target)));
    let service = found.map_err(|error| failed(FailureKind::KnativeService, error.to_string()))?;
    Ok(service.latest_revision().unwrap_or_default().to_owned())
}

/// How long one answer may take: one that comes after the canary's own interval would be about another tick.
fn patience(subject: &Subject) -> Duration {
    subject.plan.interval.mul_f64(0.9)
}

async fn query(provider: Arc<dyn MetricProvider>, text: String, put: &mut Put) -> Answer {
    let answer = match provider.measure(&text).await {
        Ok(measured) => {
            put.samples = measured.samples;
            measured.value.map_or_else(|| Answer::NoData(NO_VALUES.into()), Answer::Value)
        }
        Err(error) => {
            put.trouble = Some(error.trouble());
            failed(FailureKind::Query, error.to_string())
        }
    };
    put.query = Some(text);
    put.provider = Some(provider);
    answer
}

/// Milliseconds by the name that the series had before, where the present one has no values.
async fn older_duration(
    queries: &Observer,
    model: &QueryModel,
    provider: Arc<dyn MetricProvider>,
    put: &mut Put,
) -> Option<f64> {
    let text = queries.older_duration(model)?.ok()?;
    let measured = provider.measure(&text).await.ok()?;
    let milliseconds = queries.older_duration_milliseconds(measured.value?)?;
    put.query = Some(text);
    put.samples = measured.samples;
    Some(milliseconds)
}

/// Flagger says of built-in queries, and only of these, that running them failed.
fn of_built_in(answer: Answer) -> Answer {
    let prefixed = |text: String| format!("running query failed: {text}");
    match answer {
        Answer::NoData(text) => Answer::NoData(prefixed(text)),
        Answer::Failed { kind, text } => Answer::Failed { kind, text: prefixed(text) },
        Answer::Value(_) | Answer::Hook(_) => answer,
    }
}

/// What became of a question, as a label of metrics. A hook that says no has answered.
fn outcome(answer: &Answer) -> &'static str {
    match answer {
        Answer::Hook(HookAnswer::Passed) | Answer::Value(_) => "answered",
        Answer::Hook(HookAnswer::Failed(_)) => "refused",
        Answer::NoData(_) => "no-data",
        Answer::Failed { .. } => "failed",
    }
}

fn failed(kind: FailureKind, text: impl Into<String>) -> Answer {
    Answer::Failed { kind, text: text.into() }
}
