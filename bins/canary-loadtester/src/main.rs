//! The load tester: Flagger's endpoints and task types, with an engine of its own behind them.
//!
//! Also a command line: `run` puts load on an address and prints the report.

mod access;
mod accounts;
mod answers;
mod beside;
mod bounded;
mod by_hand;
mod canaries;
mod command;
mod concord;
mod ending;
mod events;
mod flags;
#[cfg(test)]
mod fuzzed;
mod gates;
mod hey;
mod judge;
mod lifetime;
mod live;
mod load;
mod logging;
mod metrics;
mod ngrinder;
mod once;
mod origin;
mod payload;
mod primary;
mod process;
mod query;
mod queue;
mod real_traffic;
mod resume;
mod routes;
mod run_load;
mod runs;
mod scenario_file;
mod scenarios;
mod server;
mod signature;
mod state;
mod store;
mod streams;
mod targets;
mod tasks;
mod tls;
mod tokens;
mod v1;

use std::process::ExitCode;

use anyhow::Context;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::flags::{Flags, Parsed};

/// Threads that answer requests; load has threads of its own.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    // Fails only when a provider is installed already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match flags::parse(std::env::args()) {
        Ok(Parsed::Tell(text)) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Ok(Parsed::Run(once)) => {
            // Its exit code 1 means that a rule was broken.
            let outcome = runtime().and_then(|runtime| runtime.block_on(once.run()));
            outcome.unwrap_or_else(unusable)
        }
        Ok(Parsed::RunFile(run)) => {
            let outcome = runtime().and_then(|runtime| runtime.block_on(run.run()));
            outcome.unwrap_or_else(unusable)
        }
        Ok(Parsed::Check(check)) => {
            let outcome = runtime().and_then(|runtime| runtime.block_on(check.run()));
            outcome.unwrap_or_else(unusable)
        }
        Ok(Parsed::Leftovers(leftovers)) => leftovers.run().unwrap_or_else(unusable),
        Ok(Parsed::Serve(flags)) => {
            flags.logging.start();
            end(serve(*flags).map(|()| ExitCode::SUCCESS))
        }
        Err(refusal) => {
            eprintln!("{}", refusal.trim_end());
            ExitCode::from(2)
        }
    }
}

fn serve(flags: Flags) -> anyhow::Result<()> {
    command::adopt();
    // Commands run as the same user: its environment and its memory are not theirs. A refusal leaves what the system protects.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let runtime = runtime()?;
    let outcome = runtime.block_on(server::run(flags));
    // Commands under way are not awaited.
    runtime.shutdown_background();
    outcome
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("the runtime cannot be started")
}

#[expect(clippy::needless_pass_by_value, reason = "a failed result hands it over")]
fn unusable(error: anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(2)
}

fn end(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

#[expect(clippy::print_stdout, reason = "what the user asked for")]
fn print(text: &str) {
    print!("{text}");
}
