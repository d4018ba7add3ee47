//! Load that goes to the primary as well ends when the primary degrades: then the load itself is the suspect.

use std::collections::VecDeque;
use std::sync::Arc;

use canary_load::{Plan, Snapshot};
use canary_scenario::Ready;

use crate::judge::{Rule, rules};
use crate::payload::Payload;
use crate::query::Sum;
use crate::runs::Record;

/// The arm that is watched.
const ARM: &str = "primary";
/// The metadata that has the limits.
const KEY: &str = "primary-limits";
/// Seconds that are looked back at the most, until there are requests enough for a rule.
const MOST_SECONDS: usize = 30;

/// What the primary has to keep to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PrimaryLimits(Vec<Rule>);

impl PrimaryLimits {
    /// Those of the metadata, if they have any.
    ///
    /// # Errors
    /// What is malformed, or that the load does not go straight to the primary.
    pub(crate) fn of(payload: &Payload, plan: &Plan) -> Result<Option<Self>, String> {
        payload.get(KEY).map(|text| Self::read(text, plan)).transpose()
    }

    /// Reads them.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(crate) fn read(text: &str, plan: &Plan) -> Result<Self, String> {
        let rules = rules(text).map_err(|why| format!("{KEY}: {why}"))?;
        if let Some(rule) = rules.iter().find(|rule| rule.requests_needed().is_none()) {
            return Err(format!("{KEY}: {:?} is about neither errors nor a quantile", rule.text()));
        }
        if plan.flows.iter().all(|flow| flow.arm.as_deref() != Some(ARM)) {
            return Err(format!("{KEY} needs load that goes straight to the primary: of: each"));
        }
        Ok(Self(rules))
    }

    /// Those of a scenario, if it has any.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(crate) fn of_scenario(ready: &Ready) -> Result<Option<Self>, String> {
        let limits = &ready.primary_limits;
        (!limits.is_empty()).then(|| Self::read(&limits.join(";"), &ready.plan)).transpose()
    }

    /// Watches a run, and aborts it when its primary degrades.
    pub(crate) async fn watch(&self, record: &Record) {
        let (mut snapshots, mut seconds) = (record.handle().snapshots(), VecDeque::new());
        while let Some(snapshot) = snapshots.next().await {
            seconds.push_front(snapshot);
            seconds.truncate(MOST_SECONDS);
            if let Some(broken) = self.broken(&seconds) {
                record.abort(format!("the primary degraded: {broken}"));
                return;
            }
        }
    }

    /// The rule that the newest seconds break, the newest first. Each rule looks back just as far as it needs to.
    fn broken(&self, seconds: &VecDeque<Arc<Snapshot>>) -> Option<String> {
        self.0.iter().find_map(|rule| {
            let (needed, mut sum) = (rule.requests_needed()?, Sum::default());
            for (past, second) in (1..).zip(seconds) {
                sum.add_second(second, Some(ARM));
                let counts = sum.counts();
                if counts.done + counts.not_sent.timeout < needed {
                    continue;
                }
                // That the load tester was late is in the latencies, but no fault of the primary.
                let is_trusted = rule.is_about_errors() || !sum.is_limited();
                let broken = rule.broken(&sum).filter(|_| is_trusted);
                return broken.map(|broken| format!("{broken} in the last {past} s"));
            }
            None
        })
    }
}

#[cfg(test)]
mod tests;
