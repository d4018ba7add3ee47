//! Other people's programs that tests of the installation run: helm, kubectl, promtool; and our own controller.
//!
//! Each is named by an environment variable. Where that is not set, a test says that it is skipped, unless
//! `CI_REQUIRE_DEPLOY` is set.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, bail};
use serde_json::Value;

/// The folder from which the controller is installed.
pub fn deploy_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bins/canaryd/deploy")
}

/// The program that `variable` names.
///
/// # Panics
/// `CI_REQUIRE_DEPLOY` is set and the variable is not: a run that must not skip would.
pub fn tool(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    let required = std::env::var_os("CI_REQUIRE_DEPLOY").is_some();
    assert!(path.is_some() || !required, "CI_REQUIRE_DEPLOY is set, {variable} is not");
    if path.is_none() {
        eprintln!("skipped: {variable} names no program");
    }
    path
}

/// Runs a program that has to succeed; its standard output.
///
/// # Errors
/// It cannot be started, or failed, with what it wrote to standard error.
pub fn succeed(command: &mut Command) -> anyhow::Result<String> {
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("{} cannot be started", shown(command)))?;
    if !status.success() {
        bail!("{} failed: {}", shown(command), String::from_utf8_lossy(&stderr));
    }
    String::from_utf8(stdout).context("output is not text")
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word: &OsStr| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The documents of a YAML text.
///
/// # Errors
/// It is malformed.
pub fn documents(yaml: &str) -> anyhow::Result<Vec<Value>> {
    let all: Vec<Value> = serde_saphyr::from_multiple(yaml).context("malformed YAML")?;
    Ok(all.into_iter().filter(|document| !document.is_null()).collect())
}

/// The object of that kind and name.
///
/// # Errors
/// There is none; the names of those that are there.
pub fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> anyhow::Result<&'a Value> {
    let found = objects.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
    found.with_context(|| {
        let there: Vec<String> =
            objects.iter().map(|o| format!("{} {}", o["kind"], o["metadata"]["name"])).collect();
        format!("no {kind} {name} among {}", there.join(", "))
    })
}
