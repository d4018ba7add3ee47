//! `canaryctl get`: a canary and everything around it, as a tree; live with --watch.

mod tree;

pub(crate) use tree::{check_name, draw};

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;

use crate::list::{Format, print};
use crate::live::{Cluster, ClusterArgs, Facts, pick};

/// Width where there is no terminal to ask.
const WIDTH: usize = 120;

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
                        let drawn = draw(&facts, now, self.width.unwrap_or_else(width));
                        // From the top, each line to its end, and nothing below: no flicker.
                        let clear = if self.watch { "\x1b[H" } else { "" };
                        let end = if self.watch { "\x1b[J" } else { "" };
                        let drawn = if self.watch { drawn.replace('\n', "\x1b[K\n") } else { drawn };
                        write!(out, "{clear}{drawn}{end}")?;
                        out.flush()?;
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

fn width() -> usize {
    terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0))
}
