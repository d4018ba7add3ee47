//! Flagger's flags, with one dash or two, in groups.
//!
//! Values are checked where they are turned into settings (`flags/…`); here is only what can be given.

mod go_syntax;
mod notices;
mod rollouts;
mod traces;

use std::ffi::OsString;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser};

use self::go_syntax::{go_bool, to_clap};
pub(crate) use self::notices::NoticeFlags;
pub(crate) use self::rollouts::RolloutFlags;
pub(crate) use self::traces::TraceFlags;
use crate::logging::LoggingFlags;
use crate::{REVISION, VERSION};

const COMPATIBILITY: &str = "\
Flags can be given with one dash or two, as `-flag value` or `-flag=value`; those that are on or off as `-flag` or
`-flag=false`. SLACK_URL, SLACK_TOKEN, SLACK_PROXY_URL, MSTEAMS_URL, MSTEAMS_PROXY_URL and EVENT_WEBHOOK_URL in the
environment win over their flags; OTEL_EXPORTER_OTLP_ENDPOINT counts where -otlp-endpoint is not given.

Accepted without effect, for manifests written for Flagger: -threadiness, -zap-replace-globals, and klog's -v, -vmodule,
-logtostderr, -alsologtostderr, -stderrthreshold, -log_dir, -log_file, -log_file_max_size, -log_backtrace_at,
-skip_headers, -skip_log_headers, -add_dir_header, -one_output.";

/// Releases new versions of Kubernetes workloads step by step, and takes them back when their metrics are bad.
#[derive(Debug, Parser)]
#[command(
    name = "canaryd",
    bin_name = "canaryd",
    disable_version_flag = true,
    args_override_self = true,
    after_help = COMPATIBILITY
)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) cluster: ClusterFlags,
    #[command(flatten)]
    pub(crate) rollouts: RolloutFlags,
    #[command(flatten)]
    pub(crate) notices: NoticeFlags,
    #[command(flatten)]
    pub(crate) logging: LoggingFlags,
    #[command(flatten)]
    pub(crate) traces: TraceFlags,
    #[command(flatten)]
    pub(crate) process: ProcessFlags,
    /// Print version and source revision, and exit
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
        value_parser = go_bool, action = ArgAction::Set)]
    pub(crate) version: bool,
}

/// How the API servers are reached.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterFlags {
    /// Kubeconfig; empty: the service account of the pod
    #[arg(long, value_name = "PATH", default_value = "")]
    pub(crate) kubeconfig: String,
    /// Address of the API server, in place of the kubeconfig's
    #[arg(long, value_name = "URL", default_value = "")]
    pub(crate) master: String,
    /// Kubeconfig of the cluster that holds the objects of the mesh; empty: the same cluster
    #[arg(long, value_name = "PATH", default_value = "")]
    pub(crate) kubeconfig_service_mesh: String,
    /// Requests a second to each API server; negative or not given: not limited here, as API servers limit by themselves
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(crate) kubeconfig_qps: Option<i32>,
    /// Requests that may come at once where -kubeconfig-qps is given
    #[arg(long, value_name = "NUMBER", default_value_t = 250)]
    pub(crate) kubeconfig_burst: u32,
}

/// How the process stands among others.
#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
pub(crate) struct ProcessFlags {
    /// Port of /healthz, /readyz and /metrics
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) port: u16,
    /// Stand by while another replica works
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
        value_parser = go_bool, action = ArgAction::Set)]
    pub(crate) enable_leader_election: bool,
    /// Namespace of the Lease `flagger-leader-election`; -namespace, if given, is used instead
    #[arg(long, value_name = "NAMESPACE", default_value = "kube-system")]
    pub(crate) leader_election_namespace: String,
}

/// What the arguments ask for.
pub(crate) enum Parsed {
    Run(Box<Flags>),
    /// A text on standard output, and no more.
    Tell(String),
}

/// Reads the arguments, the program's name first. `Err` is what to tell whoever gave them.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, String> {
    let mut command = Flags::command();
    command.build();
    let arguments = to_clap(arguments, &command)?;
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => return Err(error.to_string()),
        Err(help) => return Ok(Parsed::Tell(help.to_string())),
    };
    let flags = Flags::from_arg_matches(&matches).map_err(|error| error.to_string())?;
    if flags.version {
        return Ok(Parsed::Tell(format!("canaryd version: {VERSION} revision: {REVISION}\n")));
    }
    Ok(Parsed::Run(Box::new(flags)))
}

#[cfg(test)]
mod tests;
