//! What the Containerfiles name is there: no container is built here, so that their words are compared with the workspace.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::{Path, PathBuf};

use canary_tests::{deploy_folder, documents};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The programs that have an image.
const PROGRAMS: [&str; 2] = ["canaryd", "canary-loadtester"];

fn deploy(program: &str) -> PathBuf {
    root().join("bins").join(program).join("deploy")
}

/// The words of a program's Containerfile, lines joined where they go on.
fn instructions(program: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(deploy(program).join("Containerfile")).unwrap().replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// What follows `word` in the command that builds.
fn argument(program: &str, word: &str) -> String {
    let all = instructions(program);
    let build = all.iter().find(|i| i.contains(&"cargo".to_owned())).unwrap();
    let at = build.iter().position(|w| w == word).unwrap_or_else(|| panic!("no {word} in {build:?}"));
    build[at + 1].clone()
}

fn manifest() -> String {
    std::fs::read_to_string(root().join("Cargo.toml")).unwrap()
}

#[test]
fn the_image_is_built_of_a_profile_and_a_package_that_there_are() {
    for program in PROGRAMS {
        let (profile, package) = (argument(program, "--profile"), argument(program, "--package"));
        assert!(manifest().contains(&format!("[profile.{profile}]")), "no profile {profile}");
        assert_eq!(package, program);
        assert!(root().join("bins").join(&package).join("Cargo.toml").exists(), "no package {package}");
        let built = format!("target/{profile}/{package}");
        assert!(
            instructions(program).iter().any(|i| i.windows(2).any(|w| w[0] == "cp" && w[1] == built)),
            "{built} is what the build leaves"
        );
    }
}

#[test]
fn the_compiler_of_the_image_is_the_oldest_that_the_workspace_allows() {
    let allowed = manifest();
    let allowed = allowed.lines().find_map(|l| l.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    for program in PROGRAMS {
        let all = instructions(program);
        let image = &all.iter().find(|i| i[0] == "FROM").unwrap()[1];
        assert_eq!(*image, format!("docker.io/library/rust:{allowed}-alpine"));
    }
}

#[test]
fn nothing_that_the_program_is_made_of_is_kept_out_of_the_build() {
    let ignored = std::fs::read_to_string(root().join(".containerignore")).unwrap();
    let ignored: Vec<PathBuf> = ignored.lines().map(|line| root().join(line)).collect();
    let mut sources = Vec::new();
    let mut open =
        vec![root().join("crates"), root().join("bins/canaryd"), root().join("bins/canary-loadtester/src")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // What only tests read is not in the program.
                open.extend((!path.ends_with("tests")).then_some(path));
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                sources.push(path);
            }
        }
    }
    assert!(sources.len() > 100, "only {} sources", sources.len());
    for source in sources {
        let text = std::fs::read_to_string(&source).unwrap();
        for included in text.split("include_str!(\"").skip(1) {
            let name = included.split('"').next().unwrap();
            let Ok(file) = source.parent().unwrap().join(name).canonicalize() else { continue };
            let kept_out = ignored.iter().any(|folder| file.starts_with(folder));
            assert!(!kept_out, "{} includes {}", source.display(), file.display());
        }
    }
    for needed in ["Cargo.lock", "Cargo.toml", ".cargo/config.toml", "crates", "bins"] {
        assert!(!ignored.contains(&root().join(needed)), "{needed} is kept out");
    }
}

#[test]
fn user_and_port_of_the_image_are_those_of_the_chart() {
    let all = instructions("canaryd");
    let value = |name: &str| all.iter().find(|i| i[0] == name).unwrap()[1].clone();
    let chart = std::fs::read_to_string(deploy_folder().join("chart/values.yaml")).unwrap();
    let user = &documents(&chart).unwrap()[0]["securityContext"]["context"]["runAsUser"];
    assert_eq!(value("USER"), format!("{user}:{user}"));
    let deployment = std::fs::read_to_string(deploy_folder().join("kustomize/base/flagger/deployment.yaml"));
    let deployment = &documents(&deployment.unwrap()).unwrap()[0];
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(value("EXPOSE"), container["ports"][0]["containerPort"].to_string());
}

#[test]
fn user_port_home_and_tools_of_the_load_testers_image_are_those_that_its_manifest_and_page_name() {
    let all = instructions("canary-loadtester");
    let value = |name: &str| all.iter().find(|i| i[0] == name).unwrap()[1..].join(" ");
    let text = std::fs::read_to_string(deploy("canary-loadtester").join("canary-loadtester.yaml")).unwrap();
    let documents = documents(&text).unwrap();
    let deployment = documents.iter().find(|document| document["kind"] == "Deployment").unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let (user, container) = (&pod["securityContext"]["runAsUser"], &pod["containers"][0]);
    assert_eq!(value("USER"), format!("{user}:{user}"));
    assert_eq!(value("EXPOSE"), container["ports"][0]["containerPort"].to_string());
    assert_eq!(value("ENTRYPOINT"), format!("[{}]", container["command"][0]));
    let home =
        container["env"].as_array().unwrap().iter().find(|variable| variable["name"] == "HOME").unwrap();
    assert_eq!(value("ENV"), format!("HOME={}", home["value"].as_str().unwrap()));
    let page = std::fs::read_to_string(root().join("docs/load-testing.md")).unwrap();
    let tools = value("ARG");
    let (_, tools) = tools.split_once('=').unwrap();
    for tool in tools.trim_matches('"').split(' ') {
        assert!(page.contains(&format!("`{tool}`")), "docs/load-testing.md does not name {tool}");
    }
}
