//! The controller as a program: Flagger's flags and environment around `canary-controller`.
//!
//! Only wiring; what a rollout does is decided in `canary-core`.

mod cluster;
mod environment;
mod flags;
mod logging;
mod preflight;
mod rate_limit;
mod run;
#[cfg(feature = "otlp")]
mod traces;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use crate::environment::Environment;
use crate::flags::{Flags, Parsed};

/// The version, as in `User-Agent` and `flagger_info`.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The source revision, where the build sets it.
const REVISION: &str = match option_env!("CANARYD_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// More threads than this only cost memory: the work is waiting.
const MAX_WORKERS: usize = 2;
/// Threads for name look-ups, which block.
const MAX_BLOCKING: usize = 4;
/// How long look-ups under way may hold up the end of the process.
const RUNTIME_GRACE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // Fails only when a provider is installed already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let flags = match flags::parse(std::env::args_os()) {
        Ok(Parsed::Run(flags)) => *flags,
        Ok(Parsed::Tell(text)) => return tell(&text),
        Err(refusal) => {
            eprintln!("{}", refusal.trim_end());
            return ExitCode::FAILURE;
        }
    };
    let environment = Environment::read(|name| std::env::var(name).ok());
    let outcome = observed(flags, &environment);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", logging::with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Works, with a log and, where a collector is named, traces.
#[cfg(feature = "otlp")]
fn observed(flags: Flags, environment: &Environment) -> anyhow::Result<()> {
    let traces =
        flags.traces.endpoint().and_then(|endpoint| endpoint.as_ref().map(traces::Traces::new).transpose());
    match traces {
        Ok(Some(traces)) => {
            flags.logging.start_with(traces.layer());
            let outcome = work(flags, environment);
            traces.finish();
            outcome
        }
        untraced => {
            flags.logging.start();
            untraced?;
            work(flags, environment)
        }
    }
}

/// Works, with a log.
#[cfg(not(feature = "otlp"))]
fn observed(flags: Flags, environment: &Environment) -> anyhow::Result<()> {
    flags.logging.start();
    if flags.traces.endpoint()?.is_some() {
        anyhow::bail!("-otlp-endpoint: this program is built without the feature otlp");
    }
    work(flags, environment)
}

fn tell(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn work(flags: Flags, environment: &Environment) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(MAX_WORKERS))
        .max_blocking_threads(MAX_BLOCKING)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let outcome = runtime.block_on(run::run(flags, environment));
    runtime.shutdown_timeout(RUNTIME_GRACE);
    outcome
}
