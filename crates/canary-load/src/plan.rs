//! What a run is to do. Checked when it starts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::{
    AddressPolicy, AnyAddress, Arrivals, Prepared, Profile, RequestError, Script, Target, TargetError,
};

/// What a run is to do.
#[derive(Clone)]
pub struct Plan {
    /// Where requests may go; at least one.
    pub targets: Vec<Target>,
    /// What arrivals do, chosen by weight; at least one.
    pub flows: Vec<Flow>,
    /// When arrivals come.
    pub pace: Pace,
    /// No arrivals at or after that time; `None`: until stopped.
    pub duration: Option<Duration>,
    /// No more than that many arrivals.
    pub requests: Option<u64>,
    /// How much of the machine it may take.
    pub limits: Limits,
    /// Which addresses may be dialled.
    pub addresses: Arc<dyn AddressPolicy>,
    /// How certificates are checked; `None`: with the certificates that the system trusts.
    pub tls: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("targets", &self.targets)
            .field("flows", &self.flows)
            .field("pace", &self.pace)
            .field("duration", &self.duration)
            .field("requests", &self.requests)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// When arrivals come.
#[derive(Clone, Debug, PartialEq)]
pub enum Pace {
    /// At their time, whether earlier ones have been answered or not: how independent users behave.
    Open {
        /// The rate over time.
        profile: Profile,
        /// Their spacing.
        arrivals: Arrivals,
    },
    /// Each connection sends the next request when the one before is answered: how much can be had, not how it feels.
    Closed,
}

/// What an arrival does.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its name in reports.
    pub name: String,
    /// The arm of a comparison that it belongs to, such as `canary`.
    pub arm: Option<String>,
    /// Its share of the arrivals, compared with the other flows'.
    pub weight: f64,
    /// Its requests.
    pub work: Work,
}

impl Flow {
    /// A flow of one request.
    pub fn request(name: impl Into<String>, target: usize, request: Prepared) -> Self {
        Self {
            name: name.into(),
            arm: None,
            weight: 1.0,
            work: Work::Request { target, request: Arc::new(request) },
        }
    }

    /// A flow that decides for itself.
    pub fn script(name: impl Into<String>, script: Arc<dyn Script>) -> Self {
        Self { name: name.into(), arm: None, weight: 1.0, work: Work::Script(script) }
    }

    /// The same with a share of the arrivals.
    #[must_use]
    pub fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// The same as part of an arm.
    #[must_use]
    pub fn in_arm(mut self, arm: impl Into<String>) -> Self {
        self.arm = Some(arm.into());
        self
    }
}

/// The requests of a flow.
#[derive(Clone)]
pub enum Work {
    /// The same request each time.
    Request {
        /// Which of the plan's targets it goes to.
        target: usize,
        /// What is sent.
        request: Arc<Prepared>,
    },
    /// Requests that depend on answers.
    Script(Arc<dyn Script>),
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { target, request } => {
                write!(f, "{} {} on target {target}", request.method(), request.path())
            }
            Self::Script(script) => write!(f, "script of {:?}", script.steps()),
        }
    }
}

/// How much of the machine a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections to each target at a time; with HTTP/1.1 also requests under way. What is more waits.
    pub connections: usize,
    /// How long after its intended start a request counts as failed, sent or not.
    pub timeout: Duration,
    /// Threads, not more than connections; 0: one for each core, and fewer for a rate that fewer can send.
    pub threads: usize,
    /// How much of a body is kept for scripts, in bytes. All of it is read and counted.
    pub body: usize,
    /// Each connection is closed after that many requests; 0: never.
    pub churn: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 50, timeout: Duration::from_secs(20), threads: 0, body: 1 << 20, churn: 0 }
    }
}

/// A plan that cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A part is missing or out of its range.
    #[error("the plan cannot be run: {0}")]
    Invalid(String),
    /// The target is malformed.
    #[error("the plan cannot be run")]
    Target(#[from] TargetError),
    /// The request is malformed.
    #[error("the plan cannot be run")]
    Request(#[from] RequestError),
}

impl Plan {
    /// One GET request, again and again, as fast as answers come, until stopped.
    ///
    /// # Errors
    /// [`PlanError`] when the address is malformed.
    pub fn get(address: &str) -> Result<Self, PlanError> {
        let target: Target = address.parse()?;
        let path = address.splitn(4, '/').nth(3).unwrap_or_default().split('#').next().unwrap_or_default();
        let request = Prepared::new(&target, "GET", path, &[], "")?;
        Ok(Self::new(vec![target], vec![Flow::request("get", 0, request)]))
    }

    /// Those flows as fast as answers come, until stopped.
    pub fn new(targets: Vec<Target>, flows: Vec<Flow>) -> Self {
        Self {
            targets,
            flows,
            pace: Pace::Closed,
            duration: None,
            requests: None,
            limits: Limits::default(),
            addresses: Arc::new(AnyAddress),
            tls: None,
        }
    }

    /// The same with arrivals at their own time.
    #[must_use]
    pub fn open(mut self, profile: Profile, arrivals: Arrivals) -> Self {
        self.pace = Pace::Open { profile, arrivals };
        self
    }

    /// The same for so long.
    #[must_use]
    pub fn lasting(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// The same with other limits.
    #[must_use]
    pub fn within(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What is wrong with it.
    ///
    /// # Errors
    /// [`PlanError::Invalid`] with the part that is missing or out of its range.
    pub fn check(&self) -> Result<(), PlanError> {
        let flaw = if self.targets.is_empty() {
            "it has no target".to_owned()
        } else if self.flows.is_empty() {
            "it has no flow".to_owned()
        } else if self.limits.connections == 0 {
            "it allows no connection".to_owned()
        } else if self.limits.timeout.is_zero() {
            "its timeout is zero".to_owned()
        } else if let Some(flow) = self.flows.iter().find(|f| !f.weight.is_finite() || f.weight < 0.0) {
            format!("the weight of flow {:?} is {}; it takes a number of at least 0", flow.name, flow.weight)
        } else if self.flows.iter().map(|flow| flow.weight).sum::<f64>() <= 0.0 {
            "no flow has a weight above 0".to_owned()
        } else if let Some(flow) = self.flows.iter().find(|flow| !self.knows_target(flow)) {
            format!("flow {:?} goes to a target that the plan does not have", flow.name)
        } else if let Some(flow) = self.flows.iter().find(|flow| flow.steps().is_empty()) {
            format!("flow {:?} has no step", flow.name)
        } else if let Pace::Open { profile, .. } = &self.pace
            && let Some(rate) = profile.flaw()
        {
            format!("{rate} is no rate; it takes a number of at least 0")
        } else {
            return Ok(());
        };
        Err(PlanError::Invalid(flaw))
    }

    fn knows_target(&self, flow: &Flow) -> bool {
        match &flow.work {
            Work::Request { target, .. } => *target < self.targets.len(),
            Work::Script(_) => true,
        }
    }
}

impl Flow {
    /// The names of its steps.
    pub fn steps(&self) -> Vec<String> {
        match &self.work {
            Work::Request { request, .. } => vec![format!("{} {}", request.method(), request.path())],
            Work::Script(script) => script.steps(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spoil = fn(&mut Plan);

    #[test]
    fn a_plan_says_what_is_wrong_with_it() {
        let good = || Plan::get("http://localhost/").unwrap();
        let cases: [(Spoil, &str); 6] = [
            (|plan| plan.targets.clear(), "no target"),
            (|plan| plan.flows.clear(), "no flow"),
            (|plan| plan.flows[0].weight = -1.0, "weight of flow \"get\" is -1"),
            (|plan| plan.flows[0].weight = 0.0, "weight above 0"),
            (|plan| plan.limits.connections = 0, "no connection"),
            (|plan| plan.limits.timeout = Duration::ZERO, "timeout"),
        ];
        assert!(good().check().is_ok());
        for (spoil, why) in cases {
            let mut plan = good();
            spoil(&mut plan);
            let error = plan.check().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let negative = good().open(Profile::constant(-3.0), Arrivals::Even).check().unwrap_err().to_string();
        assert!(negative.contains("-3 is no rate"), "{negative}");
    }

    #[test]
    fn the_path_of_an_address_is_kept_whole() {
        let plan = Plan::get("http://localhost:80/a/b?c=d/e").unwrap();
        assert_eq!(plan.flows[0].steps(), ["GET /a/b?c=d/e"]);
    }
}
