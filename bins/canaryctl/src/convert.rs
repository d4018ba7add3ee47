//! `canaryctl convert`: a Rollout of Argo Rollouts as a Deployment and a Canary, and what could not be carried over.

mod analysis;
mod rollout;
mod steps;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::Value;

use crate::manifests::{self, Manifest};

/// The flags of `convert`.
#[derive(clap::Args)]
pub(crate) struct Convert {
    /// YAML or JSON files, or folders of them, with Rollouts, their analysis templates and Services.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Port of the Services, where the files do not tell.
    #[arg(long, default_value_t = 80)]
    pub(crate) port: u16,
    /// Exit code 1 when something could not be carried over.
    #[arg(long)]
    pub(crate) strict: bool,
}

/// What came of one file of Rollouts.
#[derive(Default)]
pub(crate) struct Converted {
    pub(crate) objects: Vec<Value>,
    /// What could not be carried over: the place, what it is, and what to do instead.
    pub(crate) remarks: Vec<String>,
}

impl Convert {
    pub(crate) fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let manifests = manifests::read(&self.paths)?;
        let converted = convert(&manifests, self.port)?;
        for remark in &converted.remarks {
            writeln!(out, "# {remark}")?;
        }
        for object in &converted.objects {
            write!(out, "---\n{}", serde_saphyr::to_string(object)?)?;
        }
        let lost = self.strict && !converted.remarks.is_empty();
        Ok(if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Converts all Rollouts among the objects.
pub(crate) fn convert(manifests: &[Manifest], port: u16) -> anyhow::Result<Converted> {
    let is_rollout =
        |m: &&Manifest| m.text("/kind") == "Rollout" && m.text("/apiVersion").starts_with("argoproj.io/");
    let mut converted = Converted::default();
    for manifest in manifests.iter().filter(is_rollout) {
        rollout::convert(manifest, manifests, port, &mut converted);
    }
    if converted.objects.is_empty() {
        bail!("there is no Rollout of argoproj.io among the objects ({})", manifests.len());
    }
    Ok(converted)
}

/// Collects remarks about one object.
pub(crate) struct Remarks<'a> {
    manifest: &'a Manifest,
    all: &'a mut Vec<String>,
}

impl Remarks<'_> {
    /// Notes that a field could not be carried over, and what to do instead.
    fn lost(&mut self, field: &str, instead: &str) {
        self.all.push(format!("{}: {field} is not carried over: {instead}", self.manifest.place.of(field)));
    }

    /// Notes something that is carried over in another way.
    fn note(&mut self, field: &str, text: &str) {
        self.all.push(format!("{}: {field}: {text}", self.manifest.place.of(field)));
    }
}
