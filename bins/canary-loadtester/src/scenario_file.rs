//! Scenario files on the command line: `check FILE`, `run FILE`, `leftovers FILE` and `schema`.

mod drive;
mod files;
mod left;
mod output;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use canary_load::{Target, trusting_tls};
use canary_scenario::{CanaryNames, RunReport, Scenario, Setting, length, rate};
use clap::{Parser, ValueEnum};

use self::drive::{Driven, drive};
pub(crate) use self::files::is_reference;
use self::files::{Overlays, read};
pub(crate) use self::left::Leftovers;
use self::output::Output;
use crate::beside::Beside;
use crate::by_hand::{Traffic, Work, opened};
use crate::primary::PrimaryLimits;
use crate::scenarios::real_traffic;

const FILE: &str =
    "A scenario file; also git:https://HOST/REPOSITORY//PATH?ref=REF and oci://REGISTRY/REPOSITORY:TAG#FILE";

/// Say what is wrong with scenario files, and where.
#[derive(Debug, Parser)]
#[command(after_help = "\
Exit codes:
  0  nothing is wrong
  2  something is wrong, as with run")]
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
    /// Exit code 2: something is wrong.
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
                    code = ExitCode::from(2);
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
  0  every rule held, and nothing is left that this run or an earlier one wrote
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
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    base: Option<String>,
    /// The rate, instead of the file's, such as 20/s
    #[arg(long, value_name = "RATE", value_parser = pace)]
    target: Option<String>,
    /// How long, instead of what the file says
    #[arg(long, value_name = "DURATION", value_parser = time)]
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

fn address(text: &str) -> Result<String, String> {
    text.parse::<Target>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn pace(text: &str) -> Result<String, String> {
    match rate(text) {
        Ok(rate) if rate > 0.0 => Ok(text.to_owned()),
        Ok(_) => Err("it takes a rate above 0, such as 20/s".to_owned()),
        Err(why) => Err(why),
    }
}

fn time(text: &str) -> Result<String, String> {
    length(text).map(|_| text.to_owned())
}

impl RunFile {
    /// Runs it to its end.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut files = self.overlays.read(&self.file).await?;
        files.extend(self.traffic.overlay().map(|overlay| ("the command line".to_owned(), overlay)));
        let scenario = Scenario::layered(&files)?;
        let (journal, earlier) = if scenario.writes() {
            let (journal, earlier) =
                left::after_earlier_runs(&self.file, self.journal.as_ref(), self.insecure).await?;
            (Some(journal), earlier)
        } else {
            (None, Vec::new())
        };
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
            must_end: true,
            journal,
        };
        let mut ready = scenario.prepare(&setting, &got.data)?;
        let top_up = ready.top_up.as_ref().map(real_traffic).transpose().map_err(anyhow::Error::msg)?;
        let beside = Beside {
            top_up: top_up.map(opened).transpose()?,
            primary: PrimaryLimits::of_scenario(&ready).map_err(anyhow::Error::msg)?,
        };
        if self.insecure {
            ready.plan.tls = Some(trusting_tls()?);
        }
        let weights = ready.weights(self.traffic.share());
        let work = Work { plan: ready.plan.clone(), weights, beside };
        let output = self.output.as_deref().map(Output::open).transpose()?;
        let driven = drive(&scenario, &setting.run, ready, work, got.digests).await?;
        let Some(Driven { mut report, unseen }) = driven else {
            anstream::eprintln!(
                "failed: ended before everything that was written was removed; the journal has the rest, and the next run removes it"
            );
            return Ok(ExitCode::FAILURE);
        };
        report.cleanup.leftovers.splice(..0, earlier);
        self.write(&report, output)?;
        let mut failures = report.failures();
        failures.extend(unseen);
        for failure in &failures {
            anstream::eprintln!("failed: {failure}");
        }
        Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn pins(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let Some(path) = &self.pin else { return Ok(BTreeMap::new()) };
        let report: serde_json::Value =
            serde_json::from_str(&read(path)?).with_context(|| format!("{} is no report", path.display()))?;
        let sources = report.get("sources").with_context(|| format!("{} is no report", path.display()))?;
        Ok(serde_json::from_value(sources.clone())?)
    }

    fn write(&self, report: &RunReport, output: Option<Output<'_>>) -> anyhow::Result<()> {
        let text = match self.report {
            Form::Text => report.text(),
            Form::Json => report.json() + "\n",
            Form::Junit => report.junit(),
            Form::Html => report.html(),
        };
        match output {
            Some(output) => output.write(&text)?,
            None => anstream::print!("{text}"),
        }
        Ok(())
    }
}
