//! Which crate of the workspace may depend on which. Arrows point downward only.
//! Dependencies on other people's crates are no concern of this file.

use crate::workspace::{Edge, Member, Workspace};

/// The layers, lowest first. A crate may use every crate of a lower layer, and none of its own.
const LAYERS: [&[&str]; 4] = [
    &["canary-core"],
    &["canary-api", "canary-egress", "canary-panics", "canary-yaml"],
    &["canary-routers", "canary-metrics", "canary-notifiers", "canary-webhooks"],
    &["canary-controller"],
];

/// Beside the layers: it knows the plug-in traits, and nothing of the controller that runs on it.
const SANDBOX: &str = "canary-sandbox";

/// Beside the layers: the load engine knows nothing of rollouts, and only programs put the two together.
const LOAD: &str = "canary-load";

/// On top of the load engine alone: scenario files.
const SCENARIO: &str = "canary-scenario";

/// The engine of inputs for tests: knows none of ours, and only tests of programs and of itself use it.
const FUZZ: &str = "canary-fuzz";

/// Every edge that is not in the picture, as a sentence.
pub(crate) fn problems(workspace: &Workspace) -> Vec<String> {
    workspace
        .members
        .iter()
        .flat_map(|m| {
            m.edges.iter().filter(|e| !is_allowed(place(workspace, m), &m.name, e)).map(move |e| (m, e))
        })
        .map(|(m, e)| format!("{} may not {}depend on {}", m.name, if e.dev { "dev-" } else { "" }, e.to))
        .collect()
}

/// Where a crate lies decides what it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Crates,
    Bins,
    /// `examples` and `tests`.
    Uses,
}

fn place(workspace: &Workspace, member: &Member) -> Place {
    let path = member.folder.strip_prefix(&workspace.root).unwrap_or(&member.folder);
    if path.starts_with("bins") {
        Place::Bins
    } else if path.starts_with("examples") || path.starts_with("tests") {
        Place::Uses
    } else {
        Place::Crates
    }
}

fn is_allowed(place: Place, from: &str, edge: &Edge) -> bool {
    let to = edge.to.as_str();
    match place {
        Place::Uses if from == FUZZ => edge.dev,
        Place::Uses => true,
        Place::Bins => {
            [SANDBOX, LOAD, SCENARIO].contains(&to) || layer(to).is_some() || (edge.dev && to == FUZZ)
        }
        Place::Crates if from == "xtask" => to == "canary-api",
        Place::Crates if from == SCENARIO => to == LOAD || ["canary-egress", "canary-yaml"].contains(&to),
        Place::Crates if from == SANDBOX => to == "canary-core",
        // Contract suites run on the sandbox; the two lowest crates must build and test without Kubernetes around.
        Place::Crates if to == SANDBOX => edge.dev && layer(from) > layer("canary-api"),
        Place::Crates => match (layer(from), layer(to)) {
            (Some(from), Some(to)) => to < from,
            (None, _) | (_, None) => false,
        },
    }
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(place: Place, from: &str, to: &str, dev: bool) -> bool {
        is_allowed(place, from, &Edge { to: to.into(), dev })
    }

    #[test]
    fn arrows_point_down_and_never_sideways() {
        assert!(allowed(Place::Crates, "canary-controller", "canary-core", false));
        assert!(allowed(Place::Crates, "canary-routers", "canary-api", false));
        assert!(!allowed(Place::Crates, "canary-core", "canary-api", false));
        assert!(!allowed(Place::Crates, "canary-core", "canary-api", true));
        assert!(!allowed(Place::Crates, "canary-routers", "canary-metrics", false));
        assert!(!allowed(Place::Crates, "canary-api", "canary-controller", false));
    }

    #[test]
    fn the_sandbox_is_for_tests_of_libraries_and_does_not_know_the_controller() {
        assert!(allowed(Place::Crates, "canary-controller", "canary-sandbox", true));
        assert!(!allowed(Place::Crates, "canary-controller", "canary-sandbox", false));
        assert!(!allowed(Place::Crates, "canary-core", "canary-sandbox", true));
        assert!(allowed(Place::Crates, "canary-sandbox", "canary-core", false));
        assert!(!allowed(Place::Crates, "canary-sandbox", "canary-controller", true));
    }

    #[test]
    fn the_load_engine_and_the_rollouts_do_not_know_each_other() {
        assert!(allowed(Place::Bins, "canary-loadtester", "canary-load", false));
        assert!(!allowed(Place::Crates, "canary-load", "canary-core", false));
        assert!(!allowed(Place::Crates, "canary-metrics", "canary-load", true));
        assert!(allowed(Place::Crates, "canary-scenario", "canary-load", false));
        assert!(allowed(Place::Bins, "canary-loadtester", "canary-scenario", false));
        assert!(!allowed(Place::Crates, "canary-load", "canary-scenario", false));
        assert!(!allowed(Place::Crates, "canary-scenario", "canary-api", false));
    }

    #[test]
    fn programs_use_libraries_but_not_each_other() {
        assert!(allowed(Place::Bins, "canaryctl", "canary-sandbox", false));
        assert!(!allowed(Place::Bins, "canaryctl", "canaryd", false));
        assert!(!allowed(Place::Bins, "canaryctl", "xtask", false));
        assert!(allowed(Place::Bins, "canaryctl", "canary-fuzz", true));
        assert!(!allowed(Place::Bins, "canaryctl", "canary-fuzz", false));
        assert!(!allowed(Place::Uses, "canary-fuzz", "canary-core", false));
        assert!(allowed(Place::Uses, "canary-tests", "canaryd", true));
    }

    #[test]
    fn a_crate_that_the_picture_does_not_name_may_use_nothing() {
        assert!(!allowed(Place::Crates, "canary-new", "canary-core", false));
    }
}
