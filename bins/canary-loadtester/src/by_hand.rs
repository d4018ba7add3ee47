//! Load that the command line runs: whose Service it goes to, how it fills up real traffic, and when it ends early.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use canary_load::{Plan, Report, RunHandle, Snapshot, TopUpSettings};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::beside::{self, Beside};
use crate::ending::Endings;
use crate::real_traffic::{Opened, Source};
use crate::runs::{Beginning, Label, Record, Runs};
use crate::targets::Targets;

/// How long requests under way may take when a run is stopped.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Arms, and real traffic that is filled up.
#[derive(Debug, Args)]
#[command(next_help_heading = "Arms and real traffic")]
pub(crate) struct Traffic {
    /// Whose Service is asked: that of the address, the one with -canary behind its name, or that and the one with -primary
    #[arg(long, value_enum)]
    of: Option<Of>,
    /// With --of each: the canary's part of the load
    #[arg(long, value_name = "PERCENT", default_value = "50%", value_parser = percent)]
    canary_share: f64,
    /// Rules such as "errors < 5%; p99 < 500ms": the load is aborted when the primary does not keep to them
    #[arg(long, value_name = "RULES")]
    primary_limits: Option<String>,
    /// Fill up real traffic, which this Prometheus server counts: both together are what the rate or the target says
    #[arg(long, value_name = "ADDRESS", requires = "query", conflicts_with = "pods")]
    prometheus: Option<String>,
    /// Fill up real traffic, which is counted on these pages of the pods; addresses separated by commas
    #[arg(long, value_name = "ADDRESSES", requires = "query")]
    pods: Option<String>,
    /// Selector of the counters of real requests, without rate
    #[arg(long, value_name = "SELECTOR")]
    query: Option<String>,
    /// How often Prometheus scrapes, 15s when left out; how often pages are read, 5s when left out
    #[arg(long, value_name = "DURATION")]
    scrape: Option<String>,
    /// How fast own requests may become more, in percent of the target per second; 3% when left out
    #[arg(long, value_name = "PERCENT")]
    rise: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Of {
    Service,
    Canary,
    Each,
}

/// A share from 0 to 1.
fn percent(text: &str) -> Result<f64, String> {
    let share = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let share = share.filter(|share| (0.0..=100.0).contains(share)).map(|share| share / 100.0);
    share.ok_or_else(|| "it takes percent, such as 10%".to_owned())
}

impl Traffic {
    fn of(&self) -> Option<&'static str> {
        self.of.map(|of| match of {
            Of::Service => "service",
            Of::Canary => "canary",
            Of::Each => "each",
        })
    }

    fn is_filled_up(&self) -> bool {
        self.prometheus.is_some() || self.pods.is_some()
    }

    /// Where real requests are counted.
    fn real(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let Self { of: _, canary_share: _, primary_limits: _, prometheus, pods, query, scrape, rise } = self;
        let all = [
            ("prometheus", prometheus),
            ("pods", pods),
            ("query", query),
            ("scrape", scrape),
            ("rise", rise),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)))
    }

    /// As the metadata of a hook say it; empty: nothing of it is wanted.
    pub(crate) fn metadata(&self) -> BTreeMap<String, String> {
        let mut metadata: BTreeMap<String, String> = BTreeMap::new();
        metadata.extend(self.of().map(|of| ("of".to_owned(), of.to_owned())));
        metadata.extend(self.primary_limits.clone().map(|limits| ("primary-limits".to_owned(), limits)));
        if self.is_filled_up() {
            metadata.insert("mode".to_owned(), "top-up".to_owned());
        }
        metadata.extend(self.real().map(|(name, value)| (name.to_owned(), value.clone())));
        metadata
    }

    /// As an overlay of a scenario.
    pub(crate) fn overlay(&self) -> Option<String> {
        let mut load = Map::new();
        load.extend(self.of().map(|of| ("of".to_owned(), of.into())));
        if let Some(limits) = &self.primary_limits {
            let limits = limits.split(';').map(str::trim).filter(|rule| !rule.is_empty());
            load.insert("primary-limits".to_owned(), limits.collect());
        }
        let real: Map<String, Value> =
            self.real().map(|(name, value)| (name.to_owned(), value.as_str().into())).collect();
        if self.is_filled_up() {
            load.insert("mode".to_owned(), "top-up".into());
            let mut whole = Map::from_iter([("$patch".to_owned(), "replace".into())]);
            whole.extend(real);
            load.insert("real".to_owned(), whole.into());
        } else if !real.is_empty() {
            load.insert("real".to_owned(), real.into());
        }
        (!load.is_empty()).then(|| json!({ "load": load }).to_string())
    }

    /// The canary's part of the load, from 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        self.canary_share
    }
}

/// Load as it is to run.
pub(crate) struct Work {
    pub(crate) plan: Plan,
    /// Weights of the flows, where they are not those of the plan.
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) beside: Beside,
}

/// A run that is over.
pub(crate) struct Over {
    pub(crate) report: Arc<Report>,
    /// Why it was ended because of what it did.
    pub(crate) aborted: Option<String>,
    /// That the real traffic was not seen which it filled up.
    pub(crate) unseen: Option<String>,
}

/// Ready to be asked by whoever sits at this machine.
///
/// # Errors
/// It cannot be asked.
pub(crate) fn opened(top_up: (TopUpSettings, Source)) -> anyhow::Result<(TopUpSettings, Opened)> {
    beside::opened(top_up, Arc::new(Targets::any()), None, "").map_err(anyhow::Error::msg)
}

/// Runs load to its end, or until a signal ends it; `each` sees each second.
///
/// # Errors
/// It cannot be started, or a thread of it has failed.
pub(crate) async fn run(
    name: &str,
    work: Work,
    mut each: impl FnMut(&Snapshot, &RunHandle),
) -> anyhow::Result<Over> {
    let Work { plan, weights, beside } = work;
    let fills_up = beside.top_up.is_some();
    let mut endings = Endings::new().context("signals cannot be awaited")?;
    let label = Label { name: name.to_owned(), ..Label::default() };
    let (id, identity) = (name.to_owned(), name.to_owned());
    let stop = CancellationToken::new();
    let attended = Runs::default().begin(plan, Beginning { id, identity, label, first: None, stop })?;
    let record = attended.record.clone();
    if let Some(weights) = weights {
        record.handle().set_weights(&weights);
    }
    let mut snapshots = record.handle().snapshots();
    let watching = async {
        while let Some(snapshot) = snapshots.next().await {
            each(&snapshot, record.handle());
        }
    };
    let working = attended.attend(move |record: Arc<Record>| async move { beside.attend(&record).await });
    let interrupting = async {
        while endings.next().await.is_some() {
            record.handle().stop(GRACE);
        }
        std::future::pending::<()>().await;
    };
    let report = tokio::select! {
        (report, ()) = async { tokio::join!(working, watching) } => report,
        () = interrupting => None,
    };
    let aborted = record.aborted().map(str::to_owned);
    // Without a single step it has not even begun to look.
    let state = record
        .top_up()
        .map_or_else(|| "starting".to_owned(), |step| format!("{:?}", step.state).to_lowercase());
    let is_unseen = fills_up && aborted.is_none() && (record.top_up().is_none() || record.is_no_evidence());
    let unseen = is_unseen.then(|| format!("the real traffic that it fills up was not seen: {state}"));
    Ok(Over { report: report.context("a thread of the load has failed")?, aborted, unseen })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        traffic: Traffic,
    }

    fn traffic(arguments: &str) -> Result<Traffic, String> {
        let all = std::iter::once("run").chain(arguments.split_whitespace());
        Line::try_parse_from(all).map(|line| line.traffic).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_are_metadata_of_a_hook_and_an_overlay_of_a_scenario() {
        assert_eq!(traffic("").unwrap().overlay(), None);
        assert!(traffic("").unwrap().metadata().is_empty());
        let each = traffic("--of each --canary-share 10% --primary-limits errors<5%").unwrap();
        assert!((each.share() - 0.1).abs() < 1e-9);
        assert_eq!(each.overlay().unwrap(), r#"{"load":{"of":"each","primary-limits":["errors<5%"]}}"#);
        let filled = traffic("--prometheus http://p --query c --scrape 5s").unwrap();
        assert_eq!(filled.metadata()["mode"], "top-up");
        let overlay: Value = serde_json::from_str(&filled.overlay().unwrap()).unwrap();
        let real = json!({"$patch": "replace", "prometheus": "http://p", "query": "c", "scrape": "5s"});
        assert_eq!(overlay, json!({"load": {"mode": "top-up", "real": real}}));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (arguments, why) in [
            ("--prometheus http://p", "--query"),
            ("--prometheus http://p --pods http://a/ --query c", "--pods"),
            ("--canary-share 110%", "it takes percent"),
            ("--of both", "service, canary, each"),
        ] {
            let error = traffic(arguments).map(|_| ()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
