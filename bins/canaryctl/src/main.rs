//! The operator's command line: plays rollouts without a cluster, looks at what a canary needs, and prints CRDs and roles.

mod access;
mod command_line;
mod data;
mod doctor;
mod fields;
mod made_up;
mod manifests;
mod onlooker;
mod place;
mod play;
mod progress;
mod providers;
mod questions;
mod recording;
mod report;
mod revision;
mod routing_objects;
mod timeline;
mod verdict;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    // For the doctor; elsewhere nothing opens a connection, but the libraries build clients.
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
