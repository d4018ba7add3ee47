//! Flags: Flagger's, with its one dash, and ours beside them.

mod scenarios;
mod security;

use std::time::Duration;

use canary_api::GoDuration;
use clap::Parser;
use clap::error::ErrorKind;
use regex::Regex;
pub(crate) use scenarios::{ScenarioFlags, SharedSecret, SourceLogin};
pub(crate) use security::{Auth, CommandFlags, Commands, SecurityFlags, StateFlags};

use crate::logging::LoggingFlags;
use crate::once::Once;
use crate::scenario_file::{Check, Leftovers, RunFile, is_reference, schema};

/// What the arguments ask for.
pub(crate) enum Parsed {
    Serve(Box<Flags>),
    Run(Box<Once>),
    /// A scenario file.
    RunFile(Box<RunFile>),
    Check(Check),
    Leftovers(Leftovers),
    /// A text on standard output, and no more.
    Tell(String),
}

/// The flags of the server. Those that Flagger has, keep their names and defaults.
#[derive(Debug, Parser)]
#[command(
    name = "canary-loadtester",
    version,
    about = "Load, checks and gates for canary rollouts",
    after_help = "\
Also on the command line:
  canary-loadtester run ADDRESS|FILE   load on one address, or as a scenario file says
  canary-loadtester check FILE         what is wrong with a scenario file; --merged: what it and its overlays come to
  canary-loadtester leftovers FILE     what its runs have written and not removed; --forget-all: it was removed by hand
  canary-loadtester schema             the JSON schema of scenario files
Each has a --help."
)]
pub(crate) struct Flags {
    /// Port of all endpoints; 0: a free one
    #[arg(long, value_name = "PORT", default_value_t = 9090)]
    pub(crate) port: u16,
    /// How long any task may run
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Only canaries of matching namespaces may use it
    #[arg(long, value_name = "REGEXP", default_value = "")]
    pub(crate) namespace_regexp: String,
    /// Without effect; kept for those who set it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    pub(crate) zap_replace_globals: Option<String>,
    #[command(flatten)]
    pub(crate) state: StateFlags,
    #[command(flatten)]
    pub(crate) security: SecurityFlags,
    #[command(flatten)]
    pub(crate) commands: CommandFlags,
    #[command(flatten)]
    pub(crate) scenarios: ScenarioFlags,
    #[command(flatten)]
    pub(crate) logging: LoggingFlags,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<GoDuration>().map(GoDuration::to_std);
    parsed.map_err(|_| "it takes a duration such as 90s or 1h".to_owned())
}

/// Reads the arguments, the program's name first.
///
/// # Errors
/// What to tell whoever gave them.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Parsed, String> {
    let arguments: Vec<String> = arguments.collect();
    let command = arguments.get(1).map(String::as_str);
    if let Some(command @ ("run" | "check" | "leftovers" | "schema")) = command {
        let rest: Vec<String> = std::iter::once(format!("canary-loadtester {command}"))
            .chain(arguments.iter().skip(2).cloned())
            .collect();
        // An address has a scheme; anything else that is named is a file.
        let is_address = rest.iter().any(|argument| argument.contains("://") && !argument.starts_with('-'))
            && !rest.iter().any(|argument| is_scenario(argument));
        return told(match command {
            "schema" => Ok(Parsed::Tell(schema())),
            "check" => Check::try_parse_from(rest).map(Parsed::Check),
            "leftovers" => Leftovers::try_parse_from(rest).map(Parsed::Leftovers),
            _ if is_address => Once::try_parse_from(rest).map(|once| Parsed::Run(Box::new(once))),
            _ => RunFile::try_parse_from(rest).map(|run| Parsed::RunFile(Box::new(run))),
        });
    }
    let flags = told(
        Flags::try_parse_from(arguments.iter().map(|a| two_dashes(a)))
            .map(|flags| Parsed::Serve(Box::new(flags))),
    )?;
    if let Parsed::Serve(flags) = &flags {
        Regex::new(&flags.namespace_regexp).map_err(|error| format!("-namespace-regexp: {error}"))?;
    }
    Ok(flags)
}

fn told(parsed: Result<Parsed, clap::Error>) -> Result<Parsed, String> {
    match parsed {
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Parsed::Tell(error.to_string()))
        }
        other => other.map_err(|error| error.to_string()),
    }
}

fn is_scenario(argument: &str) -> bool {
    if is_reference(argument) {
        return true;
    }
    let ending = std::path::Path::new(argument).extension().and_then(std::ffi::OsStr::to_str);
    !argument.contains("://")
        && matches!(ending, Some("yaml" | "yml" | "json"))
        && std::path::Path::new(argument).exists()
}

/// Go takes one dash for two.
fn two_dashes(argument: &str) -> String {
    match argument.strip_prefix('-') {
        Some(name) if name.len() > 1 && !name.starts_with('-') => format!("--{name}"),
        _ => argument.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(arguments: &str) -> Result<Box<Flags>, String> {
        let all = std::iter::once("canary-loadtester").chain(arguments.split_whitespace());
        match parse(all.map(str::to_owned))? {
            Parsed::Serve(flags) => Ok(flags),
            Parsed::Run(_)
            | Parsed::RunFile(_)
            | Parsed::Check(_)
            | Parsed::Leftovers(_)
            | Parsed::Tell(_) => Err("not the server".to_owned()),
        }
    }

    #[test]
    fn the_arguments_of_flaggers_chart_are_understood() {
        let flags = serve("-port=8080 -log-level=info -timeout=1h -namespace-regexp=").unwrap();
        assert_eq!((flags.port, flags.timeout), (8080, Duration::from_secs(3600)));
        assert_eq!(flags.security.auth, Auth::Required);
        assert!(serve("-zap-replace-globals -zap-encoding=console -log-level warning").is_ok());
    }

    #[test]
    fn without_flags_the_defaults_are_those_of_flagger() {
        let flags = serve("").unwrap();
        assert_eq!((flags.port, flags.timeout.as_secs()), (9090, 3600));
        assert_eq!(flags.namespace_regexp, "");
    }

    #[test]
    fn malformed_values_name_their_flag() {
        for (arguments, named) in [
            ("-namespace-regexp=(", "namespace-regexp"),
            ("-timeout=soon", "timeout"),
            ("-allow-target=http://podinfo/", "allow-target"),
            ("-service-account=flagger=run", "service-account"),
            ("-tls-cert-file=cert.pem", "tls-key-file"),
            ("-command-memory=1", "command-memory"),
            ("-command-cpu=5", "command-cpu"),
            ("-command-environment=A=b", "command-environment"),
            ("-state-file=a -state-config-map=b", "state-config-map"),
            ("-source-secret=a@", "source-secret"),
            ("-source-login=ghcr.io", "source-login"),
        ] {
            let error = serve(arguments).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
