//! Flags that say who may do what.

use std::path::PathBuf;
use std::time::Duration;

use canary_api::GoDuration;
use clap::{ArgAction, Args, ValueEnum};
use ipnet::IpNet;

use crate::accounts::Account;
use crate::targets::Allowed;

/// Who may do what.
#[derive(Debug, Args)]
#[command(next_help_heading = "Security")]
pub(crate) struct SecurityFlags {
    /// Whether callers need a right to what they ask for
    #[arg(long, value_enum, default_value_t = Auth::Required)]
    pub(crate) auth: Auth,
    /// Whether processes of this pod and user may do everything, such as `kubectl exec … curl localhost`
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true, num_args = 0..=1,
        require_equals = true, default_missing_value = "true")]
    pub(crate) trust_loopback: bool,
    /// File of tokens: lines of a token, its roles (run, gate, read) and its namespaces (all when left out)
    #[arg(long, value_name = "PATH")]
    pub(crate) token_file: Option<PathBuf>,
    /// A service account whose tokens are taken, its roles, and its namespaces (all when left out), such as
    /// flagger-system/flagger=run,read@test,prod
    #[arg(long, value_name = "NAMESPACE/NAME=ROLES[@NAMESPACES]", value_parser = Account::parse)]
    pub(crate) service_account: Vec<Account>,
    /// The audience that tokens of service accounts are made for
    #[arg(long, value_name = "AUDIENCE", default_value = "canary-loadtester")]
    pub(crate) token_audience: String,
    /// File with the key of signatures
    #[arg(long, value_name = "PATH")]
    pub(crate) signature_key_file: Option<PathBuf>,
    /// Certificate chain of the port, in PEM; with it the port speaks TLS only
    #[arg(long, value_name = "PATH", requires = "tls_key_file")]
    pub(crate) tls_cert_file: Option<PathBuf>,
    /// Private key that belongs to the certificate, in PEM
    #[arg(long, value_name = "PATH", requires = "tls_cert_file")]
    pub(crate) tls_key_file: Option<PathBuf>,
    /// Further targets of load: a host, with * for any part of it, or a range of addresses such as 10.1.0.0/16
    #[arg(long, value_name = "HOST|RANGE", value_parser = allowed)]
    pub(crate) allow_target: Vec<Allowed>,
    /// Most requests a second of one run
    #[arg(long, value_name = "NUMBER", default_value_t = 20_000.0)]
    pub(crate) max_rate: f64,
    /// Most connections of one run
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pub(crate) max_connections: usize,
    /// Most runs and commands at a time in one namespace
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub(crate) max_tasks: usize,
}

/// Flags about commands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Commands")]
pub(crate) struct CommandFlags {
    /// Which commands may be run
    #[arg(long, value_enum, default_value_t = Commands::Bound)]
    pub(crate) commands: Commands,
    /// Most memory of one command with all that it starts, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(8..=1 << 20))]
    pub(crate) command_memory: u64,
    /// Most processes and threads of one command with all that it starts
    #[arg(long, value_name = "NUMBER", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) command_processes: u64,
    /// Most time on a processor of one command with all that it starts
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = cpu_time)]
    pub(crate) command_cpu: Duration,
    /// Variables of the environment that commands see beside the usual ones: names, or beginnings such as SHOP_*; `*`: all
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = variable)]
    pub(crate) command_environment: Vec<String>,
    /// Status of the answer when a blocking task fails: 500 as in Flagger, whose hook client drops the text of such an
    /// answer and tries again, or 412
    #[arg(long, value_name = "STATUS", default_value_t = 500, value_parser = clap::value_parser!(u16).range(400..600))]
    pub(crate) failed_task_status: u16,
}

/// Flags about what outlives a restart, and about the cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "State")]
pub(crate) struct StateFlags {
    /// File that keeps gates and load over a restart of the container
    #[arg(long, value_name = "PATH", conflicts_with = "state_config_map")]
    pub(crate) state_file: Option<PathBuf>,
    /// ConfigMap of the load tester's own namespace that keeps gates and load over a restart of the pod; made when it is
    /// not there. Without either they are kept in memory
    #[arg(long, value_name = "NAME")]
    pub(crate) state_config_map: Option<String>,
    /// Kubeconfig of the cluster with the Canaries; without it the service account of the pod
    #[arg(long, value_name = "PATH")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// Whether callers need a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Auth {
    /// A token, a signature, a shell in the pod, or a live Canary that names just this request
    Required,
    /// Anybody may do anything, as with Flagger's load tester
    None,
}

/// Which commands may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Commands {
    /// Those that a webhook of a live Canary names
    Bound,
    /// Also those of callers with the role `run`
    Shell,
    /// None
    None,
}

fn cpu_time(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<GoDuration>().ok().map(GoDuration::to_std);
    let parsed = parsed.filter(|time| *time >= Duration::from_secs(1));
    parsed.ok_or_else(|| "it takes a duration of at least 1s, such as 10m".to_owned())
}

fn variable(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('*').unwrap_or(text);
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let wrong = || format!("{text:?} is no name of a variable; it takes names such as STAGE or SHOP_*");
    (is_name && !text.is_empty()).then(|| text.to_owned()).ok_or_else(wrong)
}

fn allowed(text: &str) -> Result<Allowed, String> {
    if let Ok(range) = text.parse::<IpNet>() {
        return Ok(Allowed::Range(range));
    }
    if text.is_empty() || text.contains(['/', ' ', '@']) {
        return Err("it takes a host such as *.shop.svc or a range such as 10.1.0.0/16".to_owned());
    }
    Ok(Allowed::Host(text.to_ascii_lowercase()))
}
