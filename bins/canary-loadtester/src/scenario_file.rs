//! Scenario files on the command line: `check FILE`, `run FILE` and `schema`.

mod files;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use canary_load::{AnyAddress, trusting_tls};
use canary_scenario::{CanaryNames, Cleanup, Journal, Ready, RunReport, Scenario, Seconds, Setting, recover};
use clap::{Parser, ValueEnum};
use jiff::Timestamp;
use tokio::sync::oneshot;

pub(crate) use self::files::is_reference;
use self::files::{Overlays, read};
use crate::by_hand::{self, Beside, GRACE, Over, Traffic, opened};
use crate::live::Live;
use crate::primary::PrimaryLimits;
use crate::scenarios::real_traffic;

const FILE: &str =
    "A scenario file; also git:https://HOST/REPOSITORY//PATH?ref=REF and oci://REGISTRY/REPOSITORY:TAG#FILE";

/// Say what is wrong with scenario files, and where.
#[derive(Debug, Parser)]
pub(crate) struct Check {
    #[arg(required = true, value_name = "FILE", help = FILE)]
    files: Vec<String>,
    #[command(flatten)]
    overlays: Overlays,
    /// Print what each file and its overlays come to
    #[arg(long)]
    merged: bool,
}

impl Check {
    /// Exit code 1: something is wrong.
    pub(crate) async fn run(&self) -> anyhow::Result<ExitCode> {
        let mut code = ExitCode::SUCCESS;
        for file in &self.files {
            match Scenario::layered(&self.overlays.read(file).await?) {
                Ok(scenario) if self.merged => anstream::print!("{}", scenario.text()),
                Ok(scenario) => {
                    let spec = scenario.spec();
                    anstream::println!("{file}: {} with {} flows, fine", spec.name, spec.flows.len());
                }
                Err(mistakes) => {
                    anstream::eprintln!("{mistakes}");
                    code = ExitCode::FAILURE;
                }
            }
        }
        Ok(code)
    }
}

/// The JSON schema of scenario files.
pub(crate) fn schema() -> String {
    serde_json::to_string_pretty(&canary_scenario::schema()).unwrap_or_default() + "\n"
}

/// Run a scenario file and print its report.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  canary-loadtester run shop.yaml --base http://localhost:9898 --target 50/s --duration 30s
  canary-loadtester run shop.yaml --param tenant=a --report junit -o result.xml
  canary-loadtester run shop.yaml --pin result.json
  canary-loadtester run shop.yaml --overlay staging.yaml --overlay night.yaml
  canary-loadtester run shop.yaml --of each --canary-share 10% --primary-limits 'errors < 5%'
  canary-loadtester run shop.yaml --prometheus http://localhost:9090 --query http_requests_total
  canary-loadtester run 'git:https://github.com/shop/load//shop.yaml?ref=v1' --target 5/s

Exit codes:
  0  every rule held, and nothing that was written is left
  1  a rule was broken, or something is left over
  2  the file or the command line cannot be used")]
pub(crate) struct RunFile {
    #[arg(help = FILE)]
    file: String,
    #[command(flatten)]
    overlays: Overlays,
    #[command(flatten, next_help_heading = "Arms and real traffic")]
    traffic: Traffic,
    /// A parameter, as NAME=VALUE; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// Where paths lead, instead of the file's base
    #[arg(long, value_name = "ADDRESS")]
    base: Option<String>,
    /// The rate, instead of the file's, such as 20/s
    #[arg(long, value_name = "RATE")]
    target: Option<String>,
    /// How long, instead of what the file says
    #[arg(long, value_name = "DURATION")]
    duration: Option<String>,
    /// What templates know as canary, as NAMESPACE/NAME
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = canary)]
    canary: Option<CanaryNames>,
    /// Where writes are entered before they are sent; beside the file when left out
    #[arg(long, value_name = "PATH")]
    journal: Option<PathBuf>,
    /// An earlier report in JSON: sources must have the same content
    #[arg(long, value_name = "PATH")]
    pin: Option<PathBuf>,
    /// Certificates are not checked
    #[arg(long)]
    insecure: bool,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Form::Text)]
    report: Form,
    /// Where the report is written; standard output when left out
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// Everything, with histograms that can be added to those of other runs
    Json,
    /// For CI
    Junit,
    /// A page with charts
    Html,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it takes NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn canary(text: &str) -> Result<CanaryNames, String> {
    let (namespace, name) = text.split_once('/').ok_or("it takes NAMESPACE/NAME")?;
    Ok(CanaryNames { name: name.into(), namespace: namespace.into(), service: name.into(), port: None })
}

impl RunFile {
    /// Runs it to its end.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut files = self.overlays.read(&self.file).await?;
        files.extend(self.traffic.overlay().map(|overlay| ("the command line".to_owned(), overlay)));
        let scenario = Scenario::layered(&files)?;
        let journal = if scenario.writes() { Some(self.journal().await?) } else { None };
        let fetcher = self.overlays.fetcher(&self.file)?;
        let got = fetcher.fetch(scenario.sources(), None, &self.pins()?).await.map_err(anyhow::Error::msg)?;
        let setting = Setting {
            params: self.param.iter().cloned().collect(),
            canary: self.canary.clone(),
            base: self.base.clone(),
            target: self.target.clone(),
            duration: self.duration.clone(),
            run: uuid::Uuid::new_v4().to_string(),
            writes: true,
            ceiling: None,
            journal,
        };
        let mut ready = scenario.prepare(&setting, &got.data)?;
        let top_up = ready.top_up.as_ref().map(real_traffic).transpose().map_err(anyhow::Error::msg)?;
        let beside = Beside {
            weights: ready.weights(self.traffic.share()),
            top_up: top_up.map(opened).transpose()?,
            primary: PrimaryLimits::of_scenario(&ready).map_err(anyhow::Error::msg)?,
        };
        if self.insecure {
            ready.plan.tls = Some(trusting_tls()?);
        }
        let (report, unseen) = drive(&scenario, &setting.run, ready, beside, got.digests).await?;
        self.write(&report)?;
        let mut failures = report.failures();
        failures.extend(unseen);
        for failure in &failures {
            anstream::eprintln!("failed: {failure}");
        }
        Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The journal, after what an earlier process left in it was removed.
    async fn journal(&self) -> anyhow::Result<Journal> {
        let path = self.journal.clone().unwrap_or_else(|| files::beside(&self.file, "journal"));
        let journal = Journal::open(&path).with_context(|| format!("the journal {}", path.display()))?;
        if journal.pending().is_empty() {
            return Ok(journal);
        }
        anstream::eprintln!("an earlier run has left something behind; removing it first");
        let tls = if self.insecure { Some(trusting_tls()?) } else { None };
        let Cleanup { removed, leftovers } = recover(&journal, |_, _| Some(Arc::new(AnyAddress)), tls).await;
        anstream::eprintln!("{removed} writes of earlier runs removed, {} left", leftovers.len());
        for left in leftovers {
            let values = serde_json::to_string(&left.values).unwrap_or_default();
            anstream::eprintln!("left over of {}: {} {values}: {}", left.run, left.flow, left.why);
        }
        Ok(journal)
    }

    fn pins(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let Some(path) = &self.pin else { return Ok(BTreeMap::new()) };
        let report: serde_json::Value =
            serde_json::from_str(&read(path)?).with_context(|| format!("{} is no report", path.display()))?;
        let sources = report.get("sources").with_context(|| format!("{} is no report", path.display()))?;
        Ok(serde_json::from_value(sources.clone())?)
    }

    fn write(&self, report: &RunReport) -> anyhow::Result<()> {
        let text = match self.report {
            Form::Text => report.text(),
            Form::Json => report.json() + "\n",
            Form::Junit => report.junit(),
            Form::Html => report.html(),
        };
        if let Some(path) = &self.output {
            return std::fs::write(path, text)
                .with_context(|| format!("{} cannot be written", path.display()));
        }
        anstream::print!("{text}");
        Ok(())
    }
}

/// Load, its clean-up and its live view, until all is done.
async fn drive(
    scenario: &Scenario,
    run_name: &str,
    ready: Ready,
    beside: Beside,
    sources: BTreeMap<String, String>,
) -> anyhow::Result<(RunReport, Option<String>)> {
    let began = Timestamp::now();
    let (ended, end) = oneshot::channel::<()>();
    let cleaner = ready.cleaner()?;
    let cleaning = tokio::spawn(cleaner.run(async {
        let _ = end.await;
    }));
    let (mut seconds, mut live) = (Seconds::default(), Live::new(scenario.name()));
    let over = by_hand::run(scenario.name(), ready.plan.clone(), beside, |snapshot, handle| {
        live.show(seconds.add(snapshot), snapshot.waiting);
        if ready.is_exhausted() {
            handle.stop(GRACE);
        }
    });
    let Over { report: load, aborted, unseen } = over.await?;
    live.end();
    // Visits that were cut have handed over what they wrote before the report was there.
    let _ = ended.send(());
    let cleanup = tokio::select! {
        cleanup = cleaning => cleanup.context("the clean-up has failed")?,
        _ = tokio::signal::ctrl_c() => bail!("ended before everything that was written was removed; the journal has the rest"),
    };
    let mut report = RunReport::new(
        (scenario.name(), run_name, &began.to_string()),
        load,
        &ready.rules,
        ready.complaints(),
        cleanup,
        sources,
        seconds,
    );
    report.aborted = aborted;
    Ok((report, unseen))
}
