//! The commands, their flags and exit codes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use canary_api::GoDuration;
use canary_routers::Routers;
use canary_sandbox::{Scenario, shipped, shipped_names};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::access::Access;
use crate::convert::Convert;
use crate::doctor::State;
use crate::lint::Lint;
use crate::live_commands::Live;
use crate::play::{Request, play};
use crate::verdict::Ending;
use crate::{data, doctor, manifests, providers, report, routing_objects, world};

/// Tools for canary rollouts.
#[derive(Parser)]
#[command(name = "canaryctl", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play a rollout of the objects in files, without a cluster and in no time.
    #[command(after_help = "\
Examples:
  canaryctl simulate examples/podinfo
  canaryctl simulate canary.yaml --scenario errors --expect failed
  canaryctl simulate deploy/ --image podinfod=6.1.0 --output json
  canaryctl simulate examples/meshes/traefik --show-objects

Exit codes:
  0  played; where --expect is given, every rollout ended so
  1  a rollout did not end as expected
  2  the objects, the scenario or the command line cannot be used")]
    Simulate(Simulate),
    /// Look at everything that canaries need, in the cluster of the kubeconfig, before anything is released.
    #[command(after_help = "\
Looks at the objects that a canary names, at the template, secret and provider of each metric and what its query finds, and
at the addresses of its hooks. Objects of the files count as applied. It reads, and writes nothing.

Examples:
  canaryctl doctor canary.yaml --metrics-server http://localhost:9090
  canaryctl doctor deploy/ --output json

Exit codes:
  0  nothing is bad; with --strict, nothing is doubtful either
  1  something is bad
  2  the objects, the cluster or the command line cannot be used")]
    Doctor(Doctor),
    /// Print which meshes and ingresses there are, and what a canary may ask of each, as a table in Markdown.
    Providers,
    #[command(flatten)]
    Live(Live),
    /// Find what is wrong or makes no sense in files, without a cluster.
    #[command(after_help = "\
Exit codes:
  0  nothing that counts was found (warnings count with --strict)
  1  something was
  2  the files cannot be read")]
    Lint(Lint),
    /// Make a Deployment and a Canary of a Rollout of Argo Rollouts, and say what could not be carried over.
    #[command(
        after_help = "Example:\n  canaryctl convert rollout.yaml analysis.yaml services.yaml > canary.yaml"
    )]
    Convert(Convert),
    /// Print a completion script.
    #[command(after_help = "Example:\n  source <(canaryctl completion bash)")]
    Completion {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each subcommand.
    Man {
        /// Write the pages into this folder.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
    /// Print the definitions of Canary, MetricTemplate and AlertProvider.
    #[command(after_help = "Example:\n  canaryctl crds | kubectl apply -f -")]
    Crds {
        /// Only the fields that Flagger has.
        #[arg(long)]
        flagger: bool,
    },
    /// Print the role that the controller's service account needs, and no more than that.
    #[command(after_help = "\
Examples:
  canaryctl rbac --provider istio --leader-election | kubectl apply -f -
  canaryctl rbac --namespace team-a --provider kubernetes --no-config-tracking")]
    Rbac(Access),
}

#[derive(clap::Args)]
struct Simulate {
    /// YAML or JSON files, or folders of them.
    #[arg(required_unless_present = "list_scenarios")]
    paths: Vec<PathBuf>,
    /// What happens meanwhile: a shipped scenario, or a file with one.
    #[arg(long, default_value = "healthy", value_name = "NAME|FILE")]
    scenario: String,
    /// List the shipped scenarios and end.
    #[arg(long)]
    list_scenarios: bool,
    /// The new revision: the image of a container, as a tag or whole. Made up when absent.
    #[arg(long, value_name = "CONTAINER=TAG", value_parser = container_image)]
    image: Vec<(String, String)>,
    /// Namespace of objects that name none.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// The mesh or ingress of canaries that name none.
    #[arg(long, default_value = "istio")]
    mesh_provider: String,
    /// How to print what happened.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Show the routing objects before the rollout, at its first step and after it: as YAML instead of the timeline, or
    /// within the JSON.
    #[arg(long)]
    show_objects: bool,
    /// How every rollout has to end for exit code 0.
    #[arg(long, value_enum)]
    expect: Option<Expect>,
    /// A rollout that takes longer, in simulated time, is given up as not finished.
    #[arg(long, default_value = "24h", value_name = "DURATION", value_parser = duration)]
    limit: Duration,
    /// Write what the controller logs to the standard error; twice: its debug messages, too.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(clap::Args)]
struct Doctor {
    /// YAML or JSON files, or folders of them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Namespace of objects that name none.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// The mesh or ingress of canaries that name none.
    #[arg(long, default_value = "istio")]
    mesh_provider: String,
    /// Address of the Prometheus that answers built-in metrics, as this machine reaches it.
    #[arg(long, value_name = "URL", default_value = "http://prometheus:9090")]
    metrics_server: String,
    /// What is doubtful counts as bad.
    #[arg(long)]
    strict: bool,
    /// How to print what was found.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Expect {
    Succeeded,
    Failed,
}

fn container_image(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((container, tag)) if !container.is_empty() && !tag.is_empty() => {
            Ok((container.into(), tag.into()))
        }
        _ => Err("expected CONTAINER=TAG, such as podinfod=6.1.0 or podinfod=podinfo:6.1.0".into()),
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as 90s or 2h");
    text.parse::<GoDuration>().ok().map(GoDuration::to_std).ok_or_else(wrong)
}

/// Does what the command line asks for.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let command = match cli() {
        Ok(cli) => cli.command,
        Err(wrong) => wrong.exit(),
    };
    match command {
        Command::Crds { flagger } => crds(flagger),
        Command::Providers => {
            providers::table(&Routers::default(), &mut anstream::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Rbac(access) => access.run().map(|()| ExitCode::SUCCESS),
        Command::Simulate(simulate) if simulate.list_scenarios => {
            for name in shipped_names() {
                anstream::println!("{name:<18} {}", shipped(name)?.about);
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Simulate(simulate) => {
            crate::verbose::log_to_stderr(simulate.verbose);
            simulate.run()
        }
        Command::Doctor(doctor) => doctor.run(),
        Command::Lint(lint) => lint.run(&mut anstream::stdout()),
        Command::Convert(convert) => convert.run(&mut anstream::stdout()),
        Command::Completion { shell } => {
            crate::shell::completion(described(), shell, &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { folder } => {
            crate::shell::manual(described(), folder.as_deref(), &mut std::io::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Live(command) => command.connect_and_run(),
    }
}

/// The command line as clap has it. Called as `kubectl-canary` it is a plug-in of kubectl and says so in its help.
fn described() -> clap::Command {
    let called = std::env::args_os().next().map(PathBuf::from);
    let plugin = called.as_deref().and_then(|p| p.file_stem()).is_some_and(|name| name == "kubectl-canary");
    let command = Cli::command();
    if plugin { command.name("kubectl-canary").bin_name("kubectl canary") } else { command }
}

fn cli() -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&described().try_get_matches()?)
}

fn crds(flagger: bool) -> anyhow::Result<ExitCode> {
    if flagger {
        for crd in canary_api::flagger_crds() {
            anstream::print!("---\n{}", serde_saphyr::to_string(&crd)?);
        }
    } else {
        anstream::print!("{}", canary_api::crds_yaml()?);
    }
    Ok(ExitCode::SUCCESS)
}

impl Doctor {
    fn run(self) -> anyhow::Result<ExitCode> {
        let Self { paths, namespace, mesh_provider, metrics_server, strict, output } = self;
        let manifests = manifests::read(&paths)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let look = doctor::Look { namespace, mesh_provider, metrics_server };
        let rows = runtime.block_on(doctor::examine(manifests, &look))?;
        match output {
            Output::Text => doctor::text(&rows, &mut anstream::stdout())?,
            Output::Json => doctor::json(&rows, &mut anstream::stdout())?,
        }
        let worst = if strict { State::Doubtful } else { State::Bad };
        let good = rows.iter().all(|row| row.state < worst);
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Simulate {
    fn run(self) -> anyhow::Result<ExitCode> {
        let scenario = scenario(&self.scenario)?;
        let objects = manifests::read(&self.paths)?;
        let mut world = world::build(objects, &self.namespace, &self.mesh_provider)?;
        world.remark_on(&scenario);
        let request =
            Request { scenario, images: self.image, mesh_provider: self.mesh_provider, limit: self.limit };
        let played = play(&world, &request)?;
        match self.output {
            Output::Text if self.show_objects => {
                for (subject, rollout) in world.canaries.iter().zip(&played) {
                    routing_objects::yaml(&subject.label(), &rollout.scenes, &mut anstream::stdout())?;
                }
            }
            Output::Text => report::text(&world, &request, &played, &mut anstream::stdout())?,
            Output::Json => {
                data::json(&world, &request, &played, self.show_objects, &mut anstream::stdout())?;
            }
        }
        let as_expected = played.iter().all(|rollout| match (self.expect, &rollout.verdict.ending) {
            (None, _) => true,
            (Some(Expect::Succeeded), ending) => *ending == Ending::Promoted,
            (Some(Expect::Failed), ending) => *ending == Ending::RolledBack,
        });
        Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// A shipped scenario, or one from a file.
fn scenario(name: &str) -> anyhow::Result<Scenario> {
    let unknown = match shipped(name) {
        Ok(scenario) => return Ok(scenario),
        Err(unknown) => unknown,
    };
    let path = PathBuf::from(name);
    if !path.is_file() {
        bail!("{unknown}; and there is no file of that name");
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("{name} cannot be read"))?;
    serde_saphyr::from_str(&text).map_err(|error| {
        let (line, what) = canary_yaml::fault(&error);
        anyhow!("{name}, line {line}: {what}")
    })
}
