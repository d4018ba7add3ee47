//! One user on the way through a flow.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use canary_load::{Answer, ErrorClass, Next, Prepared, Script, Sending, Visit};
use rand::RngExt;

use crate::call::{told, was_refused};
use crate::cleaner::Writes;
use crate::code::{Base, FlowCode, RequestCode, StepCode};
use crate::complaints::Complaints;
use crate::feed::Feed;
use crate::journal::{Entry, Values};
use crate::selector::Document;
use crate::template::Templates;
use crate::vars::{RunVars, Vars};

/// What all users of a run share.
pub(crate) struct Shared {
    pub(crate) flows: Vec<FlowCode>,
    pub(crate) templates: Templates,
    /// One for each target of the plan.
    pub(crate) bases: Vec<Base>,
    pub(crate) vars: Arc<RunVars>,
    pub(crate) feeds: BTreeMap<String, Arc<Feed>>,
    /// Those of them whose values are not told.
    pub(crate) secrets: BTreeSet<String>,
    pub(crate) complaints: Complaints,
    pub(crate) writes: Writes,
}

impl Shared {
    /// Where what was written to an arm is taken back. Whoever has not written down the arm knew of one target only.
    pub(crate) fn base_of(&self, arm: Option<&str>) -> Option<&Base> {
        self.bases.iter().find(|base| base.arm == arm).or(self.bases.first())
    }
}

/// A flow for the engine.
pub(crate) struct FlowScript {
    shared: Arc<Shared>,
    flow: usize,
    /// The number of its target.
    at: usize,
    /// Those requests of it that are the same for all users, made once.
    fixed: Arc<[Option<Arc<Prepared>>]>,
}

impl FlowScript {
    /// # Errors
    /// Which request cannot be made.
    pub(crate) fn new(shared: Arc<Shared>, flow: usize, at: usize) -> Result<Self, String> {
        let values = minijinja::Value::UNDEFINED;
        let fixed = shared.flows[flow]
            .requests()
            .map(|request| {
                let ready = request
                    .is_fixed()
                    .then(|| request.prepare(&shared.bases[at], &shared.templates, &values));
                ready.transpose()
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { shared, flow, at, fixed })
    }
}

impl Script for FlowScript {
    fn steps(&self) -> Vec<String> {
        self.shared.flows[self.flow].requests().map(|request| request.name.clone()).collect()
    }

    fn visit(&self) -> Box<dyn Visit> {
        let code = &self.shared.flows[self.flow];
        let mut rows = Vec::with_capacity(code.feeds.len());
        for feed in code.feeds.iter().filter_map(|name| self.shared.feeds.get(name)) {
            match feed.next() {
                Some(row) => rows.push((feed.name.clone(), row)),
                // Nothing is left to do: the run is about to end.
                None => return Box::new(Nobody),
            }
        }
        Box::new(Walk {
            vars: Arc::new(Vars::new(self.shared.vars.clone(), rows)),
            shared: self.shared.clone(),
            fixed: self.fixed.clone(),
            flow: self.flow,
            target: self.at,
            at: 0,
            asked: None,
            is_over: false,
            entry: None,
            is_written: false,
        })
    }
}

/// Comes when a queue is empty, and leaves.
struct Nobody;

impl Visit for Nobody {
    fn next(&mut self) -> Next {
        Next::End { skipped: Vec::new() }
    }

    fn seen(&mut self, outcome: Result<&Answer, ErrorClass>) -> Result<(), ErrorClass> {
        outcome.map(drop)
    }
}

/// A user.
struct Walk {
    shared: Arc<Shared>,
    fixed: Arc<[Option<Arc<Prepared>>]>,
    flow: usize,
    target: usize,
    vars: Arc<Vars>,
    /// The step that comes next.
    at: usize,
    /// The step whose answer is awaited.
    asked: Option<usize>,
    /// Something that later steps need is missing.
    is_over: bool,
    /// Its writes in the journal.
    entry: Option<u64>,
    /// One of them was done, or may have been.
    is_written: bool,
}

impl Walk {
    fn code(&self) -> &FlowCode {
        &self.shared.flows[self.flow]
    }

    fn base(&self) -> &Base {
        &self.shared.bases[self.target]
    }

    /// The requests from this step on.
    fn rest(&self, from: usize) -> Vec<usize> {
        let steps = self.code().steps.get(from..).unwrap_or_default();
        steps
            .iter()
            .filter_map(|step| match step {
                StepCode::Request(request) => Some(request.number),
                StepCode::Pause(..) => None,
            })
            .collect()
    }

    fn prepare(&self, request: &RequestCode) -> Result<Arc<Prepared>, String> {
        match &self.fixed[request.number] {
            Some(fixed) => Ok(fixed.clone()),
            None => request.prepare(self.base(), &self.shared.templates, &self.vars.value()),
        }
    }

    /// What the clean-up needs and is known by now.
    fn known(&self) -> Values {
        let needs = self.code().cleanup_needs.iter();
        needs.filter_map(|name| self.vars.find(name).map(|value| (name.clone(), value))).collect()
    }

    /// Enters what is about to be written, if it has to be removed again and has not been entered.
    fn enter(&mut self, request: &RequestCode) -> Option<Next> {
        if self.entry.is_some() || self.code().cleanup.is_empty() || !request.changes() {
            return None;
        }
        let writes = &self.shared.writes;
        let entry = Entry {
            run: writes.run.clone(),
            flow: self.code().name.clone(),
            arm: self.base().arm.map(str::to_owned),
            values: self.known(),
        };
        if let Some((id, on_disk)) = writes.journal.enter(entry) {
            self.entry = Some(id);
            return Some(Next::After(Box::pin(on_disk)));
        }
        let what = "the journal cannot be written, so that nothing may be sent".to_owned();
        self.shared.complaints.add(self.flow, request.number, what);
        self.is_over = true;
        Some(Next::End { skipped: self.rest(self.at) })
    }

    /// What an outcome says about whether something was written.
    fn note(&mut self, request: &RequestCode, outcome: Result<&Answer, ErrorClass>) {
        let Some(id) = self.entry.filter(|_| request.changes()) else { return };
        self.is_written |= match outcome {
            Ok(answer) => !was_refused(answer),
            Err(ErrorClass::Connect | ErrorClass::Forbidden | ErrorClass::Tls) => false,
            Err(_) => true,
        };
        if outcome.is_ok() {
            self.shared.writes.journal.complete(id, self.known());
        }
    }

    /// Looks at an answer: first whether it is right, then whether it has what later steps need.
    fn judge(&mut self, request: &RequestCode, answer: &Answer) -> Result<(), ErrorClass> {
        let mut document = Document::default();
        let (shown, mut outcome) = match request.shown(answer) {
            Ok(shown) => (shown, Ok(())),
            Err(why) => {
                self.shared.complaints.add(self.flow, request.number, why);
                (Cow::Borrowed(answer), Err(ErrorClass::Grpc))
            }
        };
        let answer = &*shown;
        for (text, check) in &request.checks {
            if !check.holds(answer, &mut document) {
                outcome = Err(ErrorClass::Check);
                let what = format!("check {text:?}: {}", told(answer));
                self.shared.complaints.add(self.flow, request.number, what);
            }
        }
        if let Some(class) = request.fault(answer) {
            outcome = Err(class);
            self.shared.complaints.add(self.flow, request.number, told(answer));
        }
        for (name, selector) in &request.captures {
            if let Some(value) = selector.of(answer, &mut document) {
                self.vars.capture(name, &value);
                continue;
            }
            self.is_over = true;
            // Why the answer is wrong says more than what is therefore missing in it.
            outcome = outcome.and(Err(ErrorClass::Capture));
            let what = format!("capture {name:?}: it is not in the answer");
            self.shared.complaints.add(self.flow, request.number, what);
        }
        outcome
    }
}

impl Visit for Walk {
    fn next(&mut self) -> Next {
        if self.is_over {
            return Next::End { skipped: self.rest(self.at) };
        }
        let shared = self.shared.clone();
        let at = self.at;
        match shared.flows[self.flow].steps.get(at) {
            None => Next::End { skipped: Vec::new() },
            Some(StepCode::Pause(from, to)) => {
                self.at += 1;
                Next::Pause(random(*from, *to))
            }
            Some(StepCode::Request(request)) => match self.prepare(request) {
                Ok(prepared) => self.enter(request).unwrap_or_else(|| {
                    self.at += 1;
                    self.asked = Some(at);
                    Next::Send(Box::new(Sending {
                        step: request.number,
                        target: self.target,
                        request: prepared,
                    }))
                }),
                Err(why) => {
                    self.shared.complaints.add(self.flow, request.number, why);
                    self.is_over = true;
                    Next::End { skipped: self.rest(at) }
                }
            },
        }
    }

    fn seen(&mut self, outcome: Result<&Answer, ErrorClass>) -> Result<(), ErrorClass> {
        let shared = self.shared.clone();
        let asked = self.asked.take().and_then(|at| shared.flows[self.flow].steps.get(at));
        let Some(StepCode::Request(request)) = asked else { return outcome.map(drop) };
        let verdict = match outcome {
            Ok(answer) => self.judge(request, answer),
            Err(class) => {
                self.is_over |= !request.captures.is_empty();
                Err(class)
            }
        };
        self.note(request, outcome);
        verdict
    }
}

impl Drop for Walk {
    /// Through, or cut off: from here on it is for others to remove what was written.
    fn drop(&mut self) {
        let Some(id) = self.entry else { return };
        let shared = self.shared.clone();
        let asked = self.asked.and_then(|at| shared.flows[self.flow].steps.get(at));
        let is_under_way = matches!(asked, Some(StepCode::Request(request)) if request.changes());
        if self.is_written || is_under_way {
            shared.writes.hand_over(id);
        } else {
            shared.writes.journal.close(id);
        }
    }
}

fn random(from: Duration, to: Duration) -> Duration {
    if from == to { from } else { rand::rng().random_range(from..=to) }
}
