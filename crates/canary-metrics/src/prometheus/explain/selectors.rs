//! The series that a `PromQL` text asks for.

use std::convert::Infallible;

use promql_parser::label::{METRIC_NAME, MatchOp, Matcher};
use promql_parser::parser::{Expr, VectorSelector, parse};
use promql_parser::util::{ExprVisitor, walk_expr};

/// One selector.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::prometheus) struct Selector {
    /// The name, if it is given whole.
    pub(in crate::prometheus) metric: Option<String>,
    /// All else.
    pub(in crate::prometheus) matchers: Vec<Matcher>,
}

impl Selector {
    /// The selector as the server takes it.
    pub(in crate::prometheus) fn text(&self) -> String {
        let name = self.metric.iter().map(|metric| format!("{METRIC_NAME}={}", quoted(metric)));
        let parts: Vec<_> = name.chain(self.matchers.iter().map(matcher)).collect();
        format!("{{{}}}", parts.join(","))
    }
}

/// Any series of that metric.
pub(super) fn named(metric: &str) -> String {
    format!("{{{METRIC_NAME}={}}}", quoted(metric))
}

/// A matcher as it is written.
pub(super) fn matcher(matcher: &Matcher) -> String {
    format!("{}{}{}", matcher.name, matcher.op, quoted(&matcher.value))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// The first selectors of a query, each once; `None` if the text is no `PromQL`.
pub(in crate::prometheus) fn selectors(query: &str, most: usize) -> Option<Vec<Selector>> {
    let mut found = Found(Vec::new());
    let Ok(_) = walk_expr(&mut found, &parse(query).ok()?);
    found.0.truncate(most);
    Some(found.0)
}

struct Found(Vec<Selector>);

impl ExprVisitor for Found {
    type Error = Infallible;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, Infallible> {
        match expression {
            Expr::VectorSelector(selector) => self.add(selector),
            Expr::MatrixSelector(matrix) => self.add(&matrix.vs),
            Expr::Aggregate(_)
            | Expr::Unary(_)
            | Expr::Binary(_)
            | Expr::Paren(_)
            | Expr::Subquery(_)
            | Expr::NumberLiteral(_)
            | Expr::StringLiteral(_)
            | Expr::Call(_)
            | Expr::Extension(_) => {}
        }
        Ok(true)
    }
}

impl Found {
    fn add(&mut self, selector: &VectorSelector) {
        // Alternatives are a dialect's.
        if !selector.matchers.or_matchers.is_empty() {
            return;
        }
        let is_name = |m: &Matcher| m.name == METRIC_NAME && matches!(m.op, MatchOp::Equal);
        let all = &selector.matchers.matchers;
        let metric =
            selector.name.clone().or_else(|| all.iter().find(|m| is_name(m)).map(|m| m.value.clone()));
        let matchers = all.iter().filter(|m| !is_name(m)).cloned().collect();
        let selector = Selector { metric, matchers };
        if !self.0.contains(&selector) {
            self.0.push(selector);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OBSERVERS, QueryModel};

    #[test]
    fn each_selector_is_found_once_whatever_it_stands_in() {
        let query = r#"sum(rate(a{b="c\\d",e!~"5.*"}[1m])) / sum(rate(a{b="c\\d",e!~"5.*"}[1m])) * 100 or {__name__="f"} offset 5m"#;
        let texts: Vec<_> = selectors(query, 9).unwrap().iter().map(Selector::text).collect();
        assert_eq!(texts, [r#"{__name__="a",b="c\\d",e!~"5.*"}"#, r#"{__name__="f"}"#]);
        assert_eq!(selectors("vector(1)", 9), Some(vec![]));
        assert_eq!(selectors("sum(", 9), None);
    }

    #[test]
    fn all_built_in_queries_can_be_read() {
        let model = QueryModel { target: "podinfo".into(), interval: "1m".into(), ..QueryModel::default() };
        for observer in &OBSERVERS {
            for query in [observer.success_rate(&model).unwrap(), observer.duration(&model).unwrap()] {
                let found = selectors(&query, 9);
                assert!(found.as_ref().is_some_and(|found| !found.is_empty()), "{query}: {found:?}");
            }
        }
    }
}
