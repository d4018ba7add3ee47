//! What `cargo metadata` says about the members of this workspace.
//! It reads; what is allowed is decided elsewhere.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The workspace this program was built from.
pub(crate) struct Workspace {
    /// Folder of the root manifest.
    pub(crate) root: PathBuf,
    /// Folder of what is built.
    pub(crate) target: PathBuf,
    /// Members, by name.
    pub(crate) members: Vec<Member>,
}

/// One crate of the workspace.
pub(crate) struct Member {
    pub(crate) name: String,
    /// Folder of its manifest.
    pub(crate) folder: PathBuf,
    pub(crate) description: Option<String>,
    /// It may be published, so others read its manifest and README.
    pub(crate) published: bool,
    /// Names of its features, `default` among them.
    pub(crate) features: Vec<String>,
    /// Programs in it: name, and whether it is an example target.
    pub(crate) programs: Vec<(String, bool)>,
    pub(crate) edges: Vec<Edge>,
}

/// A dependency on another member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) to: String,
    /// Tests and examples only.
    pub(crate) dev: bool,
}

impl Workspace {
    pub(crate) fn read() -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .output()
            .context("cargo metadata cannot be started")?;
        ensure!(
            output.status.success(),
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Self::parse(&serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?)
    }

    fn parse(metadata: &Value) -> Result<Self> {
        let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
        let names: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
        let mut members = packages.iter().map(|p| Member::parse(p, &names)).collect::<Result<Vec<_>>>()?;
        members.sort_by(|a, b| a.name.cmp(&b.name));
        let root = text(metadata, "workspace_root")?.into();
        let target = text(metadata, "target_directory")?.into();
        Ok(Self { root, target, members })
    }

    /// Members that others depend on from outside.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|m| m.published)
    }
}

impl Member {
    fn parse(package: &Value, members: &BTreeSet<&str>) -> Result<Self> {
        let name = text(package, "name")?;
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        let folder =
            manifest.parent().with_context(|| format!("{name}: its manifest is in no folder"))?.to_owned();
        let list = |key: &str| package[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let edges = list("dependencies")
            .iter()
            .filter_map(|d| Some((d["name"].as_str()?, d["kind"].as_str() == Some("dev"))))
            .filter(|(to, _)| members.contains(to))
            .map(|(to, dev)| Edge { to: to.to_owned(), dev })
            .collect();
        let programs = list("targets").iter().filter_map(program).collect();
        Ok(Self {
            folder,
            description: package["description"].as_str().map(str::to_owned),
            // `publish = false` reads as an empty list of registries.
            published: package["publish"].as_array().is_none_or(|registries| !registries.is_empty()),
            features: package["features"]
                .as_object()
                .map(|f| f.keys().cloned().collect())
                .unwrap_or_default(),
            programs,
            edges,
            name,
        })
    }
}

fn program(target: &Value) -> Option<(String, bool)> {
    let name = target["name"].as_str()?.to_owned();
    match target["kind"][0].as_str()? {
        "bin" => Some((name, false)),
        "example" => Some((name, true)),
        _ => None,
    }
}

fn text(value: &Value, key: &str) -> Result<String> {
    value[key].as_str().map(str::to_owned).with_context(|| format!("cargo metadata has no {key}"))
}

/// The cargo that runs this program, without what it says about this package: build scripts that look at it (ring's) would
/// run again, and all that depends on them would be built again.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let about_us = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(about_us)) {
        command.env_remove(name);
    }
    command
}

/// Prints the command, runs it in `folder`, and fails if it fails.
pub(crate) fn run(folder: &Path, command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_owned();
    let shown: Vec<_> =
        std::iter::once(program.as_os_str()).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    let shown = shown.join(" ");
    eprintln!("$ {shown}");
    let status =
        command.current_dir(folder).status().with_context(|| format!("{shown} cannot be started"))?;
    ensure!(status.success(), "{shown}: {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_know_their_edges_among_each_other_and_whether_they_are_published() {
        let metadata = json!({
            "workspace_root": "/w",
            "target_directory": "/w/target",
            "packages": [
                { "name": "b", "manifest_path": "/w/crates/b/Cargo.toml", "publish": null, "features": { "x": [] },
                  "targets": [{ "name": "b", "kind": ["lib"] }, { "name": "show", "kind": ["example"] }],
                  "dependencies": [{ "name": "a", "kind": null }, { "name": "serde", "kind": null }] },
                { "name": "a", "manifest_path": "/w/crates/a/Cargo.toml", "publish": [], "features": {},
                  "targets": [{ "name": "a", "kind": ["bin"] }],
                  "dependencies": [{ "name": "b", "kind": "dev" }] },
            ],
        });
        let workspace = Workspace::parse(&metadata).unwrap();
        let [a, b] = &workspace.members[..] else { panic!("two members") };
        assert_eq!((a.name.as_str(), a.published, &a.programs), ("a", false, &vec![("a".to_owned(), false)]));
        assert_eq!(a.edges, [Edge { to: "b".into(), dev: true }]);
        assert_eq!(b.edges, [Edge { to: "a".into(), dev: false }]);
        assert_eq!((b.folder.as_path(), &b.features), (Path::new("/w/crates/b"), &vec!["x".to_owned()]));
        assert_eq!(b.programs, [("show".to_owned(), true)]);
        assert_eq!(workspace.libraries().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["b"]);
    }
}
