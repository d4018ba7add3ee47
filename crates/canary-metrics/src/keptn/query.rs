//! The query text of a template: `<kind>/<namespace>/<name>[/<timeframe>[/<key=value;key=value>]]`.

use std::collections::BTreeMap;

use canary_core::MetricError;

const DEFAULT_TIMEFRAME: &str = "1m";

#[derive(Debug, PartialEq)]
pub(super) struct Query {
    /// An analysis; else a metric.
    pub(super) analysis: bool,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) timeframe: String,
    pub(super) arguments: BTreeMap<String, String>,
}

impl Query {
    /// Flagger turns the whole text into small letters; here arguments keep theirs, and may have slashes.
    pub(super) fn read(text: &str) -> Result<Self, MetricError> {
        let wrong = |problem: String| {
            MetricError::Refused(format!(
                "the query {problem}; expected keptnmetric/<namespace>/<name> or analysis/<namespace>/<name>[/<timeframe>[/<key=value;…>]]"
            ))
        };
        let mut parts = text.trim().splitn(5, '/');
        let mut small = || parts.next().map(str::to_lowercase).filter(|part| !part.is_empty());
        let (Some(kind), Some(namespace), Some(name)) = (small(), small(), small()) else {
            return Err(wrong("has fewer than three parts".into()));
        };
        let timeframe = small().unwrap_or_else(|| DEFAULT_TIMEFRAME.into());
        let analysis = match kind.as_str() {
            "keptnmetric" | "keptnmetrics" => false,
            "analysis" | "analyses" => true,
            other => return Err(wrong(format!("asks for a {other:?}"))),
        };
        for part in [&namespace, &name] {
            let is_name = part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
            if !is_name {
                return Err(wrong(format!("has {part:?}, which is no name of an object")));
            }
        }
        let pairs = parts.next().unwrap_or_default().split(';').filter(|pair| pair.matches('=').count() == 1);
        let arguments = pairs.filter_map(|pair| pair.split_once('='));
        let arguments = arguments.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ok(Self { analysis, namespace, name, timeframe, arguments })
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn arguments_keep_their_case_and_slashes() {
        let query = Query::read("Analysis/Shop/Response-Time/5m/env=Prod;path=/Cart;odd;a=b=c").unwrap();
        assert!(query.analysis);
        assert_eq!((query.namespace.as_str(), query.name.as_str()), ("shop", "response-time"));
        assert_eq!(query.timeframe, "5m");
        let arguments: Vec<_> = query.arguments.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(arguments, ["env=Prod", "path=/Cart"]);
        assert_eq!(Query::read("keptnmetric/shop/errors").unwrap().timeframe, "1m");
    }

    #[test]
    fn a_wrong_query_says_what_is_expected() {
        for text in
            ["", "keptnmetric/shop", "metric/shop/errors", "keptnmetric/../errors", "keptnmetric/a b/c"]
        {
            let error = Query::read(text).unwrap_err().to_string();
            assert!(error.contains("expected keptnmetric/<namespace>/<name>"), "{error}");
        }
    }
}
