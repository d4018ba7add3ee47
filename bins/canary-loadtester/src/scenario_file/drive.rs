//! One run of a scenario file: its load, its clean-up, and what is shown of both.

use std::collections::BTreeMap;

use anyhow::Context;
use canary_scenario::{Ready, RunReport, Scenario, Seconds};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::by_hand::{self, GRACE, Over, Work};
use crate::ending::Endings;
use crate::live::Live;

/// What a run came to.
pub(super) struct Driven {
    pub(super) report: RunReport,
    /// That the real traffic was not seen which it filled up.
    pub(super) unseen: Option<String>,
}

/// Load, its clean-up and its live view, until all is done. `None`: a second signal has ended the clean-up.
pub(super) async fn drive(
    scenario: &Scenario,
    run_name: &str,
    ready: Ready,
    work: Work,
    sources: BTreeMap<String, String>,
) -> anyhow::Result<Option<Driven>> {
    let began = Timestamp::now();
    let (ended, end) = oneshot::channel::<()>();
    let cleaner = ready.cleaner()?;
    let cleaning = tokio::spawn(cleaner.run(async {
        let _ = end.await;
    }));
    let (mut seconds, mut live) = (Seconds::default(), Live::new(scenario.name()));
    let over = by_hand::run(scenario.name(), work, |snapshot, handle| {
        live.show(seconds.add(snapshot), snapshot.waiting);
        if ready.is_exhausted() {
            handle.stop(GRACE);
        }
    });
    let Over { report: load, aborted, unseen } = over.await?;
    live.end();
    let mut endings = Endings::new().context("signals cannot be awaited")?;
    // Visits that were cut have handed over what they wrote before the report was there.
    let _ = ended.send(());
    let until_done = live.until_clean(cleaning, || ready.not_removed(), Some(ready.cleanup_time()));
    let cleanup = tokio::select! {
        cleanup = until_done => cleanup.context("the clean-up has failed")?,
        Some(()) = endings.next() => return Ok(None),
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
    Ok(Some(Driven { report, unseen }))
}
