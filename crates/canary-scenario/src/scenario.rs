//! A scenario file that has been read, and what a run makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use canary_load::{Flow, Plan, TlsError};
use canary_yaml::Fault;

use crate::cleaner::{Cleaner, Writes};
use crate::code::{Base, FlowCode};
use crate::compile::Compiler;
use crate::complaints::{Complaint, Complaints};
use crate::consistency::{calls, common};
use crate::feed::{Feed, format_of, rows};
use crate::journal::{Journal, RunHeader};
use crate::judge::Rule;
use crate::loading::{Loading, TopUpPlan, loading};
use crate::mistake::Mistakes;
use crate::setting::{Setting, like, names};
use crate::spec::{Mode, OrderSpec, ProtocolSpec, ScenarioFile, SourceSpec};
use crate::template::value_of;
use crate::vars::RunVars;
use crate::visit::{FlowScript, Shared};
use crate::written::Written;

/// Clean-ups a second, and how long after the run they may go on, unless the scenario says otherwise.
const CLEANUP_RATE: f64 = 50.0;
const CLEANUP_TIME: Duration = Duration::from_secs(60);

/// A scenario file that has been read and checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    written: Written,
    spec: ScenarioFile,
    rules: Vec<Rule>,
}

/// A scenario that can be run.
pub struct Ready {
    /// For the engine.
    pub plan: Plan,
    /// Real traffic that is filled up: whoever runs it sets the rate by this.
    pub top_up: Option<TopUpPlan>,
    /// The highest rate that it asks for, in requests per second.
    pub most: f64,
    /// What the run has to keep to.
    pub rules: Vec<Rule>,
    /// What the primary has to keep to, second by second: whoever runs it aborts it otherwise.
    pub primary_limits: Vec<String>,
    pub(crate) budget: (f64, Duration),
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("plan", &self.plan)
            .field("top_up", &self.top_up)
            .finish_non_exhaustive()
    }
}

impl Ready {
    /// A feed of the order `queue` has given its last row: it is time to stop the run.
    pub fn is_exhausted(&self) -> bool {
        self.shared.feeds.values().any(|feed| feed.is_exhausted())
    }

    /// Weights of the plan's flows when the canary has that share of the traffic, from 0 to 1; none for load that does not go
    /// to both arms.
    pub fn weights(&self, canary: f64) -> Option<Vec<f64>> {
        let Shared { flows, bases, .. } = &*self.shared;
        let shares = [canary, 1.0 - canary];
        (bases.len() == shares.len())
            .then(|| flows.iter().flat_map(|flow| shares.map(|share| flow.weight * share)).collect())
    }

    /// Removes what the run writes; to be run beside it. The plan's address policy and certificates hold for it, too.
    ///
    /// # Errors
    /// [`TlsError`] when there is no TLS.
    pub fn cleaner(&self) -> Result<Cleaner, TlsError> {
        Cleaner::new(self.shared.clone(), &self.plan, self.budget)
    }

    /// How much the run has written that is not removed yet.
    pub fn not_removed(&self) -> usize {
        let writes = &self.shared.writes;
        writes.journal.number(&writes.run)
    }

    /// How long the clean-up may go on after the run.
    pub fn cleanup_time(&self) -> Duration {
        self.budget.1
    }

    /// What went wrong so far, in words.
    pub fn complaints(&self) -> Vec<Complaint> {
        self.shared.complaints.all(|flow, step| {
            let flow = &self.shared.flows[flow];
            let name = flow.requests().nth(step).map(|request| request.name.clone());
            (flow.name.clone(), name.unwrap_or_default())
        })
    }
}

impl Scenario {
    /// Reads and checks a file; `file` is its name in what is said about mistakes.
    ///
    /// # Errors
    /// All mistakes, each with its line, its field and what would be right.
    pub fn parse(file: &str, text: &str) -> Result<Self, Mistakes> {
        Self::read(Written::of(file, text))
    }

    /// Reads a base and overlays that change it one after another: the name of each file, and its text. Mappings are
    /// merged, and `null` removes; flows and steps are merged by their names, and other lists replaced. `$patch: delete`
    /// removes a flow or a step, `$patch: replace` takes the place of what is there.
    ///
    /// # Errors
    /// All mistakes, each with the file, the line and the field where it stands, and what would be right.
    pub fn layered(files: &[(String, String)]) -> Result<Self, Mistakes> {
        match files {
            [(file, text)] => Self::parse(file, text),
            files => Self::read(Written::layered(files)?),
        }
    }

    fn read(written: Written) -> Result<Self, Mistakes> {
        let spec: ScenarioFile = serde_saphyr::from_str(written.text()).map_err(|error| {
            let Fault { line, column, why } = Fault::of(&error);
            written.fault((line, column), why)
        })?;
        let mut compiler = Compiler::new(&spec);
        let flows = compiler.flows();
        let rules = common(&mut compiler, &flows);
        let mistakes = std::mem::take(&mut compiler.mistakes);
        let scenario = Self { written, spec, rules };
        if mistakes.is_empty() { Ok(scenario) } else { Err(scenario.mistakes(mistakes)) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The file as it is written; of several files, what they come to.
    pub fn text(&self) -> &str {
        self.written.text()
    }

    /// The file as it was read.
    pub fn spec(&self) -> &ScenarioFile {
        &self.spec
    }

    /// What a run has to keep to.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a flow of it changes something.
    pub fn writes(&self) -> bool {
        self.spec.flows.iter().any(|flow| flow.writes)
    }

    /// The data that has to be fetched before each run, by name.
    pub fn sources(&self) -> &BTreeMap<String, SourceSpec> {
        &self.spec.sources
    }

    /// Puts the scenario together with what a run has: parameters, canary, and the data of its sources by name. Inline
    /// sources need not be given.
    ///
    /// # Errors
    /// What does not fit, each with its line and field.
    pub fn prepare(&self, setting: &Setting, data: &BTreeMap<String, Bytes>) -> Result<Ready, Mistakes> {
        let ready = self.build(setting, Some(data))?;
        if let Some(journal) = setting.journal.as_ref().filter(|_| self.writes()) {
            journal.begin(RunHeader {
                run: setting.run.clone(),
                file: self.written.name().to_owned(),
                text: self.text().to_owned(),
                params: setting.params.clone(),
                canary: setting.canary.clone(),
                base: setting.base.clone(),
            });
        }
        Ok(ready)
    }

    /// Without data: only the clean-up can be run.
    pub(crate) fn build(
        &self,
        setting: &Setting,
        data: Option<&BTreeMap<String, Bytes>>,
    ) -> Result<Ready, Mistakes> {
        let mut compiler = Compiler::new(&self.spec);
        compiler.data = data;
        let flows = compiler.flows();
        common(&mut compiler, &flows);
        if self.writes() && !setting.writes {
            let at = self.spec.flows.iter().position(|flow| flow.writes).unwrap_or_default();
            let why = "the flow writes, which this run is not allowed to";
            compiler.mistake(format!("flows[{at}].writes"), why);
        }
        let params = self.params(setting, &mut compiler);
        let vars = RunVars {
            params: value_of(params),
            canary: setting.canary.as_ref().map(names).unwrap_or_default(),
            run: value_of(BTreeMap::from([("id", setting.run.as_str())])),
        };
        let context = value_of(BTreeMap::from([
            ("params", &vars.params),
            ("canary", &vars.canary),
            ("run", &vars.run),
        ]));
        let bases = self.bases(setting, &context, &mut compiler);
        let seed = self.spec.load.seed.unwrap_or_else(rand::random);
        if setting.must_end && self.is_endless(setting) {
            let why = "it is missing, and here the run needs an end; it takes a length of time such as 30s (as --duration does), \
                       or the load requests, a number";
            compiler.mistake("load.duration", why);
        }
        let fill = |field: &str, text: &str| {
            let field = format!("load.{field}");
            let code = compiler.run_text(&field, text);
            compiler.templates.render(&code, &context).map(std::borrow::Cow::into_owned)
        };
        let mut load = self.spec.load.clone();
        if load.protocol.is_none() && calls(&flows) {
            load.protocol = Some(ProtocolSpec::Http2);
        }
        if setting.target.is_some() {
            load.target.clone_from(&setting.target);
        }
        if setting.duration.is_some() {
            load.duration.clone_from(&setting.duration);
        }
        let loading = loading(&load, seed, setting.ceiling, fill);
        let feeds = data.map(|data| self.feeds(data, seed, &mut compiler)).unwrap_or_default();
        let writes =
            Writes::new(setting.journal.clone().unwrap_or_else(Journal::in_memory), setting.run.clone());
        let loading = match loading {
            Ok(loading) => Some(loading),
            Err(mistakes) => {
                for (field, why) in mistakes {
                    compiler.mistake(format!("load.{field}"), why);
                }
                None
            }
        };
        let (Some(bases), Some(loading), true) = (bases, loading, compiler.mistakes.is_empty()) else {
            return Err(self.mistakes(compiler.mistakes));
        };
        self.assemble(bases, loading, flows, compiler, vars, (feeds, writes))
    }

    fn assemble(
        &self,
        mut bases: Vec<Base>,
        loading: Loading,
        flows: Vec<FlowCode>,
        compiler: Compiler<'_>,
        vars: RunVars,
        (feeds, writes): (BTreeMap<String, Arc<Feed>>, Writes),
    ) -> Result<Ready, Mistakes> {
        for base in &mut bases {
            base.target.protocol = loading.protocol;
        }
        let targets = bases.iter().map(|base| base.target.clone()).collect();
        let shared = Arc::new(Shared {
            secrets: self.secret_feeds(),
            flows,
            templates: compiler.templates,
            bases,
            vars: Arc::new(vars),
            feeds,
            complaints: Complaints::default(),
            writes,
        });
        let mut engine_flows = Vec::with_capacity(shared.flows.len() * shared.bases.len());
        for (n, code) in shared.flows.iter().enumerate() {
            for (at, base) in shared.bases.iter().enumerate() {
                let script = FlowScript::new(shared.clone(), n, at)
                    .map_err(|why| self.mistakes(vec![(format!("flows[{n}]"), why)]))?;
                let flow = Flow::script(code.name.clone(), Arc::new(script)).with_weight(code.weight);
                engine_flows.push(match base.arm {
                    Some(arm) => flow.in_arm(arm),
                    None => flow,
                });
            }
        }
        let mut plan =
            Plan::new(targets, engine_flows).open(loading.profile, loading.arrivals).within(loading.limits);
        plan.duration = loading.duration;
        plan.requests = self.spec.load.requests;
        plan.check().map_err(|error| self.mistakes(vec![("load".to_owned(), error.to_string())]))?;
        let rules = self.rules.clone();
        let primary_limits = self.spec.load.primary_limits.clone();
        Ok(Ready {
            primary_limits,
            plan,
            top_up: loading.top_up,
            most: loading.most,
            rules,
            budget: self.budget(),
            shared,
        })
    }

    /// Nothing in it ends the run.
    fn is_endless(&self, setting: &Setting) -> bool {
        let load = &self.spec.load;
        setting.duration.is_none()
            && load.duration.is_none()
            && load.requests.is_none()
            && matches!(load.mode, Mode::Constant | Mode::TopUp)
            && self.spec.feeds.values().all(|feed| feed.order != OrderSpec::Queue)
    }

    /// Feeds whose rows come from a Secret.
    pub(crate) fn secret_feeds(&self) -> BTreeSet<String> {
        let is_secret = |name: &String| self.spec.sources.get(name).is_some_and(|from| from.secret.is_some());
        self.spec
            .feeds
            .iter()
            .filter(|(_, feed)| is_secret(&feed.from))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// How fast and how long what was written is removed.
    fn budget(&self) -> (f64, Duration) {
        let rate = self.spec.cleanup.rate.as_deref().and_then(|text| crate::quantity::rate(text).ok());
        let time = self.spec.cleanup.time.as_deref().and_then(|text| crate::quantity::length(text).ok());
        (rate.filter(|rate| *rate > 0.0).unwrap_or(CLEANUP_RATE), time.unwrap_or(CLEANUP_TIME))
    }

    fn params(&self, setting: &Setting, compiler: &mut Compiler<'_>) -> BTreeMap<String, serde_json::Value> {
        let mut params = self.spec.params.clone();
        for (name, value) in &setting.params {
            if let Some(known) = params.get_mut(name) {
                *known = like(known, value);
                continue;
            }
            let known: Vec<&str> = self.spec.params.keys().map(String::as_str).collect();
            let why = format!("there is no parameter {name:?}; known are {}", known.join(", "));
            compiler.mistake("params", why);
        }
        for (name, _) in params.iter().filter(|(_, value)| value.is_null()) {
            compiler.mistake(format!("params.{name}"), "it has no value; it has to be set for each run");
        }
        params
    }

    fn feeds(
        &self,
        data: &BTreeMap<String, Bytes>,
        seed: u64,
        compiler: &mut Compiler<'_>,
    ) -> BTreeMap<String, Arc<Feed>> {
        let mut feeds = BTreeMap::new();
        for (name, feed) in &self.spec.feeds {
            let Some(source) = self.spec.sources.get(&feed.from) else { continue };
            let bytes =
                data.get(&feed.from).map(AsRef::as_ref).or(source.inline.as_deref().map(str::as_bytes));
            let format = feed.format.or_else(|| format_of(source.file_name()));
            let read = match (bytes, format) {
                (Some(bytes), Some(format)) => rows(bytes, format),
                (None, _) => Err("it was not fetched".to_owned()),
                (_, None) => continue,
            };
            match read {
                Ok(rows) => {
                    drop(feeds.insert(name.clone(), Arc::new(Feed::new(name, rows, feed.order, seed))));
                }
                Err(why) => {
                    compiler.mistake(format!("feeds.{name}"), format!("the data of {:?}: {why}", feed.from));
                }
            }
        }
        feeds
    }

    fn mistakes(&self, found: Vec<(String, String)>) -> Mistakes {
        self.written.mistakes(found)
    }
}
