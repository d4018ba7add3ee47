//! What is wrong with a MetricTemplate or an AlertProvider.

use anyhow::Context;
use canary_api::{AlertProvider, InvalidObject, MetricTemplate};
use canary_metrics::{MetricProviders, Template};

use super::{Findings, Level};
use crate::manifests::Manifest;

pub(super) fn check_template(manifest: &Manifest, findings: &mut Findings<'_>) -> anyhow::Result<()> {
    let template: MetricTemplate =
        serde_json::from_value(manifest.object.clone()).with_context(|| manifest.place.of("metadata"))?;
    let spec = match template.check() {
        Ok(spec) => spec,
        Err(invalid) => {
            problems(&invalid, findings);
            return Ok(());
        }
    };
    if let Err(error) = Template::parse(&spec.query) {
        findings.add(
            Level::Error,
            "bad-query",
            "spec.query",
            format!("the query is no template: {error}"),
            "mend what stands between {{ and }}",
        );
    }
    let providers = MetricProviders::default();
    let known: Vec<&str> = providers.kinds().collect();
    if !known.contains(&spec.provider.kind.as_str()) {
        let text = format!("there is no metric provider {:?}", spec.provider.kind);
        findings.add(
            Level::Error,
            "unknown-provider",
            "spec.provider.type",
            text,
            format!("use one of {}", known.join(", ")),
        );
    }
    Ok(())
}

pub(super) fn check_alert_provider(manifest: &Manifest, findings: &mut Findings<'_>) -> anyhow::Result<()> {
    let provider: AlertProvider =
        serde_json::from_value(manifest.object.clone()).with_context(|| manifest.place.of("metadata"))?;
    if let Err(invalid) = provider.check() {
        problems(&invalid, findings);
    }
    Ok(())
}

fn problems(invalid: &InvalidObject, findings: &mut Findings<'_>) {
    for problem in &invalid.problems {
        findings.add(
            Level::Error,
            "invalid-field",
            problem.field(),
            problem.to_string(),
            "write what the field reference says",
        );
    }
}
