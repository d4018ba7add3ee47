//! What stands in the Lease, as client-go writes and reads it.
//!
//! Pure functions of records and times; requests are the election's.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::time::Instant;

/// A record, and since when we have seen it unchanged.
#[derive(Debug)]
pub(super) struct Observation {
    spec: LeaseSpec,
    since: Instant,
}

impl Observation {
    /// Takes note of `spec`; time starts anew only if it differs from what was seen before.
    pub(super) fn update(before: &mut Option<Self>, spec: LeaseSpec, now: Instant) -> &Self {
        if before.as_ref().is_some_and(|seen| seen.spec != spec) {
            *before = None;
        }
        before.get_or_insert_with(|| Self { spec, since: now })
    }

    /// Whether somebody else holds the lease. `default` is its length where the record does not say.
    pub(super) fn keeps_out(&self, identity: &str, default: Duration, now: Instant) -> bool {
        let holder = self.holder();
        if holder.is_empty() || holder == identity {
            return false;
        }
        let seconds = self.spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok());
        let length = seconds.map_or(default, Duration::from_secs);
        now.saturating_duration_since(self.since) < length
    }

    pub(super) fn holder(&self) -> &str {
        self.spec.holder_identity.as_deref().unwrap_or_default()
    }
}

/// The record after `identity` took or renewed the lease.
pub(super) fn claimed(before: &LeaseSpec, identity: &str, length: Duration, now: Timestamp) -> LeaseSpec {
    let ours = before.holder_identity.as_deref() == Some(identity);
    let transitions = before.lease_transitions.unwrap_or(0);
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(i32::try_from(length.as_secs()).unwrap_or(i32::MAX)),
        acquire_time: before.acquire_time.clone().filter(|_| ours).or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        // Like client-go: the first holder ever is no transition.
        lease_transitions: Some(match before.holder_identity {
            Some(_) if !ours => transitions.saturating_add(1),
            _ => transitions,
        }),
        ..before.clone()
    }
}

/// The record after its holder gave the lease back.
pub(super) fn released(before: Option<&LeaseSpec>, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        // As client-go writes it: no candidate, however careful, waits longer than that.
        lease_duration_seconds: Some(1),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        ..before.cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(60);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn renewing_keeps_the_time_of_acquisition_and_taking_over_counts_a_transition() {
        let first = claimed(&LeaseSpec::default(), "a", LENGTH, at(10));
        assert_eq!(first.lease_transitions, Some(0));
        assert_eq!(first.lease_duration_seconds, Some(60));

        let renewed = claimed(&first, "a", LENGTH, at(15));
        assert_eq!(renewed.acquire_time, Some(MicroTime(at(10))));
        assert_eq!(renewed.renew_time, Some(MicroTime(at(15))));
        assert_eq!(renewed.lease_transitions, Some(0));

        let taken = claimed(&released(Some(&renewed), at(20)), "b", LENGTH, at(21));
        assert_eq!(taken.holder_identity.as_deref(), Some("b"));
        assert_eq!(taken.acquire_time, Some(MicroTime(at(21))));
        assert_eq!(taken.lease_transitions, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_keeps_others_out_for_its_own_lease_length_since_its_record_changed() {
        let mut seen = None;
        let start = Instant::now();
        // Its clock is years behind ours, which must not matter.
        let record = claimed(&LeaseSpec::default(), "a", Duration::from_secs(10), at(0));
        let first = Observation::update(&mut seen, record.clone(), start);
        assert!(first.keeps_out("b", LENGTH, start + Duration::from_secs(9)));
        assert!(!first.keeps_out("b", LENGTH, start + Duration::from_secs(10)));
        assert!(!first.keeps_out("a", LENGTH, start), "its own record keeps nobody out");

        let later = start + Duration::from_secs(9);
        let same = Observation::update(&mut seen, record.clone(), later);
        assert!(
            !same.keeps_out("b", LENGTH, start + Duration::from_secs(10)),
            "seeing it again is no renewal"
        );
        let renewed = claimed(&record, "a", Duration::from_secs(10), at(1));
        let changed = Observation::update(&mut seen, renewed, later);
        assert!(changed.keeps_out("b", LENGTH, start + Duration::from_secs(18)));
    }
}
