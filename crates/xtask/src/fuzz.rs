//! Hostile inputs for a given time.

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, cargo, run};

/// The targets, with the kind and the name of the binary whose tests they are.
const TARGETS: [(&str, [&str; 2]); 10] = [
    ("objects", ["--test", "targets"]),
    ("neighbours", ["--test", "targets"]),
    ("templates", ["--test", "targets"]),
    ("durations", ["--test", "targets"]),
    ("providers", ["--test", "targets"]),
    ("hooks", ["--test", "targets"]),
    ("manifests", ["--bin", "canaryctl"]),
    ("commands", ["--bin", "canary-loadtester"]),
    ("payloads", ["--bin", "canary-loadtester"]),
    ("scenarios", ["--bin", "canary-loadtester"]),
];

/// What the options ask for.
#[derive(Debug, PartialEq)]
struct Wanted<'a> {
    seconds: f64,
    seed: &'a str,
    targets: Vec<(&'static str, [&'static str; 2])>,
}

fn wanted<'a>(options: &[&'a str]) -> Result<Wanted<'a>> {
    let mut wanted = Wanted { seconds: 60.0, seed: "0", targets: TARGETS.to_vec() };
    for pair in options.chunks(2) {
        let [option, value] = pair else { bail!("{} needs a value", pair[0]) };
        match *option {
            "--seconds" => {
                wanted.seconds = value.parse().with_context(|| format!("--seconds {value}: not a number"))?;
            }
            "--seed" => {
                let _: u32 = value.parse().with_context(|| format!("--seed {value}: not a whole number"))?;
                wanted.seed = value;
            }
            "--target" => {
                wanted.targets.retain(|(name, _)| name == value);
                if wanted.targets.is_empty() {
                    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
                    bail!("no such target: {value}; there are {}", names.join(", "));
                }
            }
            other => bail!("fuzz knows no {other}; it takes --seconds, --seed and --target"),
        }
    }
    Ok(wanted)
}

/// Runs the targets one after the other, each for its share of the time.
pub(crate) fn run_all(workspace: &Workspace, options: &[&str]) -> Result<()> {
    let wanted = wanted(options)?;
    #[expect(clippy::cast_precision_loss, reason = "a handful of targets")]
    let each = wanted.seconds / wanted.targets.len() as f64;
    let mut binaries: Vec<_> = wanted.targets.iter().map(|(_, binary)| *binary).collect();
    binaries.dedup();
    let mut command = cargo();
    // Of the workspace, so that they are made of what has been built already.
    command.args(["test", "--quiet", "--workspace"]).args(binaries.concat());
    // Names of tests: all of them, or one.
    command.arg("--").args(wanted.targets.iter().map(|(name, _)| format!("fuzz_{name}")));
    command.args(["--nocapture", "--test-threads=1"]);
    command.env("FUZZ_SECONDS", each.to_string()).env("FUZZ_SEED", wanted.seed);
    run(&workspace.root, &mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_name_the_time_and_the_target() {
        assert_eq!(wanted(&[]).unwrap().targets.len(), TARGETS.len());
        let one = wanted(&["--target", "hooks", "--seconds", "5"]).unwrap();
        assert_eq!(one, Wanted { seconds: 5.0, seed: "0", targets: vec![("hooks", ["--test", "targets"])] });
        for (options, error) in [
            (vec!["--target", "hook"], "no such target: hook; there are objects"),
            (vec!["--seconds"], "--seconds needs a value"),
            (vec!["--seconds", "ten"], "--seconds ten: not a number"),
            (vec!["--hours", "1"], "fuzz knows no --hours"),
        ] {
            let told = wanted(&options).unwrap_err().to_string();
            assert!(told.starts_with(error), "{told}");
        }
    }
}
