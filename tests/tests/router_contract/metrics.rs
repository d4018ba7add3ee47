//! Metric servers of the cluster, asked with the rights that the installed role gives for them.

use std::time::Duration;

use canary_metrics::{HttpOptions, MetricProviders, ProviderSpec};
use canary_tests::{define, open_definition, wait_until_served};
use futures::StreamExt;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

const KEPTN: &str = "metrics.keptn.sh";

fn kind(kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(KEPTN, "v1beta1", kind), plural)
}

/// Asks each kind of metric that a cluster has, as that user; Keptn's part is played by `client`.
pub(crate) async fn ask(client: &Client, user: &Client) -> anyhow::Result<()> {
    let (value, analysis) = (kind("KeptnMetric", "keptnmetrics"), kind("Analysis", "analyses"));
    let definition = |kind: &ApiResource| open_definition(KEPTN, "v1beta1", &kind.kind, &kind.plural);
    define(client, [definition(&value), definition(&analysis)]).await?;
    wait_until_served(client, &[value.clone(), analysis.clone()]).await?;
    let object = json!({"apiVersion": value.api_version, "kind": "KeptnMetric", "metadata": {"name": "requests"},
        "status": {"value": "7.5"}});
    let stored: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &value);
    stored.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
    let asked: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &analysis);
    let keptn = tokio::spawn(async move {
        let mut seen = watcher(asked.clone(), watcher::Config::default()).applied_objects().boxed();
        while let Some(Ok(analysis)) = seen.next().await {
            let done = Patch::Merge(json!({"status": {"state": "Completed", "pass": true}}));
            let _ = asked.patch(&analysis.name_any(), &PatchParams::default(), &done).await;
        }
    });
    let options = HttpOptions { timeout: Duration::from_secs(20), ..HttpOptions::default() };
    let providers = MetricProviders::with_http(options.clone()).with_cluster(user.clone(), options);
    let keptns = providers.build(&ProviderSpec::new("keptn", ""))?;
    anyhow::ensure!(
        keptns.query("keptnmetric/default/requests").await? == Some(7.5),
        "another value of the metric"
    );
    anyhow::ensure!(
        keptns.query("analysis/default/checks").await? == Some(1.0),
        "another value of the analysis"
    );
    // Nobody serves these here; what counts is that it may be asked.
    let external = providers.build(&ProviderSpec::new("externalmetrics", ""))?;
    for answer in [external.query("default/requests").await.map(drop), external.check().await] {
        let error = answer.err().map(|error| error.to_string()).unwrap_or_default();
        anyhow::ensure!(!error.contains("forbidden"), "{error}");
    }
    keptn.abort();
    Ok(())
}
