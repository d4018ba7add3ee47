//! A cluster of four numbers, so that whole rollouts run in microseconds.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at what it did not expect"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::{
    Answer, Command, Commit, Decision, Effect, HookAnswer, HookId, Instance, Next, Observed, Phase, Plan,
    Question, Readiness, Scale, Status, Steering, Target, Then, Timestamp, Unreadable, Wake, Weights, called,
    next,
};

/// Everything the core can see, and what answers its questions.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) status: Status,
    pub(crate) revision: String,
    pub(crate) configs: Option<BTreeMap<String, String>>,
    pub(crate) target: Instance,
    pub(crate) primary: Option<Instance>,
    pub(crate) primary_revision: String,
    pub(crate) routes: Option<Weights>,
    pub(crate) now: Timestamp,
    pub(crate) last_tick: Option<Timestamp>,
    pub(crate) changed_at: Option<Timestamp>,
    /// Value by check name; `None` is no data.
    pub(crate) values: BTreeMap<String, Option<f64>>,
    /// Hooks that fail, by name, with their text.
    pub(crate) closed: BTreeMap<String, String>,
    /// Effects whose name contains this fail.
    pub(crate) broken: Option<String>,
    pub(crate) asked: Vec<Question>,
    pub(crate) deleting: bool,
    pub(crate) finalizer: bool,
    pub(crate) target_is_gone: bool,
    pub(crate) command: Option<Result<Command, Unreadable>>,
    pub(crate) steering: Steering,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            status: Status::default(),
            revision: "v1-a".into(),
            configs: Some(BTreeMap::new()),
            target: Instance::ready(2),
            primary: None,
            primary_revision: String::new(),
            routes: None,
            now: Timestamp::from_second(1_000_000).unwrap(),
            last_tick: None,
            changed_at: None,
            values: BTreeMap::new(),
            closed: BTreeMap::new(),
            broken: None,
            asked: Vec::new(),
            deleting: false,
            finalizer: false,
            target_is_gone: false,
            command: None,
            steering: Steering::default(),
        }
    }

    pub(crate) fn observe(&self) -> Observed {
        let mut target = Target::ready(self.revision.clone());
        target.configs.clone_from(&self.configs);
        target.instance = self.target.clone();
        target.matches_primary = self.revision == self.primary_revision;
        let mut seen = Observed::new(target);
        seen.primary.clone_from(&self.primary);
        seen.routes = Ok(self.routes);
        seen.last_tick = self.last_tick;
        seen.changed_at = self.changed_at;
        seen.deleting = self.deleting;
        seen.finalizer = self.finalizer;
        seen.command.clone_from(&self.command);
        seen.steering.clone_from(&self.steering);
        if self.target_is_gone {
            seen.target = Err("the target does not exist".into());
            seen.target_is_gone = true;
        }
        seen
    }

    pub(crate) fn apply_revision(&mut self, revision: &str) {
        self.revision = revision.into();
        self.changed_at = Some(self.now);
    }

    fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Hook { id, .. } => Answer::Hook(self.hook(*id)),
            Question::Online(_) => Answer::Value(1.0),
            Question::Metric(id) => match self.values.get(&self.plan.checks[id.0].name) {
                Some(Some(value)) => Answer::Value(*value),
                Some(None) => Answer::NoData("no values found".into()),
                None => Answer::Value(100.0),
            },
        }
    }

    pub(crate) fn hook(&self, id: HookId) -> HookAnswer {
        match self.closed.get(&self.plan.hooks[id.0].name) {
            Some(text) => HookAnswer::Failed(text.clone()),
            None => HookAnswer::Passed,
        }
    }

    /// Asks the core until it is done.
    pub(crate) fn decide(&mut self) -> Decision {
        let (seen, mut answers) = (self.observe(), Vec::new());
        for _ in 0..100 {
            match next(&self.plan, &self.status, &seen, &answers, self.now) {
                Next::Done(decision) => return *decision,
                Next::Ask(question) => {
                    answers.push(self.answer(&question));
                    self.asked.push(question);
                }
            }
        }
        panic!("a round of questions does not end")
    }

    /// Performs one effect; whether it worked.
    pub(crate) fn perform(&mut self, effect: &Effect) -> bool {
        if self.broken.as_ref().is_some_and(|b| format!("{effect:?}").contains(b.as_str())) {
            return false;
        }
        match effect {
            Effect::EnsurePrimary if self.primary.is_none() => {
                self.primary = Some(Instance::ready(2));
                self.primary_revision.clone_from(&self.revision);
            }
            Effect::EnsureRoutes => {
                self.routes.get_or_insert(Weights::PRIMARY);
            }
            Effect::Route(weights) => self.routes = Some(*weights),
            Effect::PromoteTemplate(revision) => {
                if *revision != self.revision {
                    return false;
                }
                self.primary_revision.clone_from(revision);
            }
            Effect::ScaleTarget(Scale::Zero) => self.target = Instance::ready(0),
            Effect::Steer(steering) => self.steering = (**steering).clone(),
            Effect::KeepFinalizer(keep) => self.finalizer = *keep,
            Effect::ScaleTarget(Scale::Up | Scale::LikePrimary) if self.target.available == 0 => {
                self.target = Instance::ready(2);
            }
            _ => {}
        }
        true
    }

    /// Commits; what follows is returned with the answers of late calls told.
    pub(crate) fn commit(&mut self, decision: &Decision) {
        if decision.commit == Commit::ReleaseFinalizer {
            self.finalizer = false;
        }
        if let Commit::Status(status) = &decision.commit {
            self.status = (**status).clone();
        }
    }

    /// One whole call: decide, perform, commit. Returns the decision and how many effects worked.
    pub(crate) fn call(&mut self) -> (Decision, usize) {
        let decision = self.decide();
        if decision.tick {
            self.last_tick = Some(self.now);
        }
        for (n, effect) in decision.effects.iter().enumerate() {
            if !self.perform(effect) {
                return (decision, n);
            }
        }
        self.commit(&decision);
        let effects = decision.effects.len();
        (decision, effects)
    }

    /// Moves the clock to when the decision wants to be called again; `false` when nothing is due.
    pub(crate) fn wait(&mut self, wake: Wake) -> bool {
        match wake {
            Wake::At(at) => self.now = self.now.max(at),
            Wake::Now => {}
            Wake::OnChange => return false,
        }
        true
    }

    /// Calls until the canary rests (or `limit` calls were made).
    pub(crate) fn run(&mut self, limit: usize) -> Phase {
        for _ in 0..limit {
            let (decision, _) = self.call();
            if !self.wait(decision.wake) {
                break;
            }
        }
        self.status.phase
    }

    /// Initialized, with the first revision.
    pub(crate) fn initialized(plan: Plan) -> Self {
        let mut world = Self::new(plan);
        assert_eq!(world.run(10), Phase::Initialized);
        world
    }

    /// The sentences of what follows a commit, hooks called.
    pub(crate) fn sentences(&self, then: &[Then]) -> Vec<String> {
        let mut out = Vec::new();
        let mut stopped = false;
        for step in then {
            let notices = match step {
                Then::Announce(notice) => vec![notice.clone()],
                Then::Call { .. } if stopped => continue,
                Then::Call { id, phase, told_as } => {
                    out.push(format!("call {} {phase}", self.plan.hooks[id.0].name));
                    let answer = self.hook(*id);
                    stopped = answer != HookAnswer::Passed;
                    called(&self.plan, *told_as, *id, &answer)
                }
            };
            for notice in notices {
                if let Some((kind, text)) = notice.event(&self.plan) {
                    out.push(format!("{} {}: {text}", kind.as_str(), notice.phase));
                }
                if let Some(alert) = notice.alert(&self.plan) {
                    out.push(format!("alert {}: {}", alert.severity, alert.text));
                }
            }
        }
        out
    }
}

pub(crate) fn waiting(available: i32) -> Instance {
    Instance { readiness: Readiness::Waiting("waiting for rollout to finish".into()), available }
}

pub(crate) fn stuck(available: i32) -> Instance {
    Instance { readiness: Readiness::Stuck("exceeded its progress deadline".into()), available }
}

pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
