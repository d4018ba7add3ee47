//! Load from the command line: one address, one report.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use canary_api::GoDuration;
use canary_load::{Arrivals, Engine, Limits, Plan, Profile, Report, trusting_tls};
use clap::{Parser, ValueEnum};
use serde_json::json;

use crate::judge::{Rule, verdict};
use crate::query::Sum;

/// Put load on an address and print the report.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  canary-loadtester run http://localhost:9898/ --rate 200 --duration 30s
  canary-loadtester run http://localhost:9898/ --rate 200 --judge 'p99 < 300ms' --judge 'errors < 1%'

Exit codes:
  0  done, and every rule held
  1  a rule was broken
  2  the command line cannot be used")]
pub(crate) struct Once {
    /// What is asked for with GET
    url: String,
    /// Requests a second; without it as many as the connections carry
    #[arg(long, value_name = "NUMBER")]
    rate: Option<f64>,
    /// How long
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    duration: Duration,
    /// Connections at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    connections: usize,
    /// After how long a request counts as failed
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = duration)]
    timeout: Duration,
    /// How arrivals are spaced
    #[arg(long, value_enum, default_value_t = Spacing::Even)]
    arrivals: Spacing,
    /// Certificates are not checked
    #[arg(long)]
    insecure: bool,
    /// A rule that has to hold, such as "p99 < 300ms"; may be given several times
    #[arg(long, value_name = "RULE", value_parser = Rule::parse)]
    judge: Vec<Rule>,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Spacing {
    /// Each after the same time
    Even,
    /// As independent users come
    Poisson,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// A line for people
    Text,
    /// The whole report
    Json,
    /// Quantiles as one line of JSON, in milliseconds
    Line,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<GoDuration>().map(GoDuration::to_std);
    parsed.map_err(|_| "it takes a duration such as 30s".to_owned())
}

impl Once {
    /// Runs it to its end.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut run = Engine::start(self.plan()?)?;
        let mut snapshots = run.snapshots();
        let mut sum = Sum::default();
        let live = std::io::stderr().is_terminal() && matches!(self.output, Output::Text);
        loop {
            tokio::select! {
                snapshot = snapshots.next() => {
                    let Some(snapshot) = snapshot else { break };
                    sum.add_second(&snapshot, None);
                    if live {
                        let counts = snapshot.counts();
                        eprintln!(
                            "{:>4} s  {:>8} sent  {:>6} failed  {:>6} waiting",
                            snapshot.second + 1, counts.sent, counts.errors(), snapshot.waiting
                        );
                    }
                }
                _ = tokio::signal::ctrl_c() => run.handle().stop(Duration::from_secs(1)),
            }
        }
        let report = run.finish().await.context("a thread of the load has failed")?;
        let broken = verdict(&self.judge, &sum);
        self.print(&report, if self.judge.is_empty() { &[] } else { &broken })?;
        Ok(if self.judge.is_empty() || broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        let mut plan = Plan::get(&self.url)?.lasting(self.duration).within(Limits {
            connections: self.connections,
            timeout: self.timeout,
            ..Limits::default()
        });
        if let Some(rate) = self.rate {
            let arrivals = match self.arrivals {
                Spacing::Even => Arrivals::Even,
                Spacing::Poisson => Arrivals::Poisson { seed: 0 },
            };
            plan = plan.open(Profile::constant(rate), arrivals);
        }
        if self.insecure {
            plan.tls = Some(trusting_tls()?);
        }
        Ok(plan)
    }

    fn print(&self, report: &Report, broken: &[String]) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        match self.output {
            Output::Text => {
                writeln!(out, "{report}")?;
                for sentence in broken {
                    writeln!(out, "broken: {sentence}")?;
                }
            }
            Output::Json => {
                let whole = json!({"report": report, "broken": broken});
                writeln!(out, "{}", serde_json::to_string_pretty(&whole)?)?;
            }
            Output::Line => {
                let latency = report.latency;
                let line = json!({
                    "p50": latency.p50, "p99": latency.p99, "p999": latency.p999, "max": latency.max,
                    "sent": report.sent, "not_sent": report.not_sent.total(), "lag_p99": report.lag.p99,
                });
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }
}
