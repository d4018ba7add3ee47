//! The report as a page: charts are drawn in it, nothing is loaded from anywhere.

use std::fmt::Write;

use super::{RunReport, Second, escaped};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222}\
table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #ddd}\
td:first-child,th:first-child{text-align:left}.bad{color:#b00020;font-weight:600}.good{color:#0a7a3d}\
svg{width:100%;height:auto;background:#fafafa}text{font:11px system-ui,sans-serif;fill:#555}pre{white-space:pre-wrap}";
const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 20.0;

/// What a line of a chart shows.
type Line = (&'static str, &'static str, fn(&Second) -> f64);

pub(super) fn html(report: &RunReport) -> String {
    let (name, run) = (escaped(&report.scenario), escaped(&report.run));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{name} {run}</title><style>{STYLE}</style>\n\
         <h1>{name}</h1><p>{run}, {}</p><p>{}</p>\n",
        escaped(&report.began),
        escaped(&report.load.to_string())
    );
    if !report.rules.is_empty() {
        page.push_str("<h2>Rules</h2><table><tr><th>rule</th><th>found</th><th></th></tr>\n");
        for rule in &report.rules {
            let (class, word) = if rule.held { ("good", "held") } else { ("bad", "broken") };
            let (text, found) = (escaped(&rule.rule), escaped(&rule.found));
            let _ =
                writeln!(page, "<tr><td>{text}</td><td>{found}</td><td class=\"{class}\">{word}</td></tr>");
        }
        page.push_str("</table>\n");
    }
    let lines: [Line; 3] = [
        ("wanted", "#bbb", |second| second.rate),
        ("sent", "#1f6feb", |second| real(second.sent)),
        ("failed", "#b00020", |second| real(second.errors + second.not_sent)),
    ];
    page.push_str(&chart("Requests per second", &report.seconds, &lines));
    let lines: [Line; 2] = [("p50", "#0a7a3d", |second| second.p50), ("p99", "#d97706", |second| second.p99)];
    page.push_str(&chart("Latency from the intended start, ms", &report.seconds, &lines));
    page.push_str(
        "<h2>Steps</h2><table><tr><th>step</th><th>sent</th><th>not sent</th><th>errors</th><th>p50 ms</th><th>p95 ms</th>\
         <th>p99 ms</th><th>max ms</th></tr>\n",
    );
    for step in &report.load.steps {
        let errors: Vec<String> =
            step.errors.iter().map(|(class, times)| format!("{class} {times}")).collect();
        let q = step.latency;
        let _ = writeln!(
            page,
            "<tr><td>{} / {}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.1}</td><td>{:.1}</td><td>{:.1}</td><td>{:.1}</td></tr>",
            escaped(&step.flow),
            escaped(&step.step),
            step.sent,
            step.not_sent.total(),
            errors.join(", "),
            q.p50,
            q.p95,
            q.p99,
            q.max
        );
    }
    page.push_str("</table>\n");
    let _ = writeln!(
        page,
        "<details><summary>As text</summary><pre>{}</pre></details></html>",
        escaped(&report.text())
    );
    page
}

fn chart(title: &str, seconds: &[Second], lines: &[Line]) -> String {
    let highest =
        seconds.iter().flat_map(|second| lines.iter().map(move |(_, _, of)| of(second))).fold(0.0, f64::max);
    let top = round_up(highest);
    let count = f64::from(u32::try_from(seconds.len().saturating_sub(1)).unwrap_or(u32::MAX)).max(1.0);
    let mut svg = format!(
        "<h2>{title}</h2><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n"
    );
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let y = (HEIGHT - BOTTOM) * (1.0 - share) + 10.0 * share;
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#e5e5e5\"/><text x=\"{:.0}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            (top * share * 100.0).round() / 100.0
        );
    }
    for (n, (name, colour, of)) in lines.iter().enumerate() {
        let mut points = String::new();
        for (at, second) in seconds.iter().enumerate() {
            let x = LEFT + (WIDTH - LEFT - 4.0) * f64::from(u32::try_from(at).unwrap_or(u32::MAX)) / count;
            let share = if top > 0.0 { of(second) / top } else { 0.0 };
            let y = (HEIGHT - BOTTOM) * (1.0 - share) + 10.0 * share;
            let _ = write!(points, "{x:.1},{y:.1} ");
        }
        let x = LEFT + 80.0 * f64::from(u32::try_from(n).unwrap_or_default());
        let _ = writeln!(
            svg,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/><text x=\"{x:.0}\" \
             y=\"{:.0}\" style=\"fill:{colour}\">{name}</text>",
            HEIGHT - 4.0
        );
    }
    let last = seconds.last().map_or(0, |second| second.second + 1);
    let _ = writeln!(
        svg,
        "<text x=\"{WIDTH}\" y=\"{:.0}\" text-anchor=\"end\">{last} s</text></svg>",
        HEIGHT - 4.0
    );
    svg
}

/// The next number that is 1, 2 or 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|top| *top >= value).unwrap_or(value)
}

#[expect(clippy::cast_precision_loss, reason = "counts of one second are far below 2^53")]
fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::round_up;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, top) in [(0.0, 1.0), (0.7, 1.0), (12.0, 20.0), (50.0, 50.0), (501.0, 1000.0)] {
            assert!((round_up(value) - top).abs() < 1e-9, "{value}");
        }
    }
}
