//! What was found out about missing values, once for each metric of a rollout: it costs requests, and people read it once.

use std::collections::BTreeMap;

use canary_core::Trouble;

use crate::finding::Finding;

/// The reasons by metric, of one rollout. `None` is a reason that nobody knows.
#[derive(Default)]
pub(crate) struct Explained {
    rollout: String,
    reasons: BTreeMap<String, Option<String>>,
}

impl Explained {
    /// Asks for more about a check that failed in that rollout.
    pub(crate) async fn look_into(&mut self, rollout: &str, finding: Finding) -> Finding {
        if self.rollout != rollout {
            *self = Self { rollout: rollout.to_owned(), ..Self::default() };
        }
        let known = self.reasons.get(&finding.metric).cloned();
        let mut finding = finding.looked_into(known.is_none()).await;
        match known {
            _ if finding.trouble != Trouble::NoData => {}
            Some(reason) => finding.reason = reason,
            None => {
                finding.is_news = true;
                self.reasons.insert(finding.metric.clone(), finding.reason.clone());
            }
        }
        finding
    }
}
