//! The MetricTemplates that the documentation shows, for tests that ask real servers.

use std::path::Path;

use anyhow::Context;
use canary_api::MetricTemplate;
use canary_metrics::{QueryModel, Template};

use crate::programs::documents;

/// The query of the first MetricTemplate on a page of `docs/metrics`, rendered for the canary podinfo of that namespace, with an
/// interval of a minute.
///
/// # Errors
/// There is no such page, or its template is not one that the controller takes.
pub fn documented_query(page: &str, namespace: &str) -> anyhow::Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics").join(page);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let block = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.with_context(|| format!("{page} shows no YAML"))?;
    let found = documents(block)?.into_iter().find(|document| document["kind"] == "MetricTemplate");
    let template: MetricTemplate =
        serde_json::from_value(found.with_context(|| format!("{page} shows no template"))?)?;
    let model = QueryModel {
        name: "podinfo".into(),
        namespace: namespace.into(),
        target: "podinfo".into(),
        interval: "1m".into(),
        ..QueryModel::default()
    };
    Ok(Template::parse(&template.check()?.query)?.render(&model)?)
}
