//! Load from the command line: one address, one report.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use canary_api::GoDuration;
use canary_load::{Arrivals, Limits, Plan, Profile, Report, trusting_tls};
use clap::{Parser, ValueEnum};
use serde_json::json;

use crate::beside::Beside;
use crate::by_hand::{self, Over, Traffic, Work, opened};
use crate::judge::{Rule, verdict};
use crate::load::Wanted;
use crate::payload::Payload;
use crate::query::Sum;

/// Put load on an address and print the report.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  canary-loadtester run http://localhost:9898/ --rate 200 --duration 30s
  canary-loadtester run http://localhost:9898/ --rate 200 --judge 'p99 < 300ms' --judge 'errors < 1%'
  canary-loadtester run http://podinfo.test:9898/ --rate 50 --of each --canary-share 10% --primary-limits 'errors < 5%'

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
    #[command(flatten, next_help_heading = "Arms and real traffic")]
    traffic: Traffic,
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
        let work = self.work()?;
        let mut sum = Sum::default();
        let live = std::io::stderr().is_terminal() && matches!(self.output, Output::Text);
        let over = by_hand::run(&self.url, work, |snapshot, _| {
            sum.add_second(snapshot, None);
            if live {
                let counts = snapshot.counts();
                eprintln!(
                    "{:>4} s  {:>8} sent  {:>6} failed  {:>6} waiting",
                    snapshot.second + 1,
                    counts.sent,
                    counts.errors(),
                    snapshot.waiting
                );
            }
        });
        let Over { report, aborted, unseen } = over.await?;
        let aborted = aborted.map(|why| format!("the load was aborted: {why}"));
        let failed: Vec<String> = aborted.into_iter().chain(unseen).collect();
        let broken = verdict(&self.judge, &sum);
        self.print(&report, if self.judge.is_empty() { &[] } else { &broken })?;
        for why in &failed {
            eprintln!("failed: {why}");
        }
        let is_good = failed.is_empty() && (self.judge.is_empty() || broken.is_empty());
        Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What is run, and what goes on beside it.
    fn work(&self) -> anyhow::Result<Work> {
        let simple = || Ok(Work { plan: self.simple()?, weights: None, beside: Beside::default() });
        let mut work = self.of_traffic().unwrap_or_else(simple)?;
        if self.insecure {
            work.plan.tls = Some(trusting_tls()?);
        }
        Ok(work)
    }

    /// As the task type `load` makes it, where arms or real traffic are spoken of.
    fn of_traffic(&self) -> Option<anyhow::Result<Work>> {
        let metadata = self.traffic.metadata();
        (!metadata.is_empty()).then(|| {
            let rate =
                self.rate.context("--rate is required with arms and with real traffic that is filled up")?;
            let (name, namespace) = ("run".to_owned(), "command-line".to_owned());
            let mut payload = Payload { name, namespace, metadata, ..Payload::default() };
            let arrivals = match self.arrivals {
                Spacing::Even => "even",
                Spacing::Poisson => "poisson",
            };
            for (key, value) in [
                ("url", self.url.clone()),
                ("target", format!("{rate}/s")),
                ("connections", self.connections.to_string()),
                ("arrivals", arrivals.to_owned()),
            ] {
                payload.metadata.insert(key.to_owned(), value);
            }
            let mut wanted = Wanted::of(&payload, usize::MAX, f64::MAX).map_err(anyhow::Error::msg)?;
            wanted.plan.duration = Some(self.duration);
            wanted.plan.limits.timeout = self.timeout;
            let share = self.traffic.share();
            let weights = wanted.follows_weight.then(|| vec![share, 1.0 - share]);
            let top_up = wanted.top_up.map(opened).transpose()?;
            Ok(Work { plan: wanted.plan, weights, beside: Beside { top_up, primary: wanted.primary } })
        })
    }

    /// One address at one rate.
    fn simple(&self) -> anyhow::Result<Plan> {
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
