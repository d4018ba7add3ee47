//! Load that fills up real traffic to a target, played with the load tester's own law beside a real load that moves.

use std::time::Duration;

use canary_api::GoDuration;
use canary_core::Phase;
use canary_load::{TopUp, TopUpSettings};
use canary_sandbox::{Scenario, TrafficLine};
use jiff::{SignedDuration, Timestamp};

use crate::timeline::{Entry, Story, What};
use crate::world::Subject;

/// How often counters are read, unless the hook says otherwise: by Prometheus, and from the pods.
const PROMETHEUS: Duration = Duration::from_secs(15);
const PODS: Duration = Duration::from_secs(5);
/// The real load of scenarios that say nothing about it: a slow wave, as parts of the target, over so many seconds.
const MEAN: f64 = 0.45;
const SWING: f64 = 0.40;
const WAVE: f64 = 900.0;

/// What a hook asks for.
struct Wanted {
    target: f64,
    settings: TopUpSettings,
}

/// What the load of a canary's hooks does, a line for each of its ticks.
pub(crate) fn lines(subject: &Subject, story: &Story, scenario: &Scenario) -> Vec<Entry> {
    let hooks = subject.plan.hooks.iter().filter_map(|hook| Some((hook, wanted(&hook.metadata)?)));
    hooks
        .flat_map(|(hook, wanted)| {
            let Some((begin, end)) = span(story, &hook.name) else { return Vec::new() };
            let applied = begin.as_second() - story.begin().as_second();
            let real = |second: i64| real(&scenario.real_traffic, wanted.target, applied + second);
            let every = i64::try_from(subject.plan.interval.as_secs()).unwrap_or(60).max(1);
            play(&wanted, begin, end.as_second() - begin.as_second(), every, real)
        })
        .collect()
}

/// Metadata of the task type `load` in the mode `top-up`.
fn wanted(metadata: &std::collections::BTreeMap<String, String>) -> Option<Wanted> {
    let get = |key: &str| metadata.get(key).map(String::as_str);
    (get("type") == Some("load") && get("mode") == Some("top-up")).then_some(())?;
    let rate = |key: &str| {
        let (number, per) = get(key)?.split_once('/').unwrap_or((get(key)?, "s"));
        let rate: f64 = number.trim().parse().ok()?;
        Some(if per == "m" { rate / 60.0 } else { rate }).filter(|rate| rate.is_finite() && *rate > 0.0)
    };
    let target = rate("target")?;
    let usual = if get("pods").is_some() { PODS } else { PROMETHEUS };
    let scrape = get("scrape").and_then(|text| text.parse::<GoDuration>().ok()).map(GoDuration::to_std);
    let mut settings = TopUpSettings::new(target, scrape.filter(|s| !s.is_zero()).unwrap_or(usual));
    settings.max = rate("max").unwrap_or(target);
    Some(Wanted { target, settings })
}

/// From the hook's first call to the end of the progress.
fn span(story: &Story, hook: &str) -> Option<(Timestamp, Timestamp)> {
    let is_call = |entry: &&Entry| matches!(&entry.what, What::Hook { name, .. } if name == hook);
    let begin = story.since_revision().iter().find(is_call)?.at;
    let left = story.positions.iter().find(|(at, p)| *at >= begin && p.phase != Phase::Progressing);
    let end = left.map(|(at, _)| *at).or_else(|| story.entries.last().map(|entry| entry.at))?;
    Some((begin, end))
}

/// Real requests a second, at a second since the revision was applied.
fn real(lines: &[TrafficLine], target: f64, second: i64) -> f64 {
    let second = f64::from(i32::try_from(second).unwrap_or(i32::MAX));
    if lines.is_empty() {
        return target * (MEAN - SWING * (std::f64::consts::TAU * second / WAVE).cos());
    }
    let due = |line: &&TrafficLine| {
        line.after_seconds.is_none_or(|after| f64::from(u32::try_from(after).unwrap_or(u32::MAX)) <= second)
    };
    lines.iter().rfind(due).map_or(0.0, |line| line.requests)
}

/// Second by second: what is counted, what is read of it, and what the law makes of that.
fn play(
    wanted: &Wanted,
    begin: Timestamp,
    seconds: i64,
    every: i64,
    real: impl Fn(i64) -> f64,
) -> Vec<Entry> {
    let mut law = TopUp::new(wanted.settings);
    let scrape = i64::try_from(wanted.settings.scrape.as_secs()).unwrap_or(5).max(1);
    let (mut counter, mut sent, mut entries) = (0.0, 0.0, Vec::new());
    for second in 0..=seconds {
        let now = Duration::from_secs(second.unsigned_abs());
        law.sent(now, sent);
        if second % scrape == 0 {
            law.sample("pods", now, counter);
        }
        let step = law.step(now);
        let rate = step.rate;
        if second > 0 && second % every == 0 {
            let what = What::Load {
                target: wanted.target,
                real: real(second),
                own: rate,
                state: format!("{:?}", step.state).to_lowercase(),
            };
            entries.push(Entry { at: begin + SignedDuration::from_secs(second), what });
        }
        counter += real(second) + rate;
        sent += rate;
    }
    entries
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn metadata(more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let all = [("type", "load"), ("mode", "top-up"), ("target", "100/s"), ("scrape", "5s")];
        all.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn played(more: &[(&str, &str)], real: impl Fn(i64) -> f64) -> Vec<(f64, f64)> {
        let lines = play(&wanted(&metadata(more)).unwrap(), Timestamp::UNIX_EPOCH, 600, 60, real);
        let rates = lines.into_iter().map(|entry| {
            let What::Load { real, own, .. } = entry.what else { panic!("{:?}", entry.what) };
            (real, own)
        });
        rates.collect()
    }

    #[test]
    fn real_and_own_requests_together_reach_the_target() {
        for (real, own) in played(&[], |_| 40.0) {
            assert!((real + own - 100.0).abs() < 1.0, "{real} + {own}");
        }
        let moving = played(&[], |second| real(&[], 100.0, second));
        assert_eq!(moving.len(), 10);
        for (real, own) in &moving[1..] {
            assert!((real + own - 100.0).abs() < 10.0, "{moving:?}");
        }
        assert!(moving.iter().any(|(real, _)| *real > 80.0) && moving.iter().any(|(real, _)| *real < 20.0));
    }

    #[test]
    fn it_gives_way_and_keeps_to_its_limit() {
        let jump = |second: i64| if second < 300 { 10.0 } else { 150.0 };
        assert!(played(&[], jump).last().unwrap().1 < 0.5);
        assert!(played(&[("max", "600/m")], |_| 0.0).iter().all(|(_, own)| *own <= 10.0));
    }

    #[test]
    fn other_hooks_make_no_load() {
        assert!(wanted(&metadata(&[("mode", "constant")])).is_none());
        assert!(wanted(&metadata(&[("type", "bash")])).is_none());
        assert!(wanted(&metadata(&[("target", "fast")])).is_none());
    }

    #[test]
    fn the_scenario_says_how_much_real_traffic_there_is() {
        let line = |after_seconds, requests| {
            let mut line = TrafficLine::default();
            (line.after_seconds, line.requests) = (after_seconds, requests);
            line
        };
        let lines = [line(None, 5.0), line(Some(60), 70.0)];
        assert_eq!((real(&lines, 100.0, 59), real(&lines, 100.0, 60)), (5.0, 70.0));
    }
}
