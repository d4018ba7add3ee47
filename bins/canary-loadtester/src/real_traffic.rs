//! Real traffic as others have counted it, and load that is filled up to a target with it.

mod guard;
mod page;
mod pods;
mod prometheus;
mod source;

use std::time::Duration;

use canary_load::{TopUp, TopUpSettings, TopUpState};
use jiff::Timestamp;
pub(crate) use source::{Opened, Source};

use crate::query::as_number;
use crate::runs::Record;

/// Between two looks at the counters at the most.
const LOOK: Duration = Duration::from_secs(5);
/// Time 0 of the law lies so long before the start, since there are samples from before it.
const BEFORE: f64 = 600.0;

/// Changes the rate of a run so that real and own requests together reach the target, until the run ends.
pub(crate) async fn fill_up(settings: TopUpSettings, source: &Opened, record: &Record) {
    let zero = record.began.as_duration().as_secs_f64() - BEFORE;
    let mut top_up = TopUp::new(settings);
    record.set_wanted(settings.target);
    let mut snapshots = record.handle().snapshots();
    let mut targets = record.targets();
    let mut clock = tokio::time::interval(LOOK.min(source.source.scrape));
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut total, mut last_state) = (0, None);
    // Samples from a time for which it is not known yet what was sent.
    let mut waiting: Vec<(String, f64, f64)> = Vec::new();
    top_up.sent(Duration::from_secs_f64(BEFORE), 0.0);
    loop {
        tokio::select! {
            snapshot = snapshots.next() => {
                let Some(snapshot) = snapshot else { return };
                total += snapshot.counts().sent;
                let known = Duration::from_secs_f64(BEFORE) + Duration::from_secs(snapshot.second + 1);
                top_up.sent(known, as_number(total));
                waiting.retain(|(pod, at, counter)| {
                    let at = Duration::try_from_secs_f64(*at).unwrap_or_default();
                    if at <= known {
                        top_up.sample(pod, at, *counter);
                    }
                    at > known
                });
                let now = Timestamp::now().as_duration().as_secs_f64() - zero;
                let step = top_up.step(Duration::try_from_secs_f64(now).unwrap_or_default());
                record.handle().set_rate(step.rate);
                record.set_top_up(step);
                if last_state.replace(step.state) != Some(step.state) {
                    tell(step.state, &source.source.query);
                }
            }
            _ = clock.tick() => match source.ask().await {
                Ok(pods) => {
                    let samples = pods.into_iter().flat_map(|(pod, samples)| {
                        samples.into_iter().map(move |(at, counter)| (pod.clone(), at - zero, counter))
                    });
                    waiting.extend(samples.filter(|(_, at, _)| *at >= 0.0));
                }
                Err(why) => tracing::warn!(why, "real traffic is not seen"),
            },
            Ok(()) = targets.changed() => {
                let target = *targets.borrow_and_update();
                if let Some(target) = target {
                    top_up.set_target(target);
                    record.set_wanted(target);
                }
            }
        }
    }
}

fn tell(state: TopUpState, query: &str) {
    match state {
        TopUpState::Mismatch => tracing::error!(
            query,
            "own requests do not arrive where real ones are counted: the query or the address is wrong; load has ended"
        ),
        TopUpState::Blind => tracing::error!(query, "no counter was seen for a minute: load is taken back"),
        TopUpState::Starting | TopUpState::Checking | TopUpState::Seeing | TopUpState::Holding | _ => {
            tracing::info!(query, ?state, "filling up real traffic");
        }
    }
}

#[cfg(test)]
mod tests;
