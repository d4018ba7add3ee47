//! Definitions of other people's kinds, which this project does not carry.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::core::ApiResource;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client};
use serde_json::json;

use crate::ApiServer;

/// The variable with what one of these needs; `None` where it is not set.
///
/// # Panics
/// `CI_REQUIRE_API_SERVER` is set and the variable is not: a run that must not skip would.
fn variable(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name);
    let required = std::env::var_os("CI_REQUIRE_API_SERVER").is_some();
    assert!(value.is_some() || !required, "CI_REQUIRE_API_SERVER is set, {name} is not");
    value
}

/// Lets the program that `MESH_CRDS` names install the genuine definitions of those meshes; says whether there is one.
///
/// # Errors
/// It cannot be started, or fails.
pub fn install_genuine(server: &ApiServer, meshes: &[&str]) -> anyhow::Result<bool> {
    let Some(program) = variable("MESH_CRDS") else { return Ok(false) };
    run(Command::new(&program).args(meshes).env("KUBECONFIG", server.kubeconfig()?))?;
    Ok(true)
}

/// Applies the file of definitions that `STAND_IN_CRDS` names; says whether there is one.
///
/// # Errors
/// kubectl is not beside the server, or fails.
pub fn install_stand_ins(server: &ApiServer, assets: &Path) -> anyhow::Result<bool> {
    let Some(file) = variable("STAND_IN_CRDS") else { return Ok(false) };
    let mut kubectl = Command::new(assets.join("kubectl"));
    kubectl.arg("--kubeconfig").arg(server.kubeconfig()?);
    let mut wait = Command::new(assets.join("kubectl"));
    wait.arg("--kubeconfig").arg(server.kubeconfig()?);
    run(kubectl.arg("apply").arg("-f").arg(&file))?;
    run(wait.args(["wait", "--for=condition=Established", "--timeout=60s", "-f"]).arg(&file))?;
    Ok(true)
}

/// The definition of a kind with any content, `kind` in `version` of `group`.
///
/// # Panics
/// Never: its form is right whatever the names are.
pub fn open_definition(group: &str, version: &str, kind: &str, plural: &str) -> CustomResourceDefinition {
    let object = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    });
    serde_json::from_value(object).expect("a definition")
}

/// Creates definitions and waits until each is established.
///
/// # Errors
/// The server refuses one, or goes away.
pub async fn define(
    client: &Client,
    definitions: impl IntoIterator<Item = CustomResourceDefinition>,
) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in definitions {
        let name = definition.metadata.name.clone().unwrap_or_default();
        api.create(&PostParams::default(), &definition).await?;
        await_condition(api.clone(), &name, conditions::is_crd_established()).await?;
    }
    Ok(())
}

/// Waits until objects of these kinds can be listed: for a moment after a definition is established its storage is not there.
///
/// # Errors
/// One cannot within a minute.
pub async fn wait_until_served(client: &Client, kinds: &[ApiResource]) -> anyhow::Result<()> {
    let begin = Instant::now();
    for kind in kinds {
        let all: Api<DynamicObject> = Api::all_with(client.clone(), kind);
        while let Err(error) = all.list(&ListParams::default()).await {
            if begin.elapsed() > Duration::from_secs(60) {
                bail!("{} of {} cannot be listed: {error}", kind.plural, kind.api_version);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("{} cannot be started", shown.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", shown.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
