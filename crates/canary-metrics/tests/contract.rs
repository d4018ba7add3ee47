//! Every provider against the contract, over real HTTP: each subject writes the answers of its backend.

#![allow(clippy::unwrap_used, reason = "the lint knows no functions beside the tests of a test file")]

#[path = "contract/answers.rs"]
mod answers;
#[path = "contract/documented.rs"]
mod documented;
#[path = "contract/measured.rs"]
mod measured;
#[path = "contract/signalflow.rs"]
mod signalflow;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_metrics::kube::{Client, Config};
use canary_metrics::{HttpOptions, MetricError, MetricProvider, MetricProviders, ProviderSpec};
use canary_sandbox::{
    Connection, Content, ContractReply, ContractRequest, ProviderSubject, Several, provider_contract,
};

/// One type of provider with its backend.
#[derive(Clone)]
struct Subject {
    kind: &'static str,
    query: &'static str,
    secret: &'static [(&'static str, &'static str)],
    answer: fn(&Content) -> Option<ContractReply>,
    several: Several,
}

const NOTHING: Subject =
    Subject { kind: "", query: "", secret: &[], answer: |_| None, several: Several::First };

impl Subject {
    /// Whether the provider asks the cluster of the controller.
    fn in_cluster(&self) -> bool {
        self.kind == "keptn" || self.kind == "cluster"
    }

    fn cluster(address: &str, providers: MetricProviders, options: HttpOptions) -> MetricProviders {
        let mut config = Config::new(address.parse().unwrap());
        // What is tried again is not what the case is about.
        config.default_retry = false;
        providers.with_cluster(Client::try_from(config).unwrap(), options)
    }
}

#[async_trait]
impl ProviderSubject for Subject {
    async fn provider(
        &self,
        address: &str,
        patience: Duration,
    ) -> Result<Arc<dyn MetricProvider>, MetricError> {
        let options = HttpOptions { timeout: patience, ..HttpOptions::default() };
        let mut providers = MetricProviders::with_http(options.clone());
        let mut spec = ProviderSpec::new(self.kind, address);
        if self.in_cluster() {
            providers = Self::cluster(address, providers, options);
            spec.address.clear();
        }
        if self.kind == "cluster" {
            spec.kind = "externalmetrics".into();
        }
        spec.region = "eu-central-1".into();
        spec.interval = Some("1m".into());
        let entry =
            |(key, value): &(&str, &str)| ((*key).to_owned(), value.replace("ADDRESS", address).into_bytes());
        let data: BTreeMap<_, _> = self.secret.iter().map(entry).collect();
        spec.secret = Some(data).filter(|data| !data.is_empty());
        providers.build(&spec)
    }

    fn query(&self) -> String {
        self.query.into()
    }

    fn answer(&self, content: &Content, _: &ContractRequest) -> Option<ContractReply> {
        (self.answer)(content)
    }

    fn several(&self) -> Several {
        self.several
    }

    fn preliminary(&self, request: &ContractRequest) -> Option<ContractReply> {
        answers::token(request, "s3cr3t-access")
    }

    async fn converse(
        &self,
        content: &Content,
        request: &ContractRequest,
        connection: &mut dyn Connection,
    ) -> bool {
        signalflow::converse(self.kind, content, request, connection, |_| {}).await
    }

    fn secrets(&self) -> Vec<String> {
        vec!["s3cr3t".into()]
    }
}

provider_contract!(
    prometheus,
    Subject {
        kind: "prometheus",
        query: "up",
        secret: &[("token", "s3cr3t-token")],
        answer: answers::prometheus,
        several: Several::Last,
    }
);

provider_contract!(
    loadtest,
    Subject {
        kind: "loadtest",
        query: "load_error_ratio",
        secret: &[("token", "s3cr3t-token")],
        answer: answers::prometheus,
        several: Several::Last,
    }
);

provider_contract!(
    datadog,
    Subject {
        kind: "datadog",
        query: "avg:requests{*}",
        secret: &[("datadog_api_key", "s3cr3t-api"), ("datadog_application_key", "s3cr3t-application")],
        answer: answers::datadog,
        ..NOTHING
    }
);

provider_contract!(
    newrelic,
    Subject {
        kind: "newrelic",
        query: "SELECT average(duration) FROM Transaction",
        secret: &[("newrelic_account_id", "12345"), ("newrelic_query_key", "s3cr3t-query")],
        answer: answers::newrelic,
        several: Several::Refused,
    }
);

provider_contract!(
    graphite,
    Subject {
        kind: "graphite",
        query: "target=summarize(requests, '1min')&from=-5min",
        secret: &[("username", "me"), ("password", "s3cr3t-password")],
        answer: answers::graphite,
        several: Several::Last,
    }
);

provider_contract!(
    influxdb,
    Subject {
        kind: "influxdb",
        query: "from(bucket: \"default\") |> range(start: -2h)",
        secret: &[("token", "s3cr3t-token"), ("org", "shop")],
        answer: answers::flux,
        ..NOTHING
    }
);

provider_contract!(
    influxdb_of_version_one,
    Subject {
        kind: "influxdb",
        query: "SELECT mean(value) FROM requests",
        secret: &[("database", "telegraf"), ("username", "me"), ("password", "s3cr3t-password")],
        answer: answers::influxql,
        ..NOTHING
    }
);

provider_contract!(
    dynatrace,
    Subject {
        kind: "dynatrace",
        query: "builtin:service.response.time",
        secret: &[("dynatrace_token", "s3cr3t-token")],
        answer: answers::dynatrace,
        several: Several::Last,
    }
);

provider_contract!(
    externalmetrics_at_an_address,
    Subject {
        kind: "externalmetrics",
        query: "shop/requests?labelSelector=app%3Dcart",
        secret: &[("token", "s3cr3t-token")],
        answer: answers::external_metrics,
        ..NOTHING
    }
);

provider_contract!(
    externalmetrics_of_the_cluster,
    Subject {
        kind: "cluster",
        query: "shop/requests?labelSelector=app%3Dcart",
        answer: answers::external_metrics,
        ..NOTHING
    }
);

provider_contract!(
    keptn,
    Subject { kind: "keptn", query: "keptnmetric/shop/requests", answer: answers::keptn, ..NOTHING }
);

provider_contract!(
    cloudwatch,
    Subject {
        kind: "cloudwatch",
        query: r#"[{"id": "e1", "expression": "m1 / m2", "label": "rate"}]"#,
        secret: &[("aws_access_key_id", "AKIDEXAMPLE"), ("aws_secret_access_key", "s3cr3t-key")],
        answer: answers::cloudwatch,
        ..NOTHING
    }
);

provider_contract!(
    stackdriver,
    Subject {
        kind: "stackdriver",
        query: "fetch k8s_container",
        secret: &[
            ("project", "shop"),
            (
                "serviceAccountKey",
                r#"{"type": "authorized_user", "client_id": "c", "client_secret": "s3cr3t-client",
                "refresh_token": "s3cr3t-refresh", "token_uri": "ADDRESS/token"}"#,
            ),
        ],
        answer: answers::stackdriver,
        ..NOTHING
    }
);

provider_contract!(
    splunk,
    Subject {
        kind: "splunk",
        query: "data('requests').publish()",
        secret: &[("sf_token_key", "s3cr3t-token")],
        answer: answers::splunk,
        several: Several::Refused,
    }
);
