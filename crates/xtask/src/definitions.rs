//! The custom resource definitions, one file each, for those who install with plain manifests.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::generated::{Mode, settle};
use crate::workspace::Workspace;

/// Writes the definitions to the folders that the controller is installed from, or checks them.
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
    // Helm and kustomize each read only what lies below their own folder.
    let deploy = workspace.root.join("bins/canaryd/deploy");
    let files: Vec<(PathBuf, String)> = ["crds", "chart/crds"]
        .iter()
        .flat_map(|folder| definitions.iter().zip(&documents).map(move |(d, yaml)| (folder, d, yaml)))
        .map(|(folder, definition, yaml)| {
            let name = format!("{}.yaml", definition.spec.names.plural);
            (deploy.join(folder).join(name), (*yaml).to_owned())
        })
        .collect();
    settle(&files, mode)
}
