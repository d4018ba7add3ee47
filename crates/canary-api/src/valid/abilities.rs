//! What a canary asks of its router and the router cannot do. It is refused at once where the rollout would stand still, or
//! send traffic where nobody wanted it.
//!
//! What has no effect is no mistake: a mirror beside A/B testing, conditions without iterations, sessions of a blue/green
//! rollout. A router that splits nothing, plain Kubernetes, makes everything blue/green, as Flagger does.

use canary_core::{Capabilities, Strategy};

use super::plan::strategy;
use crate::options::Options;
use crate::problem::FieldProblem;
use crate::spec::CanarySpec;

/// Something that a canary may ask of its router.
struct Ability {
    field: &'static str,
    /// What a router without it does not do.
    verb: &'static str,
    asked: fn(&CanarySpec, &Strategy) -> bool,
    had: fn(&Capabilities) -> bool,
}

const ABILITIES: [Ability; 3] = [
    Ability {
        field: "spec.analysis.match",
        verb: "choose requests by conditions",
        asked: |_, strategy| matches!(strategy, Strategy::AbTesting { .. }),
        had: |can| can.conditions,
    },
    Ability {
        field: "spec.analysis.mirror",
        verb: "mirror requests",
        asked: |spec, strategy| spec.analysis.mirror && matches!(strategy, Strategy::Weighted(_)),
        had: |can| can.mirror,
    },
    Ability {
        field: "spec.analysis.sessionAffinity",
        verb: "keep sessions",
        asked: |spec, strategy| {
            spec.analysis.session_affinity.is_some() && matches!(strategy, Strategy::Weighted(_))
        },
        had: |can| can.session_affinity,
    },
];

/// What the router of `provider`, which can do `can`, lacks.
pub(super) fn problems(
    spec: &CanarySpec,
    provider: &str,
    can: Capabilities,
    options: &Options<'_>,
) -> Vec<FieldProblem> {
    if !can.weighted || spec.skip_analysis {
        return Vec::new();
    }
    let strategy = strategy(&spec.analysis);
    let lacking = ABILITIES.iter().filter(|ability| (ability.asked)(spec, &strategy) && !(ability.had)(&can));
    lacking.map(|ability| ability.problem(spec, provider, options)).collect()
}

impl Ability {
    fn problem(&self, spec: &CanarySpec, provider: &str, options: &Options<'_>) -> FieldProblem {
        let Self { field, verb, .. } = self;
        let source = if spec.provider.is_some() { "spec.provider" } else { "the flag -mesh-provider" };
        let able = self.providers(options);
        let able = if able.is_empty() {
            "no known provider does".into()
        } else {
            format!("these do: {}", able.join(", "))
        };
        let text =
            format!("{field} is set, and the provider {provider:?} ({source}) does not {verb}; {able}");
        FieldProblem::Conflict { field: (*field).into(), text }
    }

    /// The known providers that have it.
    fn providers(&self, options: &Options<'_>) -> Vec<String> {
        let names = options.providers().into_iter();
        names
            .filter(|name| (options.capabilities)(name).is_ok_and(|can| can.weighted && (self.had)(&can)))
            .collect()
    }
}
