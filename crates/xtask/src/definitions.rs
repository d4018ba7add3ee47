//! The custom resource definitions, one file each, for those who install with plain manifests.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::generated::{Mode, settle};
use crate::workspace::Workspace;

/// Writes the definitions to the folder that the controller is installed from, or checks them.
pub(crate) fn run(workspace: &Workspace, mode: Mode) -> Result<()> {
    let text = canary_api::crds_yaml().context("the definitions cannot be written as YAML")?;
    let documents: Vec<&str> = text.split("---\n").filter(|d| !d.trim().is_empty()).collect();
    let definitions = canary_api::crds();
    ensure!(
        documents.len() == definitions.len(),
        "{} documents of {} definitions",
        documents.len(),
        definitions.len()
    );
    let folder = workspace.root.join("bins/canaryd/deploy/crds");
    let files: Vec<(PathBuf, String)> = definitions
        .iter()
        .zip(documents)
        .map(|(definition, yaml)| {
            (folder.join(format!("{}.yaml", definition.spec.names.plural)), yaml.to_owned())
        })
        .collect();
    settle(&files, mode)
}
