//! Answers of metric servers, to every provider, over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use canary_fuzz::Target;
use canary_metrics::kube::{Client, Config};
use canary_metrics::{HttpOptions, MetricProvider, MetricProviders, ProviderSpec};

use super::answers::{Answer, Server, first_line};

/// Name in the corpus, type, query, secret.
type Kind = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const KINDS: [Kind; 13] = [
    ("prometheus", "prometheus", "up", &[]),
    ("datadog", "datadog", "avg:requests{*}", &[("datadog_api_key", "a"), ("datadog_application_key", "b")]),
    ("newrelic", "newrelic", "SELECT 1", &[("newrelic_account_id", "1"), ("newrelic_query_key", "a")]),
    ("graphite", "graphite", "target=requests", &[]),
    ("flux", "influxdb", "from(bucket: \"default\") |> range(start: -2h)", &[("token", "a"), ("org", "b")]),
    ("influxql", "influxdb", "SELECT mean(value) FROM requests", &[("database", "a")]),
    ("dynatrace", "dynatrace", "builtin:service.response.time", &[("dynatrace_token", "a")]),
    ("external", "externalmetrics", "shop/requests", &[("token", "a")]),
    ("cluster", "externalmetrics", "shop/requests", &[]),
    ("keptn", "keptn", "keptnmetric/shop/requests", &[]),
    (
        "cloudwatch",
        "cloudwatch",
        r#"[{"id": "e1", "expression": "m1 / m2", "label": "rate"}]"#,
        &[("aws_access_key_id", "a"), ("aws_secret_access_key", "b")],
    ),
    (
        "stackdriver",
        "stackdriver",
        "fetch k8s_container",
        &[
            ("project", "shop"),
            (
                "serviceAccountKey",
                r#"{"type": "authorized_user", "client_id": "c", "client_secret": "d", "refresh_token": "e",
                "token_uri": "ADDRESS/token"}"#,
            ),
        ],
    ),
    ("splunk", "splunk", "data('requests').publish()", &[("sf_token_key", "a")]),
];

fn all(address: &str) -> BTreeMap<&'static str, (&'static str, Arc<dyn MetricProvider>)> {
    let options = HttpOptions { timeout: Duration::from_millis(300), ..HttpOptions::default() };
    let mut config = Config::new(address.parse().unwrap());
    config.default_retry = false;
    let client = Client::try_from(config).unwrap();
    let providers = MetricProviders::with_http(options.clone()).with_cluster(client, options);
    let build = |(name, kind, query, secret): &Kind| {
        let mut spec = ProviderSpec::new(*kind, address);
        if matches!(*name, "cluster" | "keptn") {
            spec.address.clear();
        }
        spec.region = "eu-central-1".into();
        spec.interval = Some("1m".into());
        let entry =
            |(key, value): &(&str, &str)| ((*key).to_owned(), value.replace("ADDRESS", address).into_bytes());
        spec.secret =
            Some(secret.iter().map(entry).collect()).filter(|data: &BTreeMap<_, _>| !data.is_empty());
        (*name, (*query, providers.build(&spec).unwrap_or_else(|error| panic!("{name}: {error}"))))
    };
    KINDS.iter().map(build).collect()
}

/// The first line of an input is the provider's name with status and heads.
#[test]
fn fuzz_providers() {
    const WORDS: &[&str] = &[
        "200",
        "204",
        "429",
        "503",
        "302",
        "location=/",
        "retry-after=999999999",
        "content-encoding=gzip",
        "content-type=application/json",
        "data",
        "result",
        "value",
        "values",
        "status",
        "success",
        "NaN",
        "-Inf",
        "1e999",
        "12345678901234567890123456789m",
        "10Ei",
        "_value",
        "#datatype,string,long,double",
        "\r\n",
        "doubleValue",
    ];
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    let providers = runtime.block_on(async { all(&server.address) });
    Target::new("providers").with_words(WORDS).run(|input| {
        let (line, body) = first_line(input);
        let (name, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let other = KINDS[input.len() % KINDS.len()].0;
        let (query, provider) = providers.get(name).unwrap_or(&providers[other]);
        server.say(Answer::read(rest, body));
        runtime.block_on(async {
            match provider.query(query).await {
                Ok(Some(value)) => assert!(!value.is_nan(), "a value that is none"),
                Ok(None) => {}
                Err(error) => {
                    assert!(error.to_string().len() < 4096, "an error of {} bytes", error.to_string().len());
                }
            }
            let _ = provider.check().await;
        });
    });
}
