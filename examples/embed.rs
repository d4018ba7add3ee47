//! Releases a new version of something that is not Kubernetes: a pool of processes behind a load balancer, both of them
//! a few numbers in this file. What is real is the loop around `canary_core::next`.
//!
//! `cargo run -p canary-examples --bin embed` plays one rollout that succeeds and one that is rolled back.
#![allow(clippy::print_stdout, reason = "it is what an example is for")]
#![allow(clippy::wildcard_enum_match_arm, reason = "effects may be added, and this farm does not know them")]

use std::time::Duration;

use canary_core::{
    Answer, Check, CheckSource, Commit, Effect, Instance, Next, Observed, Phase, Plan, Question, Scale,
    Status, Steps, Strategy, Target, Then, Timestamp, Wake, Weights, next,
};

/// The load balancer and the two pools.
struct Farm {
    /// Version that the user asked for.
    wanted: &'static str,
    /// Version of the pool that serves.
    serving: &'static str,
    /// Processes of the pool that tries the wanted version.
    trying: i32,
    weights: Option<Weights>,
    /// Version that answers with errors.
    broken: &'static str,
}

impl Farm {
    /// What the core is told.
    fn observe(&self, last_tick: Option<Timestamp>) -> Observed {
        let mut target = Target::ready(self.wanted);
        target.instance = Instance::ready(self.trying);
        let mut seen = Observed::new(target);
        seen.primary = (!self.serving.is_empty()).then(|| Instance::ready(4));
        seen.routes = Ok(self.weights);
        seen.last_tick = last_tick;
        seen
    }

    /// Percent of requests that succeed, as a monitoring system would say.
    fn success_rate(&self) -> f64 {
        if self.wanted == self.broken { 93.5 } else { 99.9 }
    }

    /// Makes one wish true. Each may come again, so each only says how things are to be.
    fn perform(&mut self, effect: &Effect) {
        match effect {
            Effect::EnsurePrimary if self.serving.is_empty() => self.serving = self.wanted,
            Effect::Route(weights) => self.weights = Some(*weights),
            Effect::PromoteTemplate(version) if version == self.wanted => self.serving = self.wanted,
            Effect::ScaleTarget(Scale::Up) => self.trying = 4,
            Effect::ScaleTarget(Scale::Zero) => self.trying = 0,
            _ => {}
        }
    }
}

/// Calls the core until it has nothing more to do before something changes.
fn release(plan: &Plan, farm: &mut Farm, status: &mut Status, now: &mut Timestamp) {
    let mut last_tick = None;
    loop {
        let seen = farm.observe(last_tick);
        let mut answers = Vec::new();
        let decision = loop {
            match next(plan, status, &seen, &answers, *now) {
                Next::Done(decision) => break decision,
                Next::Ask(Question::Metric(_)) => answers.push(Answer::Value(farm.success_rate())),
                Next::Ask(Question::Online(_)) => answers.push(Answer::Value(1.0)),
                Next::Ask(Question::Hook { .. }) => unreachable!("the plan has no hooks"),
            }
        };
        if decision.tick {
            last_tick = Some(*now);
        }
        for effect in &decision.effects {
            farm.perform(effect);
        }
        if let Commit::Status(new) = decision.commit {
            *status = *new; // a real host writes this down before it goes on
        }
        for then in decision.then {
            if let Then::Announce(notice) = then
                && let Some((_, sentence)) = notice.event(plan)
            {
                println!("{}  {:<13} {sentence}", now.strftime("%H:%M:%S"), status.phase.as_str());
            }
        }
        match decision.wake {
            Wake::At(time) => *now = time, // a real host sleeps
            Wake::Now => {}
            Wake::OnChange => return,
        }
    }
}

fn main() {
    let mut plan = Plan::new("checkout", "shop");
    plan.target_kind = "Pool".into();
    plan.interval = Duration::from_secs(30);
    plan.threshold = 2;
    plan.strategy = Strategy::Weighted(Steps::even(25, 50));
    plan.checks = vec![Check::new("request-success-rate", CheckSource::SuccessRate).within(Some(99.0), None)];

    let mut farm = Farm { wanted: "v1", serving: "", trying: 4, weights: None, broken: "v3" };
    let (mut status, mut now) = (Status::default(), Timestamp::UNIX_EPOCH);
    release(&plan, &mut farm, &mut status, &mut now);
    assert_eq!(status.phase, Phase::Initialized);

    farm.wanted = "v2";
    release(&plan, &mut farm, &mut status, &mut now);
    assert_eq!((status.phase, farm.serving), (Phase::Succeeded, "v2"));

    farm.wanted = "v3";
    release(&plan, &mut farm, &mut status, &mut now);
    assert_eq!((status.phase, farm.serving), (Phase::Failed, "v2"));
    assert_eq!(farm.weights, Some(Weights::PRIMARY));
}
