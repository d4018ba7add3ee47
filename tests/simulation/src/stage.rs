//! One run: the cluster, the faults that are still to come, and what they do when their moment is there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use canary_sandbox::{RequestInfo, Sandbox, Verdict};
use jiff::{SignedDuration, Timestamp};

use crate::command::{self, Word};
use crate::dice::Dice;
use crate::edit::{Edit, apply, apply_image};
use crate::ending::at_the_end;
use crate::fault::{self, Fault, Moment, Mood, What};
use crate::ledger::Ledger;
use crate::process;
use crate::scene::{available, canary, scene};
use crate::setting::{PRIMARY, Setting, bystanders};
use crate::world::{World, lock, rule_pods};

/// Trouble lasts so long; then all is well, and the canary has to come to rest.
const TROUBLE: i64 = 200;
/// Caches that had to begin again may be behind for so long.
const RELIST: i64 = 45;

/// How long a user waits before he does something about an image that cannot run.
const PATIENCE: i64 = 30;

/// One run.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) setting: Setting,
    pub(crate) world: Arc<World>,
    pub(crate) ledger: Mutex<Ledger>,
    faults: Vec<Fault>,
    begin: Timestamp,
    /// Which faults had their moment.
    done: Mutex<Vec<bool>>,
    /// Requests that are still refused, and how.
    outage: Mutex<(u64, u16)>,
    /// How long the next process takes to start.
    pub(crate) down: AtomicU64,
    primary_down_until: Mutex<Option<Timestamp>>,
    calm: AtomicBool,
    pub(crate) fired: Mutex<BTreeMap<&'static str, u64>>,
    /// How many commands were given.
    said: AtomicU64,
    log: Mutex<Log>,
}

/// More requests than any run needs.
const ENDLESS: u64 = 3_000;

/// The requests of a run.
#[derive(Debug, Default)]
struct Log {
    digest: u64,
    count: u64,
    text: Option<String>,
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was wrong, first things first.
    pub(crate) problems: Vec<String>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) fired: BTreeMap<&'static str, u64>,
    pub(crate) requests: u64,
    /// Of all requests, their times and what became of them.
    pub(crate) digest: u64,
    /// The last phase.
    pub(crate) phase: String,
    /// Commands that were carried out, and those that were refused.
    pub(crate) commands: (u64, u64),
    /// Simulated seconds.
    pub(crate) seconds: i64,
    pub(crate) log: Option<String>,
    pub(crate) setting: Setting,
}

/// Plays the run of a seed, with its own faults or with those.
pub(crate) fn play(seed: u64, faults: Option<Vec<Fault>>, keep_log: bool) -> anyhow::Result<Outcome> {
    let mut dice = Dice::new(seed);
    let setting = Setting::draw(&mut dice);
    let drawn = fault::draw(&mut dice, &setting);
    let stage = Stage::new(setting, faults.unwrap_or(drawn), keep_log)?;
    let problem = process::run(&stage);
    Ok(stage.close(problem))
}

impl Stage {
    fn new(setting: Setting, faults: Vec<Fault>, keep_log: bool) -> anyhow::Result<Arc<Self>> {
        let sandbox = setting.cluster()?;
        let begin = sandbox.now();
        let world = Arc::new(World::new(begin));
        rule_pods(&sandbox, &world);
        let stage = Arc::new(Self {
            sandbox: sandbox.clone(),
            setting,
            world,
            ledger: Mutex::default(),
            done: Mutex::new(vec![false; faults.len()]),
            faults,
            begin,
            outage: Mutex::new((0, 0)),
            down: AtomicU64::new(0),
            primary_down_until: Mutex::new(None),
            calm: AtomicBool::new(false),
            fired: Mutex::default(),
            said: AtomicU64::new(0),
            log: Mutex::new(Log { text: keep_log.then(String::new), ..Log::default() }),
        });
        stage.note();
        let judge = Arc::clone(&stage);
        sandbox.intercept(move |request| judge.judge(request));
        let inspector = Arc::clone(&stage);
        sandbox.after_each_request(move |request, view| {
            lock(&inspector.ledger).inspect(request, view, &inspector.setting)
        });
        Ok(stage)
    }

    /// Takes note of what was changed past the API.
    fn note(&self) {
        self.sandbox.view(|view| lock(&self.ledger).note(view, &self.setting));
    }

    /// Seconds since the beginning.
    pub(crate) fn age(&self) -> i64 {
        self.sandbox.now().duration_since(self.begin).as_secs()
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Whether nothing has gone wrong for so many seconds.
    pub(crate) fn is_calm_since(&self, seconds: i64) -> bool {
        self.is_calm() && self.age() >= TROUBLE + seconds
    }

    pub(crate) fn phase(&self) -> String {
        self.sandbox.view(|view| canary(view)["status"]["phase"].as_str().unwrap_or_default().to_owned())
    }

    /// The user of the story: the first new revision.
    pub(crate) fn release(&self) {
        apply_image(&self.sandbox, "podinfo:1");
        self.tell("the user applies podinfo:1");
        self.note();
    }

    /// What is to become of a request.
    fn judge(self: &Arc<Self>, request: &RequestInfo) -> Verdict {
        let now = self.sandbox.now();
        self.world.pass(now);
        let verdict = if self.is_calm() { Verdict::Pass } else { self.verdict(request) };
        let line = format!("{now} {request} {verdict:?}");
        let mut log = lock(&self.log);
        log.count += 1;
        for byte in line.bytes() {
            log.digest = (log.digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        if let Some(text) = &mut log.text {
            let _ = writeln!(text, "{line}");
        }
        // Simulated time stands still while somebody asks again and again.
        if log.count > ENDLESS { Verdict::KillBefore } else { verdict }
    }

    /// Whether the process was ended because it asked without end.
    pub(crate) fn asked_without_end(&self) -> bool {
        lock(&self.log).count > ENDLESS
    }

    /// Puts what is no request into the log.
    fn tell(&self, what: &str) {
        if let Some(text) = &mut lock(&self.log).text {
            let _ = writeln!(text, "{} {what}", self.sandbox.now());
        }
    }

    fn verdict(self: &Arc<Self>, request: &RequestInfo) -> Verdict {
        for n in 0..self.faults.len() {
            if self.faults[n].when == Moment::Request(request.n)
                && let Some(verdict) = self.strike(n, Some(request))
            {
                return verdict;
            }
        }
        let mut outage = lock(&self.outage);
        if outage.0 > 0 {
            outage.0 -= 1;
            return Verdict::FailBefore(outage.1);
        }
        Verdict::Pass
    }

    /// Lets faults happen whose second has come; moods end.
    pub(crate) fn pass(self: &Arc<Self>) {
        let now = self.sandbox.now();
        self.world.pass(now);
        if self.is_calm() {
            let (gone, word) =
                self.sandbox.view(|view| (canary(view).is_null(), command::last_word(canary(view))));
            if gone {
                // Its deletion, which was under way when all trouble ended, is over now.
                apply(&self.sandbox, &self.setting);
                self.note();
            }
            if let Some(word) = word {
                self.say(word);
            }
            return self.apply_a_fix();
        }
        if self.age() >= TROUBLE {
            return self.make_calm();
        }
        for n in 0..self.faults.len() {
            if let Moment::Second(at) = self.faults[n].when
                && i64::try_from(at).is_ok_and(|at| at <= self.age())
            {
                self.strike(n, None);
            }
        }
        if lock(&self.primary_down_until).is_some_and(|until| now >= until) {
            self.mend_primary();
        }
    }

    /// When something is to happen by itself.
    pub(crate) fn next_second(&self) -> i64 {
        let done = lock(&self.done).clone();
        let coming = self.faults.iter().zip(done).filter_map(|(fault, done)| match fault.when {
            Moment::Second(at) if !done => i64::try_from(at).ok(),
            Moment::Second(_) | Moment::Request(_) => None,
        });
        let mend = lock(&self.primary_down_until).map(|at| at.duration_since(self.begin).as_secs());
        let soon = self.age() + 5;
        coming.chain(mend).chain([soon]).filter(|at| *at > self.age()).min().unwrap_or(soon)
    }

    /// A fault happens; of a request it says what becomes of it.
    fn strike(self: &Arc<Self>, n: usize, request: Option<&RequestInfo>) -> Option<Verdict> {
        if std::mem::replace(&mut lock(&self.done)[n], true) {
            return None;
        }
        let what = self.faults[n].what;
        self.tell(&format!("{what:?}"));
        *lock(&self.fired).entry(what.name()).or_default() += 1;
        let reads = request.is_some_and(|r| matches!(r.verb, "watch" | "list" | "get"));
        let verdict = self.happen(what);
        if verdict.is_some() && reads
            || matches!(what, What::Outage(..) | What::WatchesCut | What::WatchesExpired)
        {
            self.stale(RELIST);
        }
        verdict
    }

    fn happen(self: &Arc<Self>, what: What) -> Option<Verdict> {
        let after = |seconds: u64| {
            self.sandbox.now().checked_add(Duration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
        };
        match what {
            What::Refused(code) => return Some(Verdict::FailBefore(code)),
            What::Outage(code, count) => *lock(&self.outage) = (count, code),
            What::Lost => return Some(Verdict::DropBefore),
            What::Unanswered => return Some(Verdict::DropAfter),
            What::Slow(seconds) => {
                self.stale(i64::try_from(seconds).unwrap_or(0));
                return Some(Verdict::Delay(Duration::from_secs(seconds)));
            }
            What::Killed { after, down } => {
                self.down.store(down, Ordering::Relaxed);
                return Some(if after { Verdict::KillAfter } else { Verdict::KillBefore });
            }
            What::Stale(kind, seconds) => {
                self.sandbox.hold_watches(kind, Duration::from_secs(seconds));
                self.stale(i64::try_from(seconds).unwrap_or(0));
            }
            What::Repeated(kind, count) => self.sandbox.repeat_changes(kind, count),
            What::WatchesCut => self.sandbox.cut_watches(),
            What::WatchesExpired => {
                self.sandbox.forget_history();
                self.sandbox.expire_watches();
            }
            What::Second(seconds) => {
                lock(&self.ledger).commands.doubled_until(after(seconds));
                process::add_controller(self, Duration::from_secs(seconds));
            }
            What::Clock(seconds) => self.world.jump(seconds),
            What::Metrics(mood, seconds) => self.world.set_metrics(mood, after(seconds)),
            What::Hooks(mood, seconds) => self.world.set_hooks(mood, after(seconds)),
            What::PrimaryDown(seconds) => {
                *lock(&self.primary_down_until) = Some(after(seconds));
                self.world.set_primary_down(true);
                self.sandbox.reconsider_pods();
            }
            What::BrokenImage => self.world.break_image("podinfo:1".into()),
            What::Said(word) => self.say(word),
            What::User(edit) => {
                edit.make(&self.sandbox, &self.setting);
                self.note();
            }
        }
        None
    }

    fn say(&self, word: Word) {
        let n = self.said.fetch_add(1, Ordering::Relaxed);
        word.say(&self.sandbox, &format!("command-{n}"));
        self.tell(&format!("{word:?}"));
    }

    fn stale(&self, seconds: i64) {
        let until = self.sandbox.now() + SignedDuration::from_secs(seconds);
        lock(&self.ledger).stale_until(until);
    }

    fn mend_primary(&self) {
        *lock(&self.primary_down_until) = None;
        self.world.set_primary_down(false);
        self.sandbox.reconsider_pods();
    }

    /// From here on nothing goes wrong any more, but for the release itself.
    fn make_calm(&self) {
        self.calm.store(true, Ordering::Relaxed);
        self.tell("all trouble is over");
        self.mend_primary();
        let mood = if self.setting.bad_release { Mood::Bad } else { Mood::Good };
        self.world.set_metrics(mood, Timestamp::MAX);
        self.world.set_hooks(Mood::Good, Timestamp::MAX);
        apply(&self.sandbox, &self.setting);
        Edit::Suspend(false).make(&self.sandbox, &self.setting);
        Edit::SkipAnalysis(self.setting.way == crate::setting::Way::Skip).make(&self.sandbox, &self.setting);
        self.note();
    }

    /// A user who sees that nothing serves, since the image cannot run, applies one that can.
    fn apply_a_fix(&self) {
        let phase = self.phase();
        let helpless = self.sandbox.view(|view| {
            let image = scene(view, self.setting.mesh).target_image;
            let waits = matches!(phase.as_str(), "Initializing" | "Terminating");
            self.world.is_broken(&image) && (waits || available(view, PRIMARY) == 0)
        });
        if helpless && self.age() >= TROUBLE + PATIENCE {
            apply_image(&self.sandbox, "podinfo:fixed");
            self.tell("the user applies an image that can run");
            self.note();
            lock(&self.ledger).last_write = Some(self.sandbox.now());
        }
    }

    fn close(self: &Arc<Self>, problem: Option<String>) -> Outcome {
        let mut problems = self.sandbox.violations();
        problems.extend(process::panics());
        problems.extend(problem);
        if problems.is_empty() {
            let ledger = lock(&self.ledger);
            let is_broken = |image: &str| self.world.is_broken(image);
            let ended =
                self.sandbox.view(|view| at_the_end(view, &ledger, &self.setting, &bystanders(), is_broken));
            problems.extend(ended.err());
            let whole = ["killed", "outage", "second controller", "user edit"];
            let quiet = !lock(&self.fired).keys().any(|name| whole.contains(name));
            problems.extend(crate::told::check(&self.sandbox, &ledger.phases, quiet).err());
        }
        // The closures hold this run.
        self.sandbox.stop_intercepting();
        self.sandbox.after_each_request(|_, _| Ok(()));
        let mut log = lock(&self.log);
        Outcome {
            problems,
            faults: self.faults.clone(),
            fired: lock(&self.fired).clone(),
            requests: log.count,
            digest: log.digest,
            phase: self.phase(),
            commands: lock(&self.ledger).commands.counts(),
            seconds: self.age(),
            log: log.text.take(),
            setting: self.setting.clone(),
        }
    }
}
