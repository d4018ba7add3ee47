//! The MetricTemplates that the documentation shows: each is valid, renders, and makes its provider.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;
use std::path::Path;

use canary_api::MetricTemplate;
use canary_metrics::{MetricProviders, ProviderSpec, QueryModel, Template};
use serde_json::Value;

/// The YAML documents in the code blocks of a page.
fn documents(page: &str) -> Vec<Value> {
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let documents = blocks.flat_map(|block| block.split("---\n"));
    documents
        .map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}")))
        .collect()
}

fn secret(documents: &[Value], name: &str) -> BTreeMap<String, Vec<u8>> {
    let found = documents.iter().find(|d| d["kind"] == "Secret" && d["metadata"]["name"] == name);
    let entries =
        found.unwrap_or_else(|| panic!("there is no Secret {name}"))["stringData"].as_object().unwrap();
    entries.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().as_bytes().to_vec())).collect()
}

#[test]
fn every_documented_template_is_valid_renders_and_makes_its_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics");
    let model = QueryModel {
        name: "podinfo".into(),
        namespace: "test".into(),
        target: "podinfo".into(),
        interval: "1m".into(),
        ..QueryModel::default()
    };
    let mut kinds = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let documents = documents(&std::fs::read_to_string(&path).unwrap());
        for document in documents.iter().filter(|document| document["kind"] == "MetricTemplate") {
            let shown = path.display();
            let template: MetricTemplate = serde_json::from_value(document.clone()).unwrap();
            let spec = template.check().unwrap_or_else(|error| panic!("{shown}: {error}"));
            let query = Template::parse(&spec.query).and_then(|t| t.render(&model));
            assert!(
                query.is_ok_and(|query| query.contains("podinfo")
                    || query.contains("test")
                    || spec.provider.kind == "dynatrace"),
                "{shown}"
            );
            let mut provider =
                ProviderSpec::new(&spec.provider.kind, spec.provider.address.clone().unwrap_or_default());
            provider.secret =
                spec.provider.secret_ref.as_ref().map(|reference| secret(&documents, &reference.name));
            provider.region = spec.provider.region.clone().unwrap_or_default();
            provider.interval = Some("1m".into());
            let made = MetricProviders::default().build(&provider);
            let error = made.err().map(|error| error.to_string()).unwrap_or_default();
            // What needs a cluster says so.
            assert!(error.is_empty() || error.contains("cluster"), "{shown}: {error}");
            kinds.push(spec.provider.kind.clone());
        }
    }
    kinds.sort();
    // InfluxDB has a template for each of its versions.
    kinds.dedup();
    assert_eq!(kinds, MetricProviders::default().kinds().collect::<Vec<_>>());
}
