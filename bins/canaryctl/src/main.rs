//! The operator's command line: watches and steers rollouts, looks at what a canary needs, plays rollouts without a cluster,
//! and prints CRDs and roles.

mod access;
mod command_line;
mod convert;
mod data;
mod doctor;
mod explain;
mod fields;
#[cfg(test)]
mod fuzzed;
mod get;
mod lint;
mod list;
mod live;
mod live_commands;
mod load;
mod made_up;
mod manifests;
mod onlooker;
mod past;
mod place;
mod play;
mod progress;
mod providers;
mod questions;
mod recording;
mod report;
mod revision;
mod routing_objects;
mod shell;
mod steer;
mod timeline;
mod verbose;
mod verdict;
mod wait;
#[cfg(test)]
mod walk;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command_line::run() {
        Ok(code) => code,
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}
