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
    flags.logging.start();
    let environment = Environment::read(|name| std::env::var(name).ok());
    match work(flags, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", logging::with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
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
