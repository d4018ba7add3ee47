//! `traffic` of a Knative Service: the share of the latest revision, and that of the one which it is compared with.
//!
//! The two are told apart by their form, not by the revision's name: between a promotion and the next step, traffic is
//! still held on the revision that was the primary.

use canary_core::{Weight, Weights};

use super::view::Share;

impl Share {
    fn is_latest(&self) -> bool {
        self.latest_revision == Some(true)
    }

    /// An entry that is only an address has a tag and no percentage.
    fn has_traffic(&self) -> bool {
        self.percent.is_some() || self.tag.is_none()
    }
}

/// The revision that traffic is held on, beside the latest one.
pub(super) fn held(traffic: &[Share]) -> Option<&str> {
    let names = traffic.iter().filter(|s| !s.is_latest() && s.has_traffic());
    names.filter_map(|s| s.revision_name.as_deref()).find(|name| !name.is_empty())
}

/// The split, as percentages; `None` when it is not one between the latest revision and another.
pub(super) fn read(traffic: &[Share]) -> Option<Weights> {
    held(traffic)?;
    let shares = || traffic.iter().filter(|s| s.has_traffic());
    if !shares().any(Share::is_latest) {
        return None;
    }
    let sum = |latest: bool| -> i64 {
        shares().filter(|s| s.is_latest() == latest).map(|s| s.percent.unwrap_or(0).clamp(0, 100)).sum()
    };
    let (canary, total) = (sum(true), sum(true) + sum(false));
    (total > 0).then(|| Weights::canary(Weight::clamped((canary * 100 + total / 2) / total)))
}

/// The split that is wanted, in Flagger's order, before the addresses that are there.
pub(super) fn split(present: Option<Vec<Share>>, primary: &str, weights: Weights) -> Vec<Share> {
    let latest =
        Share { latest_revision: Some(true), percent: Some(weights.canary.into()), ..Share::default() };
    let held = Share {
        revision_name: Some(primary.to_owned()),
        percent: Some(weights.primary.into()),
        ..Share::default()
    };
    [latest, held].into_iter().chain(addresses(present)).collect()
}

/// Everything to the latest revision, as Knative does by itself.
pub(super) fn unsplit(present: Option<Vec<Share>>) -> Vec<Share> {
    let latest = Share { latest_revision: Some(true), percent: Some(100), ..Share::default() };
    std::iter::once(latest).chain(addresses(present)).collect()
}

/// The tagged entries, which lose their share of the traffic and keep their address.
fn addresses(present: Option<Vec<Share>>) -> impl Iterator<Item = Share> {
    let tagged = |share: &Share| share.tag.as_deref().is_some_and(|tag| !tag.is_empty());
    let without_share = |share: Share| Share { percent: share.percent.filter(|p| *p == 0), ..share };
    present.into_iter().flatten().filter(tagged).map(without_share)
}
