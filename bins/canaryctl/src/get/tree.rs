//! The tree, as text of a given width.

use anstyle::{AnsiColor, Style};
use canary_core::{Check, CheckSource, Hook, Phase, Plan, Weights};
use jiff::Timestamp;

use crate::live::{Facts, Receiver, Side, Told, age, span};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// So many of the latest events are shown.
const EVENTS: usize = 5;
/// Cells of the bar of weights.
const BAR: usize = 20;

/// A line of the tree and the lines below it.
struct Node {
    style: Style,
    text: String,
    /// What stands there instead where the text is too wide.
    narrow: Option<String>,
    below: Vec<Node>,
}

fn node(text: impl Into<String>) -> Node {
    Node { style: Style::new(), text: text.into(), narrow: None, below: Vec::new() }
}

impl Node {
    fn styled(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    fn over(mut self, below: Vec<Node>) -> Self {
        self.below = below;
        self
    }
}

/// The canary and what is around it, no line wider than `width`.
pub(crate) fn draw(facts: &Facts, now: Timestamp, width: usize) -> String {
    let mut all = Vec::new();
    all.extend(facts.target.as_ref().map(|s| side("target", s, now)));
    all.extend(facts.primary.as_ref().map(|s| side("primary", s, now)));
    match &facts.valid {
        Ok((_, plan)) => {
            all.push(traffic(facts, plan));
            all.extend(group("checks", plan.checks.iter().map(|c| check(facts, c, now)).collect()));
            all.extend(group("hooks", plan.hooks.iter().map(|h| hook(facts, h)).collect()));
            all.extend(group("alerts", facts.alerts.iter().map(|r| receiver(facts, r, now)).collect()));
            all.extend(pace(facts, plan, now));
            all.extend(failed_check(facts, now));
        }
        Err(problem) => all.push(node(problem).styled(BAD)),
    }
    all.extend(orders(facts));
    // What became of alerts stands with them.
    let told = facts.events.iter().filter(|e| e.undelivered.is_none()).take(EVENTS).map(|e| {
        let style = if e.warning { WARN } else { DIM };
        node(format!("{:>5} ago  {}", age(e.at, now), e.text)).styled(style)
    });
    all.extend(group("events", told.collect()));
    let mut text = format!("{}\n", fit(&head(facts, now), width, BOLD));
    lines(&all, "", width, &mut text);
    text
}

/// The same in one line, for logs.
pub(crate) fn line(facts: &Facts) -> String {
    let side = |s: &Option<Side>| s.as_ref().map_or("-".into(), |s| format!("{}/{}", s.ready, s.wanted));
    let last = facts.events.first().map(|e| format!(": {}", e.text)).unwrap_or_default();
    format!(
        "{} {} weight {} target {} primary {}{last}",
        facts.label(),
        facts.phase(),
        facts.weight(),
        side(&facts.target),
        side(&facts.primary)
    )
}

fn head(facts: &Facts, now: Timestamp) -> String {
    let since = facts.status.last_transition.map(|t| format!(" for {}", age(t, now))).unwrap_or_default();
    let mut text = format!("{}  {}{since}", facts.label(), facts.phase());
    if facts.suspended {
        text += "  suspended";
    }
    if facts.steering.paused.is_some() {
        text += "  paused";
    }
    text
}

fn side(role: &str, side: &Side, now: Timestamp) -> Node {
    let text = |images: &[String]| {
        let Side { kind, name, ready, wanted, .. } = side;
        format!("{role:<8} {kind}/{name}  {ready}/{wanted} ready  {}", images.join(", "))
    };
    // The tag is what differs, not the registry.
    let short = |image: &String| image.rsplit('/').next().unwrap_or_default().to_owned();
    let style = if side.ready < side.wanted { WARN } else { Style::new() };
    let pods = side.pods.iter().map(|pod| {
        let old = pod.created.map(|t| age(t, now)).unwrap_or_default();
        let restarts = if pod.restarts > 0 { format!("  {} restarts", pod.restarts) } else { String::new() };
        let (mark, style) = if pod.ready { ("ready", GOOD) } else { ("not ready", WARN) };
        node(format!("Pod {}  {mark}  {}  {old}{restarts}", pod.name, pod.state)).styled(style)
    });
    let mut line = node(text(&side.images)).styled(style).over(pods.collect());
    line.narrow = Some(text(&side.images.iter().map(short).collect::<Vec<_>>()));
    line
}

fn traffic(facts: &Facts, plan: &Plan) -> Node {
    let (text, style) = match &facts.weights {
        Ok(Some(weights)) => (format!("{}  {}", bar(*weights), weights), Style::new()),
        Ok(None) if plan.capabilities.weighted => ("no route yet".into(), DIM),
        Ok(None) => ("the Service decides: this provider has no weights".into(), DIM),
        Err(error) => (format!("cannot be read: {error}"), BAD),
    };
    let routes = facts.routes.iter().map(node);
    let services = facts.services.iter().map(|(name, selector)| match selector.as_str() {
        "" => node(format!("Service {name}")),
        selector => node(format!("Service {name}  -> {selector}")),
    });
    node(format!("traffic  {}  {text}", plan.provider)).styled(style).over(routes.chain(services).collect())
}

/// The canary's share as blocks.
fn bar(weights: Weights) -> String {
    let filled = usize::from(weights.canary.percent()) * BAR / 100;
    format!("[{}{}]", "#".repeat(filled), ".".repeat(BAR - filled))
}

/// The name under which events speak of a check.
pub(crate) fn check_name(check: &Check) -> &str {
    match check.source {
        CheckSource::SuccessRate => "success rate",
        CheckSource::Duration => "request duration",
        CheckSource::Inline | CheckSource::Template | CheckSource::Nothing => &check.name,
    }
}

fn check(facts: &Facts, check: &Check, now: Timestamp) -> Node {
    let bounds = match (check.bounds.min, check.bounds.max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any value".into(),
    };
    // Events of ours hold what their tick found; those of Flagger say it of bad values, and a step means good ones.
    let halted = |e: &&Told| e.warning && e.text.contains("Halt") && e.text.contains(check_name(check));
    let value = |e: &Told| e.values.get(&check.name).copied();
    let of_this_rollout =
        || facts.events.iter().take_while(|e| !e.text.starts_with("New revision detected! Scaling"));
    let unanswered = |e: &Told| e.unanswered.as_ref().filter(|(name, _)| *name == check.name).cloned();
    let spoke = of_this_rollout().find(|e| value(e).is_some() || unanswered(e).is_some() || halted(e));
    let moved = of_this_rollout().find(|e| e.text.starts_with("Advance ") || e.text.starts_with("Copying "));
    let (text, style) = match (spoke, moved) {
        (Some(told), _) if value(told).is_some() => {
            let value = value(told).unwrap_or_default();
            // Durations are judged as whole milliseconds.
            let judged = if check.source == CheckSource::Duration { value.trunc() } else { value };
            let bad = check.bounds.violation(judged).is_some();
            let (word, style) = if bad { ("bad", WARN) } else { ("good", GOOD) };
            (format!("{:<10} {word}  {} ago", number(value), age(told.at, now)), style)
        }
        (Some(told), _) if unanswered(told).is_some() => {
            let trouble = unanswered(told).map(|(_, trouble)| trouble.replace('-', " ")).unwrap_or_default();
            (format!("{trouble}  {} ago", age(told.at, now)), WARN)
        }
        (Some(bad), moved) if moved.is_none_or(|m| m.at < bad.at) => {
            let value = bad.text.split(check_name(check)).last().unwrap_or_default().trim();
            (format!("{value}  {} ago", age(bad.at, now)), WARN)
        }
        (_, Some(good)) if is_analysed(facts.phase()) => (format!("good  {} ago", age(good.at, now)), GOOD),
        _ => ("not asked".into(), DIM),
    };
    node(format!("{:<24} {bounds:<14} {text}", check.name)).styled(style)
}

/// At most two digits behind the point, and none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Who is alerted of what, and whether that fails.
fn receiver(facts: &Facts, receiver: &Receiver, now: Timestamp) -> Node {
    let rule = &receiver.rule;
    let provider = format!("AlertProvider {}.{}", rule.provider.1, rule.provider.0);
    let (state, style) = match &receiver.provider {
        Ok(service) => (format!("{service}  by {provider}"), Style::new()),
        Err(missing) => (format!("{provider}: {missing}"), BAD),
    };
    let undelivered = facts.events.iter().find(|e| e.undelivered.as_ref() == Some(&rule.name)).map(|told| {
        let why = told.text.split_once(&format!("{}: ", rule.name)).map_or("", |(_, why)| why);
        node(format!("not delivered {} ago: {why}", age(told.at, now))).styled(BAD)
    });
    let text = format!("{:<24} {:<15}  {state}", rule.name, format!("{} and above", rule.severity));
    node(text).styled(style).over(undelivered.into_iter().collect())
}

fn is_analysed(phase: Phase) -> bool {
    matches!(phase, Phase::Progressing | Phase::WaitingPromotion | Phase::Promoting | Phase::Finalising)
}

fn hook(facts: &Facts, hook: &Hook) -> Node {
    let said = facts.steering.gates.get(&hook.name);
    let (state, style) = match said {
        Some(gate) if gate.open => (format!("approved by {}", gate.order.by), GOOD),
        Some(gate) => (format!("denied by {}", gate.order.by), BAD),
        None if hook.kind.is_gate() && hook.url.is_empty() => ("opened by approval".into(), WARN),
        None => (String::new(), Style::new()),
    };
    node(format!("{:<24} {:<24} {state}", hook.name, hook.kind.as_str())).styled(style)
}

/// Failed checks, and when the next tick is.
fn pace(facts: &Facts, plan: &Plan, now: Timestamp) -> Vec<Node> {
    let failed = facts.status.failed_checks;
    let mut all = Vec::new();
    if !facts.phase().is_at_rest() {
        let style = if failed > 0 { WARN } else { Style::new() };
        all.push(node(format!("failed checks {failed} of {}", plan.threshold)).styled(style));
        if let Some(last) = facts.status.last_transition {
            // Ticks that wrote nothing are not in the status, but their rhythm is.
            let (interval, gone) =
                (plan.interval.as_secs().max(1), now.duration_since(last).as_secs().max(0));
            let rest = interval - u64::try_from(gone).unwrap_or(0) % interval;
            let rest = i64::try_from(rest).unwrap_or(0);
            all.push(node(format!(
                "next tick within {} of every {}",
                span(rest),
                span(interval.cast_signed())
            )));
        }
    }
    all
}

/// The last failed check, each of its parts on a line.
fn failed_check(facts: &Facts, now: Timestamp) -> Option<Node> {
    let failed = facts.failed_check.as_ref()?;
    let mut parts = failed.text.split("; ").map(node);
    let first = parts.next()?;
    let text = format!("last failed check {} ago  {}  {}", age(failed.at, now), failed.trouble, first.text);
    Some(node(text).styled(WARN).over(parts.collect()))
}

fn orders(facts: &Facts) -> Vec<Node> {
    let mut all = Vec::new();
    let said = |what: &str, order: &canary_core::Order| {
        let why = if order.reason.is_empty() { String::new() } else { format!(": {}", order.reason) };
        node(format!("{what} by {}{why}", order.by)).styled(WARN)
    };
    let steering = &facts.steering;
    all.extend(steering.paused.as_ref().map(|o| said("paused", o)));
    if !facts.phase().is_at_rest() {
        all.extend(steering.promote.as_ref().map(|p| said("promotion ordered", &p.order)));
        all.extend(steering.abort.as_ref().map(|o| said("abort ordered", o)));
    }
    if facts.pending().is_some() {
        all.push(node("a command was given and not taken yet: is the controller running?").styled(BAD));
    }
    all
}

fn group(name: &str, below: Vec<Node>) -> Option<Node> {
    (!below.is_empty()).then(|| node(name).over(below))
}

fn lines(nodes: &[Node], indent: &str, width: usize, text: &mut String) {
    for (n, node) in nodes.iter().enumerate() {
        let last = n + 1 == nodes.len();
        let (branch, trunk) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let room = width.saturating_sub(indent.chars().count() + 3);
        let wide = node.text.trim_end();
        let shown = node.narrow.as_deref().filter(|_| wide.chars().count() > room).unwrap_or(wide);
        let line = fit(shown, room, node.style);
        text.extend([indent, branch, &line, "\n"]);
        lines(&node.below, &format!("{indent}{trunk}"), width, text);
    }
}

/// The text within that width, what is too long cut with an ellipsis.
fn fit(text: &str, width: usize, style: Style) -> String {
    let cut = if text.chars().count() > width {
        let kept: String = text.chars().take(width.saturating_sub(1)).collect();
        format!("{}…", kept.trim_end())
    } else {
        text.to_owned()
    };
    if style == Style::new() { cut } else { format!("{style}{cut}{style:#}") }
}
