//! Whether the target is a new revision, by its template and its configuration.

use crate::observed::Target;
use crate::{Phase, Status};

/// What the target's present state means for a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing new.
    None,
    /// Nothing new, but the status does not say so yet: the failed revision was taken back, or the status was written by
    /// a controller that computes revisions in another way.
    Adopt,
    /// The promoted revision, in the middle of the rollout of another one.
    SetBack,
    /// A new revision, or new configuration.
    New,
}

/// Compares the target with what the status says was applied and promoted.
///
/// Rule of Flagger, in this order: nothing applied yet is new; the promoted template is not new; a template that differs
/// from the applied one is new. Configuration counts when the template does not.
pub(crate) fn change(status: &Status, target: &Target) -> Change {
    if status.last_applied.is_empty() {
        return Change::New;
    }
    let now = target.revision.as_str();
    let applied = Known::of(&status.last_applied, now);
    let promoted = Known::of(&status.last_promoted, now);
    let configs = configs_changed(status, target);

    if applied == Known::Foreign {
        return adopt(status, target);
    }
    let is_promoted = promoted == Known::Same || (promoted == Known::Foreign && target.matches_primary);
    // After a failed promotion the primary does not run the promoted template, so going back to it is a rollout; so it is
    // whenever a promotion came further than the status tells.
    if is_promoted && !configs && !primary_is_unsettled(status) {
        return match applied {
            Known::Same => Change::None,
            _ if target.matches_primary => Change::SetBack,
            Known::Other | Known::Foreign => Change::New,
        };
    }
    if applied == Known::Other || configs { Change::New } else { Change::None }
}

/// What a revision in the status is to the present one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Same,
    Other,
    /// Computed in another way, so that no comparison tells anything.
    Foreign,
}

impl Known {
    fn of(known: &str, now: &str) -> Self {
        let family = |text: &str| text.split_once('-').map(|(f, _)| f.to_owned());
        if known == now {
            Self::Same
        } else if !known.is_empty() && family(known) != family(now) {
            Self::Foreign
        } else {
            Self::Other
        }
    }
}

/// A status that another controller wrote is taken over without starting, repeating or losing a rollout.
fn adopt(status: &Status, target: &Target) -> Change {
    match status.phase {
        // Settled: only a template that the primary does not run is news.
        Phase::Initialized | Phase::Succeeded if !target.matches_primary => Change::New,
        // A gate was being asked about a change that the other controller had found.
        Phase::Waiting => Change::New,
        Phase::Initialized
        | Phase::Succeeded
        | Phase::Failed
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Promoting
        | Phase::Finalising
        | Phase::Unset
        | Phase::Initializing
        | Phase::Terminating
        | Phase::Terminated => Change::Adopt,
    }
}

/// Traffic stayed on the canary since the primary could not serve; a gate may be asked about the next revision since.
pub(crate) fn primary_is_unsettled(status: &Status) -> bool {
    matches!(status.phase, Phase::Failed | Phase::Waiting) && status.weight == 100
}

fn configs_changed(status: &Status, target: &Target) -> bool {
    match (&target.configs, &status.tracked_configs) {
        (None, _) => false,
        (Some(found), None) => !found.is_empty(),
        (Some(found), Some(known)) => found != known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(phase: Phase, applied: &str, promoted: &str) -> Status {
        Status { phase, last_applied: applied.into(), last_promoted: promoted.into(), ..Status::default() }
    }

    #[test]
    fn a_template_is_compared_with_the_applied_and_the_promoted_one() {
        for (phase, applied, promoted, now, expected) in [
            (Phase::Initialized, "", "", "v1-a", Change::New),
            (Phase::Initialized, "v1-a", "v1-a", "v1-a", Change::None),
            (Phase::Succeeded, "v1-a", "v1-a", "v1-b", Change::New),
            (Phase::Failed, "v1-b", "v1-a", "v1-b", Change::None),
            (Phase::Failed, "v1-b", "v1-a", "v1-a", Change::SetBack),
            (Phase::Failed, "v1-b", "v1-a", "v1-c", Change::New),
            (Phase::Progressing, "v1-b", "v1-a", "v1-a", Change::SetBack),
            (Phase::Progressing, "v1-b", "v1-a", "v1-c", Change::New),
        ] {
            assert_eq!(
                change(&status(phase, applied, promoted), &Target::ready(now)),
                expected,
                "{phase} {now}"
            );
        }
    }

    #[test]
    fn after_a_failed_promotion_the_promoted_template_is_a_rollout() {
        let mut failed = status(Phase::Failed, "v1-b", "v1-a");
        failed.weight = 100;
        assert_eq!(change(&failed, &Target::ready("v1-a")), Change::New);
    }

    #[test]
    fn going_back_to_the_promoted_template_is_a_rollout_when_the_primary_runs_another() {
        let mut target = Target::ready("v1-a");
        target.matches_primary = false;
        for phase in [Phase::Failed, Phase::Progressing, Phase::Waiting] {
            assert_eq!(change(&status(phase, "v1-b", "v1-a"), &target), Change::New, "{phase}");
        }
    }

    #[test]
    fn configuration_counts_once_it_is_tracked() {
        let mut known = status(Phase::Succeeded, "v1-a", "v1-a");
        let mut target = Target::ready("v1-a");
        assert_eq!(change(&known, &target), Change::None, "nothing found, nothing known");
        target.configs = Some([("configmap/a".into(), "1".into())].into());
        assert_eq!(change(&known, &target), Change::New, "found, not known");
        known.tracked_configs.clone_from(&target.configs);
        assert_eq!(change(&known, &target), Change::None);
        target.configs = None;
        assert_eq!(change(&known, &target), Change::None, "tracking was turned off");
    }

    #[test]
    fn a_status_of_another_controller_starts_nothing_while_the_primary_runs_the_template() {
        let mut target = Target::ready("v1-a");
        target.matches_primary = false;
        for phase in [Phase::Initialized, Phase::Succeeded] {
            assert_eq!(change(&status(phase, "5f56684589", "5f56684589"), &target), Change::New);
        }
        target.matches_primary = true;
        for phase in
            [Phase::Initialized, Phase::Succeeded, Phase::Failed, Phase::Progressing, Phase::Promoting]
        {
            assert_eq!(change(&status(phase, "5f56684589", "5f56684589"), &target), Change::Adopt);
        }
        assert_eq!(change(&status(Phase::Waiting, "5f56684589", "5f56684589"), &target), Change::New);
    }

    #[test]
    fn a_promoted_revision_of_another_controller_is_known_by_what_the_primary_runs() {
        let mut target = Target::ready("v1-a");
        target.matches_primary = true;
        assert_eq!(change(&status(Phase::Progressing, "v1-b", "5f56684589"), &target), Change::SetBack);
    }
}
