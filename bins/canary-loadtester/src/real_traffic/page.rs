//! Counters as a pod's own page of metrics has them.

use promql_parser::label::{Matcher, Matchers};
use promql_parser::parser::{Expr, parse};

/// Which series of a page count.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selector {
    name: String,
    matchers: Vec<Matcher>,
}

impl Selector {
    /// Reads a selector such as `http_requests_total{status!="404"}`.
    ///
    /// # Errors
    /// What it takes.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let wrong = |why: String| {
            format!(
                "query is {query:?}: {why}; it takes a selector of counters without a range, such as \
                 http_requests_total{{status!=\"404\"}}"
            )
        };
        let Expr::VectorSelector(selector) = parse(query).map_err(&wrong)? else {
            return Err(wrong("that is no selector".to_owned()));
        };
        let Matchers { matchers, or_matchers } = selector.matchers;
        let Some(name) = selector.name.filter(|_| or_matchers.is_empty()) else {
            return Err(wrong("a page is searched for one name".to_owned()));
        };
        Ok(Self { name, matchers })
    }

    /// The sum of all series of the page that are meant; none: there is none.
    pub(super) fn sum(&self, page: &str) -> Option<f64> {
        let values = page.lines().filter_map(|line| self.value(line));
        values.reduce(|sum, value| sum + value)
    }

    fn value(&self, line: &str) -> Option<f64> {
        let rest = line.trim().strip_prefix(self.name.as_str())?;
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None if rest.starts_with([' ', '\t']) => (Vec::new(), rest),
            // A longer name.
            None => return None,
        };
        let is_meant = self.matchers.iter().all(|matcher| {
            let value = labels.iter().find(|(name, _)| *name == matcher.name);
            matcher.is_match(value.map_or("", |(_, value)| value))
        });
        is_meant.then_some(())?;
        // A time may follow.
        rest.split_whitespace().next()?.parse().ok().filter(|value: &f64| value.is_finite())
    }
}

/// Labels up to the closing bracket, and what follows it.
fn labels(mut rest: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((found, rest));
        }
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, letter) => value.push(letter),
            }
        };
        found.push((name.trim(), value));
        rest = &after[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"# HELP http_requests_total All requests
# TYPE http_requests_total counter
http_requests_total{status="200",path="/a,\"}\\"} 10
http_requests_total{ status="404" , path="/b" } 2.5e1 1700000000000
http_requests_total_created{status="200"} 7
http_requests_totals 8
up 1
odd{a="b} 3
broken{
http_requests_total{status="500"} NaN
"#;

    #[test]
    fn the_series_that_are_meant_are_added_up() {
        for (query, sum) in [
            ("http_requests_total", Some(35.0)),
            (r#"http_requests_total{status="200"}"#, Some(10.0)),
            (r#"http_requests_total{status!="200"}"#, Some(25.0)),
            (r#"http_requests_total{status=~"4..|5.."}"#, Some(25.0)),
            (r#"http_requests_total{path="/a,\"}\\"}"#, Some(10.0)),
            (r#"http_requests_total{pod="x"}"#, None),
            (r#"http_requests_total{pod=""}"#, Some(35.0)),
            ("up", Some(1.0)),
            ("down", None),
        ] {
            assert_eq!(Selector::parse(query).unwrap().sum(PAGE), sum, "{query}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for query in ["", "rate(a[1m])", "a[1m]", "a + b", r#"{job="a"}"#, "a{", "1"] {
            let error = Selector::parse(query).unwrap_err();
            assert!(error.contains("it takes a selector"), "{error}");
        }
    }
}
