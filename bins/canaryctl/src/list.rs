//! `canaryctl list`: one line a canary.

use std::io::Write;

use anyhow::Context;
use canary_api::Canary;
use jiff::Timestamp;
use serde_json::json;

use crate::live::{Cluster, ClusterArgs, Facts, Table, age};

/// The flags of `list`.
#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Of all namespaces.
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Only canaries with these labels, such as app=podinfo.
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub(crate) selector: Option<String>,
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// How objects are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Wide,
    Name,
    Json,
    Yaml,
}

impl List {
    pub(crate) async fn run(
        &self,
        cluster: &Cluster,
        now: Timestamp,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let canaries = cluster.list(self.all_namespaces, self.selector.as_deref()).await?;
        match self.output {
            Format::Text | Format::Wide if canaries.is_empty() => {
                let place = if self.all_namespaces { "any namespace" } else { &cluster.namespace };
                writeln!(out, "no canaries in {place}")?;
            }
            Format::Text | Format::Wide => self.table(&canaries, now, out)?,
            Format::Name => {
                for canary in &canaries {
                    let name = canary.metadata.name.as_deref().unwrap_or_default();
                    writeln!(out, "canary.flagger.app/{name}")?;
                }
            }
            Format::Json | Format::Yaml => print_list(&canaries, self.output, out)?,
        }
        Ok(())
    }

    fn table(&self, canaries: &[Canary], now: Timestamp, out: &mut dyn Write) -> anyhow::Result<()> {
        let wide = self.output == Format::Wide;
        let mut headings = vec!["NAME", "STATUS", "WEIGHT", "FAILED", "SINCE", "MESSAGE"];
        if self.all_namespaces {
            headings.insert(0, "NAMESPACE");
        }
        if wide {
            headings.extend(["PROVIDER", "TARGET", "INTERVAL"]);
        }
        let mut table = Table::new(&headings);
        for canary in canaries {
            let facts = Facts::of(canary, "istio");
            let mut row = vec![
                facts.name.clone(),
                facts.phase().to_string(),
                facts.weight().to_string(),
                facts.status.failed_checks.to_string(),
                facts.status.last_transition.map(|t| age(t, now)).unwrap_or_default(),
                remark(&facts),
            ];
            if self.all_namespaces {
                row.insert(0, facts.namespace.clone());
            }
            if wide {
                let text = |pointer: &str| {
                    canary.spec.pointer(pointer).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
                };
                row.push(text("/provider"));
                row.push(format!("{}/{}", text("/targetRef/kind"), text("/targetRef/name")));
                row.push(text("/analysis/interval"));
            }
            table.row(row);
        }
        Ok(table.write(out)?)
    }
}

/// What a person should know besides the phase.
fn remark(facts: &Facts) -> String {
    if let Err(problem) = &facts.valid {
        return problem.clone();
    }
    if facts.suspended {
        return "suspended".into();
    }
    if let Some(paused) = &facts.steering.paused {
        return format!("paused by {}", paused.by);
    }
    let failed = facts.history.first().filter(|_| facts.phase() == canary_core::Phase::Failed);
    failed.map(|rollout| rollout.reason.clone()).unwrap_or_default()
}

fn print_list(canaries: &[Canary], format: Format, out: &mut dyn Write) -> anyhow::Result<()> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": canaries});
    print(&list, format, out)
}

/// Prints a value as JSON or YAML.
pub(crate) fn print(
    value: &impl serde::Serialize,
    format: Format,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if format == Format::Yaml {
        write!(out, "{}", serde_saphyr::to_string(value).context("YAML")?)?;
    } else {
        writeln!(out, "{}", serde_json::to_string_pretty(value)?)?;
    }
    Ok(())
}
