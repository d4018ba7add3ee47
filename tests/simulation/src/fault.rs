//! What goes wrong, and when: drawn from the seed as a list, so that a list with fewer entries can be tried.

use std::fmt;

use crate::command::Word;
use crate::dice::Dice;
use crate::edit::Edit;
use crate::setting::{AUTOSCALERS, CANARIES, DEPLOYMENTS, HTTP_ROUTES, Setting, VIRTUAL_SERVICES};

/// The moment of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// As the request with that number arrives.
    Request(u64),
    /// That many seconds after the beginning.
    Second(u64),
}

/// How metrics and hooks answer for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    Bad,
    Silent,
    Broken,
    Slow,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The request is refused.
    Refused(u16),
    /// So many requests in a row are refused.
    Outage(u16, u64),
    /// The connection breaks before the request takes effect.
    Lost,
    /// The request takes effect and is not answered.
    Unanswered,
    /// The request takes that many seconds.
    Slow(u64),
    /// The process dies, before the request takes effect or after; the next one starts that many seconds later.
    Killed { after: bool, down: u64 },
    /// Caches of that kind are told nothing for so many seconds.
    Stale(&'static str, u64),
    /// Watches of that kind are told the last changes again.
    Repeated(&'static str, usize),
    /// All watches break.
    WatchesCut,
    /// All watches are told that their past is gone.
    WatchesExpired,
    /// A second controller works beside the first for so many seconds, as after a lost lease.
    Second(u64),
    /// The controller's clock jumps.
    Clock(i64),
    /// Metrics answer so, for so many seconds.
    Metrics(Mood, u64),
    /// Hooks answer so, for so many seconds.
    Hooks(Mood, u64),
    /// The primary's pods are not ready for so many seconds.
    PrimaryDown(u64),
    /// The pods of the next revision never become ready.
    BrokenImage,
    /// The user does something.
    User(Edit),
    /// A person gives a command.
    Said(Word),
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) when: Moment,
    pub(crate) what: What,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}", self.when, self.what)
    }
}

impl What {
    /// A word for the summary.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Outage(..) => "outage",
            Self::Lost => "lost",
            Self::Unanswered => "unanswered",
            Self::Slow(_) => "slow",
            Self::Killed { .. } => "killed",
            Self::Stale(..) => "stale cache",
            Self::Repeated(..) => "repeated events",
            Self::WatchesCut => "watches cut",
            Self::WatchesExpired => "watches expired",
            Self::Second(_) => "second controller",
            Self::Clock(_) => "clock jump",
            Self::Metrics(..) => "metrics",
            Self::Hooks(..) => "hooks",
            Self::PrimaryDown(_) => "primary down",
            Self::BrokenImage => "broken image",
            Self::User(_) => "user edit",
            Self::Said(_) => "command",
        }
    }
}

/// The kinds whose caches can be behind.
const KINDS: [&str; 6] = [CANARIES, DEPLOYMENTS, "services", VIRTUAL_SERVICES, HTTP_ROUTES, AUTOSCALERS];

/// One to about ten faults, and in some runs people who give commands.
pub(crate) fn draw(dice: &mut Dice, setting: &Setting) -> Vec<Fault> {
    let count = dice.between(1, 4) + if dice.one_in(3) { dice.between(0, 8) } else { 0 };
    let mut faults: Vec<_> = (0..count).map(|_| one(dice, setting)).collect();
    if dice.one_in(3) {
        for _ in 0..dice.between(1, 4) {
            let when = moment(dice.one_in(2), dice);
            faults.push(Fault { when, what: What::Said(Word::draw(dice)) });
        }
    }
    faults
}

fn moment(of_request: bool, dice: &mut Dice) -> Moment {
    if of_request { Moment::Request(dice.between(1, 110)) } else { Moment::Second(dice.between(0, 150)) }
}

fn one(dice: &mut Dice, setting: &Setting) -> Fault {
    let code = dice.pick(&[409, 429, 500, 503]);
    let (of_request, what) = match dice.between(0, 33) {
        0..=3 => (true, What::Refused(code)),
        4 => (true, What::Outage(code, dice.between(2, 12))),
        5..=6 => (true, What::Lost),
        7..=9 => (true, What::Unanswered),
        10 => (true, What::Slow(dice.between(1, 40))),
        11..=14 => (true, What::Killed { after: dice.one_in(2), down: dice.pick(&[0, 0, 3, 30, 200]) }),
        15..=16 => (dice.one_in(2), What::Stale(dice.pick(&KINDS), dice.between(1, 60))),
        17 => (dice.one_in(2), What::Repeated(dice.pick(&KINDS), 5)),
        18 => (dice.one_in(2), What::WatchesCut),
        19 => (dice.one_in(2), What::WatchesExpired),
        20..=21 => (dice.one_in(2), What::Second(dice.between(5, 200))),
        22 => (false, What::Clock(dice.pick(&[-7200, -90, -11, 11, 90, 7200]))),
        23..=24 => {
            let mood = dice.pick(&[Mood::Bad, Mood::Silent, Mood::Broken, Mood::Slow]);
            (false, What::Metrics(mood, dice.between(5, 60)))
        }
        25 => (false, What::Hooks(dice.pick(&[Mood::Bad, Mood::Broken, Mood::Slow]), dice.between(5, 60))),
        26 => (false, What::PrimaryDown(dice.between(5, 120))),
        27 => (false, What::BrokenImage),
        _ => (dice.one_in(2), What::User(Edit::draw(dice, setting))),
    };
    Fault { when: moment(of_request, dice), what }
}
