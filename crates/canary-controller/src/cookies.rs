//! The session cookies that go with a split of traffic. Derived, not drawn: a crash or a conflict cannot make a second one.
//! Not for how a mesh sets or matches them.

use canary_core::{Affinity, Commit, Decision, Effect, Weight};
use sha2::{Digest, Sha256};

/// Letters of a cookie's value.
const LENGTH: usize = 10;

/// Brings the cookies in line with the weights that a decision sets: in `affinity` for the router, and in the status that is
/// committed.
///
/// While the canary has traffic it has a cookie, which depends on the Canary, the revision and the cookie's name; the
/// primary's does not depend on the revision, because it does not rotate. Without traffic the canary's cookie is the previous
/// one, to be expired.
pub(crate) fn follow(affinity: &mut Affinity, decision: &mut Decision, uid: &str) {
    let routed = decision
        .effects
        .iter()
        .rev()
        .find_map(|effect| if let Effect::Route(weights) = effect { Some(*weights) } else { None });
    let (Some(weights), Commit::Status(status)) = (routed, &mut decision.commit) else { return };
    if weights.canary > Weight::ZERO {
        let name = &affinity.cookie_name;
        let revision = status.last_applied.as_str();
        affinity.cookie.get_or_insert_with(|| format!("{name}={}", value(&[uid, revision, name])));
        if let Some(name) = &affinity.primary_cookie_name {
            affinity.primary_cookie.get_or_insert_with(|| format!("{name}={}", value(&[uid, name])));
        }
    } else if let Some(cookie) = affinity.cookie.take() {
        affinity.previous_cookie = Some(cookie);
    }
    status.cookie.clone_from(&affinity.cookie);
    status.primary_cookie.clone_from(&affinity.primary_cookie);
    status.previous_cookie.clone_from(&affinity.previous_cookie);
}

/// Ten letters, always the same for the same parts.
fn value(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let letter = |byte: &u8| {
        let n = byte % 52;
        char::from(if n < 26 { b'a' + n } else { b'A' + n - 26 })
    };
    hasher.finalize().iter().take(LENGTH).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use canary_core::{Status, Weights};

    use super::*;

    fn decide(weights: Weights, revision: &str) -> Decision {
        let mut status = Status::default();
        status.last_applied = revision.into();
        Decision {
            effects: vec![Effect::Route(weights)],
            commit: Commit::Status(Box::new(status)),
            ..Decision::default()
        }
    }

    fn affinity() -> Affinity {
        Affinity { cookie_name: "fc".into(), primary_cookie_name: Some("fp".into()), ..Affinity::default() }
    }

    fn committed(decision: &Decision) -> &Status {
        let Commit::Status(status) = &decision.commit else { panic!("nothing is committed") };
        status
    }

    #[test]
    fn the_same_revision_always_gets_the_same_cookie() {
        let (mut first, mut again) = (affinity(), affinity());
        let weights = Weights::canary(Weight::new(10).unwrap());
        let mut decision = decide(weights, "v1-b");
        follow(&mut first, &mut decision, "uid");
        follow(&mut again, &mut decide(weights, "v1-b"), "uid");
        assert_eq!(first.cookie, again.cookie);
        assert_eq!(committed(&decision).cookie, first.cookie);
        let cookie = first.cookie.clone().unwrap();
        let (name, value) = cookie.split_once('=').unwrap();
        assert!(
            name == "fc" && value.len() == 10 && value.bytes().all(|b| b.is_ascii_alphabetic()),
            "{cookie}"
        );

        let mut other = affinity();
        follow(&mut other, &mut decide(weights, "v1-c"), "uid");
        assert_ne!(first.cookie, other.cookie);
        assert_eq!(first.primary_cookie, other.primary_cookie, "the primary's does not rotate");
    }

    #[test]
    fn without_traffic_the_cookie_is_the_previous_one() {
        let mut affinity = affinity();
        affinity.cookie = Some("fc=abc".into());
        let mut decision = decide(Weights::PRIMARY, "v1-b");
        follow(&mut affinity, &mut decision, "uid");
        let status = committed(&decision);
        assert_eq!((status.cookie.as_deref(), status.previous_cookie.as_deref()), (None, Some("fc=abc")));
    }
}
