//! The registry of built-in providers: one line for each type of Flagger's MetricTemplate, and for our own load tester.
//! A type whose feature is off is known all the same, and says which feature it needs.

use std::sync::Arc;

use canary_core::{MetricError, MetricProvider};

use crate::datadog::Datadog;
use crate::dynatrace::Dynatrace;
use crate::externalmetrics::ExternalMetrics;
use crate::graphite::Graphite;
use crate::http_clients::HttpClients;
use crate::influxdb::InfluxDb;
use crate::loadtest::LoadTest;
use crate::newrelic::NewRelic;
use crate::prometheus::Prometheus;
use crate::providers::{MetricProviders, ProviderSpec};

type Made = Result<Arc<dyn MetricProvider>, MetricError>;

/// All of them.
pub(crate) fn all(clients: &Arc<HttpClients>) -> MetricProviders {
    let with = |make: fn(&ProviderSpec, &HttpClients) -> Made| {
        let clients = clients.clone();
        move |spec: &ProviderSpec| make(spec, &clients)
    };
    MetricProviders::none()
        .with("prometheus", with(|spec, clients| made(Prometheus::new(spec, clients))))
        .with("datadog", with(|spec, clients| made(Datadog::new(spec, clients))))
        .with("loadtest", with(|spec, clients| made(LoadTest::new(spec, clients))))
        .with("newrelic", with(|spec, clients| made(NewRelic::new(spec, clients))))
        .with("graphite", with(|spec, clients| made(Graphite::new(spec, clients))))
        .with("influxdb", with(|spec, clients| made(InfluxDb::new(spec, clients))))
        .with("dynatrace", with(|spec, clients| made(Dynatrace::new(spec, clients))))
        .with("externalmetrics", with(|spec, clients| made(ExternalMetrics::at_address(spec, clients))))
        .with("cloudwatch", cloudwatch(clients))
        .with("stackdriver", stackdriver(clients))
        .with("splunk", splunk(clients))
        .with("keptn", |spec| {
            Err(spec.wrong("needs the cluster that Keptn runs in, and this program was given none"))
        })
}

fn made(provider: Result<impl MetricProvider + 'static, MetricError>) -> Made {
    provider.map(|provider| Arc::new(provider) as Arc<dyn MetricProvider>)
}

#[cfg(feature = "cloudwatch")]
fn cloudwatch(clients: &Arc<HttpClients>) -> impl Fn(&ProviderSpec) -> Made + use<> {
    let (clients, signers) = (clients.clone(), crate::cloudwatch::AwsSigners::default());
    move |spec| made(crate::cloudwatch::CloudWatch::new(spec, &clients, &signers))
}

#[cfg(not(feature = "cloudwatch"))]
fn cloudwatch(_: &Arc<HttpClients>) -> impl Fn(&ProviderSpec) -> Made + use<> {
    absent("cloudwatch")
}

#[cfg(feature = "stackdriver")]
fn stackdriver(clients: &Arc<HttpClients>) -> impl Fn(&ProviderSpec) -> Made + use<> {
    let (clients, signers) = (clients.clone(), crate::stackdriver::GoogleSigners::default());
    move |spec| made(crate::stackdriver::Stackdriver::new(spec, &clients, &signers))
}

#[cfg(not(feature = "stackdriver"))]
fn stackdriver(_: &Arc<HttpClients>) -> impl Fn(&ProviderSpec) -> Made + use<> {
    absent("stackdriver")
}

#[cfg(feature = "splunk")]
fn splunk(clients: &Arc<HttpClients>) -> impl Fn(&ProviderSpec) -> Made + use<> {
    let clients = clients.clone();
    move |spec| made(crate::splunk::Splunk::new(spec, &clients))
}

#[cfg(not(feature = "splunk"))]
fn splunk(_: &Arc<HttpClients>) -> impl Fn(&ProviderSpec) -> Made + use<> {
    absent("splunk")
}

#[cfg(not(all(feature = "cloudwatch", feature = "stackdriver", feature = "splunk")))]
fn absent(feature: &'static str) -> impl Fn(&ProviderSpec) -> Made {
    move |spec| {
        Err(spec.wrong(format!(
            "is not part of this program; it is built with the feature {feature:?} of canary-metrics"
        )))
    }
}

/// The providers that ask a cluster.
#[cfg(feature = "kubernetes")]
pub(crate) fn of_cluster(
    providers: MetricProviders,
    client: kube::Client,
    options: crate::HttpOptions,
) -> MetricProviders {
    let clients = HttpClients::new(options);
    let cluster = move |spec: &ProviderSpec, clients: &HttpClients| {
        crate::cluster::Cluster::new(client.clone(), clients.patience(spec))
    };
    let (clients, cluster) = (Arc::new(clients), Arc::new(cluster));
    let keptn = {
        let (clients, cluster) = (clients.clone(), cluster.clone());
        move |spec: &ProviderSpec| made(Ok(crate::keptn::Keptn::new(cluster(spec, &clients))))
    };
    let external = move |spec: &ProviderSpec| {
        if spec.address.is_empty() {
            made(Ok(ExternalMetrics::in_cluster(cluster(spec, &clients))))
        } else {
            made(ExternalMetrics::at_address(spec, &clients))
        }
    };
    providers.with("keptn", keptn).with("externalmetrics", external)
}
