//! A scenario under way: its clean-up beside the load, and what it came to.

use std::collections::BTreeMap;
use std::sync::Arc;

use canary_load::{Plan, Report, TlsError};
use canary_scenario::{Cleanup, Ready, RunReport, Seconds};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::journal::Writing;
use crate::runs::Record;

/// A scenario under way.
pub(crate) struct Running {
    name: String,
    run: String,
    ready: Arc<Ready>,
    /// SHA-256 of the scenario and its overlays, and of its sources by name.
    digests: (Vec<String>, BTreeMap<String, String>),
    cleaning: Option<Cleaning>,
}

/// Removes what the run writes. Without it the run's entry in the journal would be given back.
struct Cleaning {
    over: oneshot::Sender<()>,
    work: JoinHandle<Cleanup>,
    writing: Writing,
}

/// How a scenario ended, for a line about it.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// Goes behind the line.
    pub(crate) note: String,
    pub(crate) is_good: bool,
}

impl Running {
    /// Its clean-up begins; the load is the caller's to start.
    ///
    /// # Errors
    /// There is no TLS.
    pub(super) fn begin(
        name: &str,
        run: &str,
        ready: Ready,
        digests: (Vec<String>, BTreeMap<String, String>),
        writing: Option<Writing>,
    ) -> Result<Self, TlsError> {
        let cleaning = match writing {
            None => None,
            Some(writing) => {
                let cleaner = ready.cleaner()?;
                let (over, ended) = oneshot::channel();
                // A sender that is dropped ends it, too.
                let work = tokio::spawn(cleaner.run(async move {
                    let _ = ended.await;
                }));
                Some(Cleaning { over, work, writing })
            }
        };
        Ok(Self { name: name.to_owned(), run: run.to_owned(), ready: Arc::new(ready), digests, cleaning })
    }

    /// For the engine.
    pub(super) fn plan(&self) -> &Plan {
        &self.ready.plan
    }

    /// Tells when a queue of rows is empty.
    pub(super) fn exhausted(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let ready = self.ready.clone();
        move || ready.is_exhausted()
    }

    /// The weights of its flows when the canary has a share of the traffic; none for load that does not go to both arms.
    pub(super) fn weights(&self) -> Option<impl Fn(f64) -> Vec<f64> + Send + Sync + use<>> {
        let ready = self.ready.clone();
        self.ready.weights(0.0).map(|_| move |share| ready.weights(share).unwrap_or_default())
    }

    /// What the API shows of it while it runs.
    pub(crate) fn show(&self) -> Value {
        let (files, sources) = &self.digests;
        let mut shown = json!({"name": self.name, "sha256": files.first(), "sources": sources});
        if let Some(overlays) = files.get(1..).filter(|overlays| !overlays.is_empty()) {
            shown["overlays"] = json!(overlays);
        }
        shown
    }

    /// After the load has ended: waits until what it wrote is removed, and judges.
    pub(crate) async fn finish(self, record: &Record, load: Option<Arc<Report>>) -> Ending {
        let mut shown = self.show();
        let Self { name, run, ready, digests, cleaning } = self;
        let cleanup = match cleaning {
            None => Cleanup::default(),
            Some(Cleaning { over, work, writing }) => {
                let _ = over.send(());
                let cleanup = work.await.unwrap_or_default();
                writing.end(&record.label, &cleanup);
                cleanup
            }
        };
        let Some(load) = load else { return Ending::default() };
        let mut seconds = Seconds::default();
        for second in record.seconds() {
            seconds.add(&second);
        }
        let began = record.began.to_string();
        let mut report = RunReport::new(
            (&name, &run, &began),
            load,
            &ready.rules,
            ready.complaints(),
            cleanup,
            digests.1,
            seconds,
        );
        report.aborted = record.aborted().map(str::to_owned);
        shown["rules"] = json!(report.rules);
        shown["complaints"] = json!(report.complaints);
        shown["cleanup"] = json!(report.cleanup);
        let ending = Ending { note: note(&report), is_good: report.failures().is_empty() };
        record.set_scenario(shown, Some(Arc::new(report)));
        ending
    }
}

/// The rules that were broken, and what was written.
fn note(report: &RunReport) -> String {
    let mut note = String::new();
    for rule in report.rules.iter().filter(|rule| !rule.held) {
        note = format!("{note}; broken: {} ({})", rule.rule, rule.told());
    }
    let Cleanup { removed, leftovers } = &report.cleanup;
    if *removed > 0 || !leftovers.is_empty() {
        note = format!("{note}; {removed} writes taken back");
    }
    if !leftovers.is_empty() {
        note = format!("{note}, {} left over, which /v1/runs lists", leftovers.len());
    }
    note
}
