//! `canaryctl lint`: what is wrong or makes no sense in files, without a cluster.

mod canary;
mod print;
mod sense;
mod template;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::manifests::{self, Manifest};

/// The flags of `lint`.
#[derive(clap::Args)]
pub(crate) struct Lint {
    /// YAML or JSON files, or folders of them.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How to print what is found.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Form,
    /// Warnings count as errors.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Namespace of objects that name none.
    #[arg(short, long, default_value = "default")]
    pub(crate) namespace: String,
    /// The mesh or ingress of canaries that name none.
    #[arg(long, default_value = "istio")]
    pub(crate) mesh_provider: String,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    #[default]
    Text,
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Commands of a GitHub workflow, shown beside the lines.
    Github,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// It cannot work.
    Error,
    /// It works, and hardly as meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Finding {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) level: Level,
    /// A short stable name.
    pub(crate) rule: &'static str,
    /// `Canary podinfo`.
    pub(crate) object: String,
    pub(crate) field: String,
    pub(crate) text: String,
    /// How to mend it.
    pub(crate) mend: String,
}

/// Collects findings about one object.
pub(crate) struct Findings<'a> {
    manifest: &'a Manifest,
    all: &'a mut Vec<Finding>,
}

impl Findings<'_> {
    pub(crate) fn add(
        &mut self,
        level: Level,
        rule: &'static str,
        field: &str,
        text: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let (file, line) = self.manifest.place.line(field);
        self.all.push(Finding {
            file: file.to_owned(),
            line,
            level,
            rule,
            object: format!("{} {}", self.manifest.text("/kind"), self.manifest.text("/metadata/name")),
            field: field.to_owned(),
            text: text.into(),
            mend: mend.into(),
        });
    }
}

impl Lint {
    /// Exit code 0: nothing that counts was found, 1: something was.
    pub(crate) fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let mut manifests = manifests::read(&self.paths)?;
        for manifest in &mut manifests {
            if manifest.text("/metadata/namespace").is_empty() {
                manifest.object["metadata"]["namespace"] = self.namespace.as_str().into();
            }
        }
        let findings = findings(&manifests, &self.mesh_provider)?;
        print::print(&findings, self.output, manifests.len(), out)?;
        let counts = |f: &Finding| f.level == Level::Error || self.strict;
        Ok(if findings.iter().any(counts) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Everything that is wrong, in the order of files and lines.
pub(crate) fn findings(manifests: &[Manifest], mesh_provider: &str) -> anyhow::Result<Vec<Finding>> {
    let mut all = Vec::new();
    for (manifest, field) in crate::fields::paths(manifests)? {
        let text = format!("a {} has no field {field}, so it is dropped", manifest.text("/kind"));
        let mut findings = Findings { manifest, all: &mut all };
        findings.add(
            Level::Error,
            "unknown-field",
            &field,
            text,
            "look for its right name in the field reference, or remove it",
        );
    }
    for manifest in manifests.iter().filter(|m| m.text("/apiVersion").starts_with("flagger.app/")) {
        let mut findings = Findings { manifest, all: &mut all };
        match manifest.text("/kind") {
            "Canary" => canary::check(manifest, manifests, mesh_provider, &mut findings)?,
            "MetricTemplate" => template::check_template(manifest, &mut findings)?,
            "AlertProvider" => template::check_alert_provider(manifest, &mut findings)?,
            kind => {
                let text = format!("there is no kind {kind} in flagger.app");
                findings.add(
                    Level::Error,
                    "unknown-kind",
                    "kind",
                    text,
                    "use Canary, MetricTemplate or AlertProvider",
                );
            }
        }
    }
    all.sort_by(|a, b| (&a.file, a.line, a.rule).cmp(&(&b.file, b.line, b.rule)));
    Ok(all)
}
