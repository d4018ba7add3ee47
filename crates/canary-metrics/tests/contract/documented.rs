//! The MetricTemplates of the documentation, tried: each is rendered and sent to a server that answers as its backend does, and
//! has to find the value, and none where there is none.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use canary_metrics::{
    HttpOptions, MetricError, MetricProvider, MetricProviders, ProviderSpec, QueryModel, Template,
};
use canary_sandbox::{Connection, Content, ContractReply, ContractRequest, ProviderSubject, provider_case};
use serde_json::Value;

use super::{Subject, answers, signalflow};

/// A template with its secret.
#[derive(Clone)]
struct Documented {
    page: String,
    spec: ProviderSpec,
    query: String,
    answer: fn(&Content) -> Option<ContractReply>,
    /// The queries that arrived.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Documented {
    fn read(page: &str, template: &Value, documents: &[Value]) -> Self {
        let provider = &template["spec"]["provider"];
        let text = |key: &str| provider[key].as_str().unwrap_or_default();
        let mut spec = ProviderSpec::new(text("type"), text("address"));
        spec.region = text("region").into();
        spec.interval = Some("1m".into());
        if let Some(name) = provider["secretRef"]["name"].as_str() {
            let named = |d: &&Value| d["kind"] == "Secret" && d["metadata"]["name"] == name;
            let secret =
                documents.iter().find(named).unwrap_or_else(|| panic!("{page} has no Secret {name}"));
            let entries = secret["stringData"].as_object().unwrap().iter();
            let entry =
                |(key, value): (&String, &Value)| (key.clone(), value.as_str().unwrap().as_bytes().to_vec());
            spec.secret = Some(entries.map(entry).collect());
        }
        let mut model =
            QueryModel { name: "podinfo".into(), namespace: "test".into(), ..QueryModel::default() };
        for name in [&mut model.target, &mut model.service, &mut model.ingress, &mut model.route] {
            *name = "podinfo".into();
        }
        model.interval = "1m".into();
        let parsed = Template::parse(template["spec"]["query"].as_str().unwrap());
        let query = parsed.and_then(|parsed| parsed.render(&model)).unwrap_or_else(|e| panic!("{page}: {e}"));
        let speaks_influxql = spec.secret.as_ref().is_some_and(|secret| secret.contains_key("database"));
        let answer = match spec.kind.as_str() {
            "prometheus" | "loadtest" => answers::prometheus,
            "datadog" => answers::datadog,
            "newrelic" => answers::newrelic,
            "graphite" => answers::graphite,
            "influxdb" if speaks_influxql => answers::influxql,
            "influxdb" => answers::flux,
            "dynatrace" => answers::dynatrace,
            "externalmetrics" => answers::external_metrics,
            "keptn" => answers::keptn,
            "cloudwatch" => answers::cloudwatch,
            "stackdriver" => answers::stackdriver,
            "splunk" => answers::splunk,
            other => panic!("{page}: nothing answers as {other}"),
        };
        Self { page: page.into(), spec, query, answer, asked: Arc::default() }
    }

    fn in_cluster(&self) -> bool {
        self.spec.kind == "keptn" || (self.spec.kind == "externalmetrics" && self.spec.address.is_empty())
    }

    fn hear(&self, text: String) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

#[async_trait]
impl ProviderSubject for Documented {
    async fn provider(
        &self,
        address: &str,
        patience: Duration,
    ) -> Result<Arc<dyn MetricProvider>, MetricError> {
        let options = HttpOptions { timeout: patience, ..HttpOptions::default() };
        let mut providers = MetricProviders::with_http(options.clone());
        let mut spec = self.spec.clone();
        if self.in_cluster() {
            providers = Subject::cluster(address, providers, options);
        } else {
            spec.address = address.into();
        }
        // What the page leaves to the machine that the controller runs on.
        let stand_in = match spec.kind.as_str() {
            "cloudwatch" => vec![("aws_access_key_id", "AKIDEXAMPLE"), ("aws_secret_access_key", "key")],
            "stackdriver" => vec![(
                "serviceAccountKey",
                r#"{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r", "token_uri": "ADDRESS/token"}"#,
            )],
            _ => vec![],
        };
        for (key, value) in stand_in {
            let secret = spec.secret.get_or_insert_with(BTreeMap::new);
            secret.insert(key.into(), value.replace("ADDRESS", address).into_bytes());
        }
        providers.build(&spec)
    }

    fn query(&self) -> String {
        self.query.clone()
    }

    fn answer(&self, content: &Content, request: &ContractRequest) -> Option<ContractReply> {
        // Without a target, the contract asks whether the format can write the content.
        if !request.target.is_empty() {
            self.hear(format!("{} {}", request.target, String::from_utf8_lossy(&request.body)));
        }
        (self.answer)(content)
    }

    fn preliminary(&self, request: &ContractRequest) -> Option<ContractReply> {
        answers::token(request, "access")
    }

    async fn converse(
        &self,
        content: &Content,
        request: &ContractRequest,
        connection: &mut dyn Connection,
    ) -> bool {
        let hear = |program: &str| self.hear(program.to_owned());
        signalflow::converse(&self.spec.kind, content, request, connection, hear).await
    }
}

/// All templates of all pages.
fn documented() -> Vec<Documented> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let page = std::fs::read_to_string(&path).unwrap();
        let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let documents: Vec<Value> = blocks
            .flat_map(|block| block.split("---\n"))
            .map(|text| serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
            .collect();
        let templates = documents.iter().filter(|document| document["kind"] == "MetricTemplate");
        let name = path.file_name().unwrap().to_string_lossy();
        all.extend(templates.map(|template| Documented::read(&name, template, &documents)));
    }
    all
}

#[test]
fn every_documented_template_finds_its_value() {
    let all = documented();
    for template in &all {
        let page = &template.page;
        for case in ["a_value_is_that_value", "zero_is_a_value", "an_empty_answer_is_no_data"] {
            provider_case(case, template).unwrap_or_else(|why| panic!("{page}: {why}"));
        }
        // What is asked about is the canary, or the constant that the page shows.
        let asked = template.asked.lock().unwrap();
        let about = if page == "dynatrace.md" { "SERVICE-ABCDEFG0123456789" } else { "podinfo" };
        let about = if page == "keptn.md" { "response-time" } else { about };
        assert!(!asked.is_empty() && asked.iter().all(|text| text.contains(about)), "{page}: {asked:?}");
    }
    let kinds: std::collections::BTreeSet<_> =
        all.iter().map(|template| template.spec.kind.as_str()).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), MetricProviders::default().kinds().collect::<Vec<_>>());
}
