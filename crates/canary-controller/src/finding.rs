//! What a failed check found, beyond the sentence that Flagger says of it: which of four troubles it is, what was asked, what
//! came back. It goes into the log and into annotations of the event, where nobody's tooling matches on texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use canary_core::{Answer, Check, CheckSource, MetricProvider, Plan, Question, Trouble};

/// Longest text of one annotation.
const AT_MOST: usize = 4096;

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
    /// Who can say more of a query that has no value.
    provider: Option<Arc<dyn MetricProvider>>,
}

/// The question as it was put, for those who want to know it afterwards.
#[derive(Clone, Default)]
pub(crate) struct Put {
    pub(crate) query: Option<String>,
    pub(crate) provider: Option<Arc<dyn MetricProvider>>,
    /// Whose trouble a failure is.
    pub(crate) trouble: Option<Trouble>,
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
            provider: None,
        };
        match answer {
            Answer::Value(value) => {
                let value = if check.source == CheckSource::Duration { value.trunc() } else { *value };
                let (bound, _) = check.bounds.violation(value)?;
                Some(Self { value: Some(value), bound: Some(bound), ..found(Trouble::BadValue) })
            }
            Answer::NoData(text) => Some(Self {
                text: Some(text.clone()),
                provider: put.provider.clone(),
                ..found(Trouble::NoData)
            }),
            Answer::Failed { text, .. } => {
                Some(Self { text: Some(text.clone()), ..found(put.trouble.unwrap_or(Trouble::WrongQuery)) })
            }
            Answer::Hook(_) => None,
        }
    }

    /// The same, without anybody who could say more.
    #[must_use]
    pub(crate) fn unexplainable(self) -> Self {
        Self { provider: None, ..self }
    }

    /// The query that had no value, with who may explain it.
    pub(crate) fn unexplained(&self) -> Option<(Arc<dyn MetricProvider>, String)> {
        Some((self.provider.clone()?, self.query.clone()?))
    }

    /// Annotations of the event.
    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        let number = |number: Option<f64>| number.map(|number| number.to_string());
        let all = [
            ("metric", Some(self.metric.clone())),
            ("trouble", Some(self.trouble.as_str().to_owned())),
            ("query", self.query.clone()),
            ("value", number(self.value)),
            ("bound", number(self.bound)),
            ("answer", self.text.clone()),
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
            "a check failed"
        );
    }
}

#[cfg(test)]
mod tests {
    use canary_core::{Bounds, FailureKind};

    use super::*;

    fn check(source: CheckSource) -> Check {
        let mut check = Check::new("errors", source);
        check.bounds = Bounds { min: None, max: Some(5.0) };
        check
    }

    fn found(answer: &Answer, trouble: Option<Trouble>) -> Option<Finding> {
        let put = Put { query: Some("up".into()), provider: None, trouble };
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
                "canaryd/bound=5",
                "canaryd/metric=errors",
                "canaryd/query=up",
                "canaryd/trouble=bad-value",
                "canaryd/value=5.5"
            ]
        );
    }
}
