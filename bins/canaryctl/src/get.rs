//! `canaryctl get`: a canary and everything around it, as a tree; live with --watch.

mod screen;
mod tree;

pub(crate) use tree::{check_name, draw};

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;

use crate::list::{Format, print};
use crate::live::{Cluster, ClusterArgs, Facts, pick};

/// The flags of `get`.
#[derive(clap::Args)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Name of the canary.
    pub(crate) name: String,
    /// Draw it again whenever it changes; lines where the output is no terminal.
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// How often --watch looks.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = crate::command_line::duration)]
    pub(crate) every: Duration,
    /// The mesh or ingress of canaries that name none.
    #[arg(long, default_value = "istio")]
    pub(crate) mesh_provider: String,
    /// Width of the tree; else that of the terminal.
    #[arg(long, value_name = "COLUMNS")]
    pub(crate) width: Option<usize>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

impl Get {
    pub(crate) async fn run(
        &self,
        cluster: &Cluster,
        now: &dyn Fn() -> Timestamp,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let terminal = std::io::stdout().is_terminal();
        let mut before = String::new();
        loop {
            let canary = match pick(cluster, &self.name).await? {
                Ok(canary) => canary,
                Err(missing) => {
                    writeln!(out, "{missing}")?;
                    return Ok(ExitCode::from(3));
                }
            };
            match self.output {
                Format::Name => writeln!(out, "canary.flagger.app/{}", self.name)?,
                Format::Json | Format::Yaml => print(&canary, self.output, out)?,
                Format::Text | Format::Wide => {
                    let facts = Facts::read(cluster, &canary, &self.mesh_provider).await;
                    let now = now();
                    if self.watch && !terminal {
                        let line = tree::line(&facts);
                        if line != before {
                            writeln!(out, "{now:.0} {line}")?;
                            out.flush()?;
                        }
                        before = line;
                    } else {
                        let (width, height) = screen::size();
                        let drawn = draw(&facts, now, self.width.unwrap_or(width));
                        if self.watch {
                            // Past `out`, which takes every sequence away where colours are not wanted.
                            let colours = anstream::stdout().current_choice() != anstream::ColorChoice::Never;
                            let mut screen = std::io::stdout().lock();
                            screen.write_all(screen::frame(&drawn, height, colours).as_bytes())?;
                            screen.flush()?;
                        } else {
                            out.write_all(drawn.as_bytes())?;
                        }
                    }
                }
            }
            if !self.watch {
                return Ok(ExitCode::SUCCESS);
            }
            tokio::time::sleep(self.every).await;
        }
    }
}
