//! The report as CI systems read it.

use std::fmt::Write;

use super::{RunReport, escaped};

pub(super) fn junit(report: &RunReport) -> String {
    let mut cases: Vec<(String, Option<String>)> =
        report.rules.iter().map(|rule| (rule.rule.clone(), (!rule.held).then(|| rule.told()))).collect();
    if let Some(why) = &report.aborted {
        cases.push(("the load did no harm".into(), Some(why.clone())));
    }
    let limited = report.load.generator_limited;
    cases.push(("the load generator was fast enough".into(), limited.then(|| "it was not".into())));
    let left = &report.cleanup.leftovers;
    if report.cleanup.removed > 0 || !left.is_empty() {
        let text: Vec<String> = left
            .iter()
            .map(|left| {
                format!(
                    "{} {} {}: {}",
                    left.run,
                    left.flow,
                    serde_json::to_string(&left.values).unwrap_or_default(),
                    left.why
                )
            })
            .collect();
        cases.push(("what was written is removed".into(), (!left.is_empty()).then(|| text.join("\n"))));
    }
    let failed = cases.iter().filter(|(_, failure)| failure.is_some()).count();
    let name = escaped(&report.scenario);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites><testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\" \
         time=\"{:.3}\" timestamp=\"{}\">\n",
        cases.len(),
        report.load.seconds,
        escaped(&report.began)
    );
    for (case, failure) in &cases {
        let _ = write!(xml, "<testcase classname=\"{name}\" name=\"{}\"", escaped(case));
        match failure {
            None => xml.push_str("/>\n"),
            Some(why) => {
                let first = escaped(why.lines().next().unwrap_or_default());
                let _ = writeln!(xml, "><failure message=\"{first}\">{}</failure></testcase>", escaped(why));
            }
        }
    }
    let _ = writeln!(xml, "<system-out>{}</system-out>\n</testsuite></testsuites>", escaped(&report.text()));
    xml
}
