//! What a failed check found, beyond the sentence that Flagger says of it: which of four troubles it is, what was asked, what
//! came back, of how many samples. It goes into the log, into annotations of the event, where nobody's tooling matches on texts,
//! and into a condition of the Canary.

use std::collections::BTreeMap;
use std::sync::Arc;

use canary_api::CanaryCondition;
use canary_core::{Answer, Check, CheckSource, MetricProvider, Plan, Question, Samples, Timestamp, Trouble};

/// Longest text of one annotation.
const AT_MOST: usize = 4096;
/// Longest query in a condition.
const QUERY_AT_MOST: usize = 1024;

/// The value that a check found, with its name. What is no number in JSON is left out.
pub(crate) fn measured(plan: &Plan, question: &Question, answer: &Answer) -> Option<(String, f64)> {
    let (Question::Metric(id), Answer::Value(value)) = (question, answer) else { return None };
    let check = plan.checks.get(id.0)?;
    value.is_finite().then(|| (check.name.clone(), *value))
}

/// The annotation of an event that says what the checks of its tick found, good values among them.
pub(crate) fn values_annotation(values: &BTreeMap<String, f64>) -> Option<(String, String)> {
    let text = serde_json::to_string(values).ok()?;
    (!values.is_empty() && text.len() <= AT_MOST).then(|| ("canaryd/values".to_owned(), text))
}

/// One failed check.
#[derive(Clone)]
pub(crate) struct Finding {
    /// Name of the metric.
    pub(crate) metric: String,
    pub(crate) trouble: Trouble,
    /// As it was sent, if it came to that.
    query: Option<String>,
    value: Option<f64>,
    bound: Option<f64>,
    /// What the provider or the template said.
    text: Option<String>,
    /// What is known of what was measured.
    samples: Samples,
    /// Why there is no value, as part of a sentence.
    pub(crate) reason: Option<String>,
    /// The reason was not told yet.
    pub(crate) is_news: bool,
    /// Who can say more of the query.
    provider: Option<Arc<dyn MetricProvider>>,
}

/// The question as it was put, for those who want to know it afterwards.
#[derive(Clone, Default)]
pub(crate) struct Put {
    pub(crate) query: Option<String>,
    pub(crate) provider: Option<Arc<dyn MetricProvider>>,
    /// Whose trouble a failure is.
    pub(crate) trouble: Option<Trouble>,
    pub(crate) samples: Samples,
}

impl Finding {
    /// What is wrong with an answer, if anything is.
    pub(crate) fn of(check: &Check, put: &Put, answer: &Answer) -> Option<Self> {
        let found = |trouble| Self {
            metric: check.name.clone(),
            trouble,
            query: put.query.clone(),
            value: None,
            bound: None,
            text: None,
            samples: put.samples,
            reason: None,
            is_news: false,
            provider: put.provider.clone(),
        };
        match answer {
            Answer::Value(value) => {
                let value = if check.source == CheckSource::Duration { value.trunc() } else { *value };
                let (bound, _) = check.bounds.violation(value)?;
                Some(Self { value: Some(value), bound: Some(bound), ..found(Trouble::BadValue) })
            }
            Answer::NoData(text) => Some(Self { text: Some(text.clone()), ..found(Trouble::NoData) }),
            Answer::Failed { text, .. } => {
                Some(Self { text: Some(text.clone()), ..found(put.trouble.unwrap_or(Trouble::WrongQuery)) })
            }
            Answer::Hook(_) => None,
        }
    }

    /// The same with what its provider says of the samples and, if that is wanted, of why there is no value.
    pub(crate) async fn looked_into(mut self, explain: bool) -> Self {
        let (Some(provider), Some(query)) = (self.provider.take(), &self.query) else { return self };
        match self.trouble {
            Trouble::BadValue | Trouble::NoData => {
                self.samples = self.samples.or(provider.samples(query).await);
            }
            // Who did not answer is not asked again.
            Trouble::ProviderUnreachable | Trouble::WrongQuery => {}
        }
        if explain && self.trouble == Trouble::NoData {
            self.reason = provider.explain(query).await;
        }
        self
    }

    /// What the Canary's status says of it.
    pub(crate) fn condition(&self, at: Timestamp) -> CanaryCondition {
        let reason = match self.trouble {
            Trouble::BadValue => "BadValue",
            Trouble::NoData => "NoData",
            Trouble::ProviderUnreachable => "ProviderUnreachable",
            Trouble::WrongQuery => "WrongQuery",
        };
        CanaryCondition::metric_check_failed(reason, self.sentence(), at)
    }

    /// `errors is 7, above 5; 1 series, 12 samples, 14s old; query: …`
    fn sentence(&self) -> String {
        let what = match (self.value, self.bound) {
            (Some(value), Some(bound)) => {
                let side = if value > bound { "above" } else { "below" };
                format!("{} is {value}, {side} {bound}", self.metric)
            }
            _ => format!("{}: {}", self.metric, self.text.as_deref().unwrap_or("no value")),
        };
        let samples = Some(self.samples.to_string()).filter(|samples| !samples.is_empty());
        let query = self.query.as_deref().map(|query| {
            let line = query.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("query: {}", line.chars().take(QUERY_AT_MOST).collect::<String>())
        });
        let parts = [Some(what), self.reason.clone(), samples, query];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
        text.chars().take(AT_MOST).collect()
    }

    /// Annotations of the event.
    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        let number = |number: Option<f64>| number.map(|number| number.to_string());
        let count = |count: Option<u64>| count.map(|count| count.to_string());
        let all = [
            ("metric", Some(self.metric.clone())),
            ("trouble", Some(self.trouble.as_str().to_owned())),
            ("query", self.query.clone()),
            ("value", number(self.value)),
            ("bound", number(self.bound)),
            ("answer", self.text.clone()),
            ("series", count(self.samples.series)),
            ("samples", count(self.samples.count)),
            ("age", self.samples.age.map(|age| format!("{}s", age.as_secs()))),
        ];
        let filled = all.into_iter().filter_map(|(name, text)| Some((name, text?)));
        filled.map(|(name, text)| (format!("canaryd/{name}"), text.chars().take(AT_MOST).collect())).collect()
    }

    /// One line of the log.
    pub(crate) fn log(&self, canary: &str) {
        tracing::warn!(
            canary,
            metric = self.metric,
            trouble = self.trouble.as_str(),
            query = self.query.as_deref().unwrap_or_default(),
            value = self.value,
            bound = self.bound,
            answer = self.text.as_deref().unwrap_or_default(),
            series = self.samples.series,
            samples = self.samples.count,
            age = self.samples.age.map(|age| age.as_secs()),
            "a check failed"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use canary_core::{Bounds, FailureKind};

    use super::*;

    fn check(source: CheckSource) -> Check {
        let mut check = Check::new("errors", source);
        check.bounds = Bounds { min: None, max: Some(5.0) };
        check
    }

    fn found(answer: &Answer, trouble: Option<Trouble>) -> Option<Finding> {
        let mut samples = Samples::default();
        (samples.count, samples.age) = (Some(12), Some(Duration::from_millis(14_900)));
        let put = Put { query: Some("up\n  + 0".into()), provider: None, trouble, samples };
        Finding::of(&check(CheckSource::Inline), &put, answer)
    }

    #[test]
    fn four_troubles_stay_four() {
        let failed = Answer::Failed { kind: FailureKind::Query, text: "why".into() };
        for (answer, told, expected) in [
            (Answer::Value(5.0), None, None),
            (Answer::Value(5.5), None, Some("bad-value")),
            (Answer::NoData("no values found".into()), None, Some("no-data")),
            (failed.clone(), Some(Trouble::ProviderUnreachable), Some("provider-unreachable")),
            (failed, None, Some("wrong-query")),
        ] {
            assert_eq!(found(&answer, told).map(|finding| finding.trouble.as_str()), expected, "{answer:?}");
        }
    }

    #[test]
    fn annotations_say_what_was_asked_and_what_came_back() {
        let annotations = found(&Answer::Value(5.5), None).unwrap().annotations();
        let annotations: Vec<_> = annotations.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            annotations,
            [
                "canaryd/age=14s",
                "canaryd/bound=5",
                "canaryd/metric=errors",
                "canaryd/query=up\n  + 0",
                "canaryd/samples=12",
                "canaryd/trouble=bad-value",
                "canaryd/value=5.5"
            ]
        );
    }

    #[test]
    fn the_condition_says_all_of_it_in_one_line() {
        let at = "2026-07-01T10:20:30Z".parse().unwrap();
        let failed = Answer::Failed { kind: FailureKind::Query, text: "host broke off".into() };
        for (answer, trouble, expected) in [
            (Answer::Value(5.5), None, "BadValue errors is 5.5, above 5; 12 samples, 14s old; query: up + 0"),
            (
                Answer::NoData("no values found".into()),
                None,
                "NoData errors: no values found; there is no up; 12 samples, 14s old; query: up + 0",
            ),
            (
                failed,
                Some(Trouble::ProviderUnreachable),
                "ProviderUnreachable errors: host broke off; 12 samples, 14s old; query: up + 0",
            ),
        ] {
            let mut finding = found(&answer, trouble).unwrap();
            finding.reason = (finding.trouble == Trouble::NoData).then(|| "there is no up".into());
            let condition = finding.condition(at);
            assert_eq!(format!("{} {}", condition.reason, condition.message), expected);
        }
    }
}
