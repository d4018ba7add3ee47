//! Each library crate by itself. In a build of the whole workspace a crate can live on features that only its
//! neighbours ask for; whoever depends on it alone finds out.

use anyhow::Result;

use crate::workspace::{Member, Workspace, cargo, run};

/// Check every library crate alone, then with each of its features.
pub(crate) fn run_all(workspace: &Workspace) -> Result<()> {
    for member in workspace.libraries() {
        for selection in selections(member) {
            run(
                &workspace.root,
                cargo()
                    .args(["check", "--package", &member.name])
                    .args(selection)
                    // Libraries leave the choice of a version to whoever embeds them, so one is chosen here.
                    .env("K8S_OPENAPI_ENABLED_VERSION", "1.36"),
            )?;
        }
    }
    Ok(())
}

/// The feature flags to check with: the defaults, and if there is a choice nothing, each feature alone, and all.
fn selections(member: &Member) -> Vec<Vec<String>> {
    let own: Vec<&String> = member.features.iter().filter(|f| *f != "default").collect();
    let mut all = vec![vec![]];
    if own.is_empty() {
        return all;
    }
    all.push(vec!["--no-default-features".into()]);
    all.extend(own.iter().map(|f| vec!["--no-default-features".into(), "--features".into(), (*f).clone()]));
    if own.len() > 1 {
        all.push(vec!["--all-features".into()]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(features: &[&str]) -> Vec<String> {
        let member = Member {
            name: "a".into(),
            folder: "/w/a".into(),
            description: None,
            published: true,
            features: features.iter().map(|&f| f.to_owned()).collect(),
            programs: vec![],
            edges: vec![],
        };
        selections(&member).iter().map(|s| s.join(" ")).collect()
    }

    #[test]
    fn a_crate_without_features_is_checked_once() {
        assert_eq!(with(&[]), [""]);
        assert_eq!(with(&["default"]), [""]);
    }

    #[test]
    fn every_feature_is_checked_alone_and_all_together() {
        let expected = [
            "",
            "--no-default-features",
            "--no-default-features --features datadog",
            "--no-default-features --features graphite",
            "--all-features",
        ];
        assert_eq!(with(&["datadog", "default", "graphite"]), expected);
    }
}
