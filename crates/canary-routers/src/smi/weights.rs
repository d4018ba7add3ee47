//! Shares of traffic as a TrafficSplit holds them: read, kept, or made from what the rollout wants.

use canary_core::{RouteSpec, Weight, Weights};
use serde_json::Value;

use super::view::{Backend, TrafficSplitSpec};
use crate::share::percentages;

/// The weights of both backends as written; `None` counts as nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) primary: Option<Value>,
    pub(super) canary: Option<Value>,
}

impl Split {
    /// What a rollout wants, as quantities or as numbers. Mirroring is not among the abilities.
    pub(super) fn wanted(weights: Weights, quantities: bool) -> Self {
        let written = |weight: Weight| {
            let percent = weight.percent();
            Some(if quantities { Value::from(percent.to_string()) } else { Value::from(percent) })
        };
        Self { primary: written(weights.primary), canary: written(weights.canary) }
    }

    /// What the split says; `None` when it does not mention our Services, gives both nothing or cannot be read.
    pub(super) fn read(spec: &TrafficSplitSpec, route: &RouteSpec) -> Option<Self> {
        let weight = |service: &str| spec.to(service).and_then(|Backend { weight, .. }| weight.clone());
        let split = Self { primary: weight(&route.primary), canary: weight(&route.canary) };
        split.weights().map(|_| split)
    }

    /// As percentages.
    pub(super) fn weights(&self) -> Option<Weights> {
        percentages(thousandths(self.primary.as_ref())?, thousandths(self.canary.as_ref())?)
    }
}

/// A weight in thousandths, as a number or as a quantity of Kubernetes.
fn thousandths(weight: Option<&Value>) -> Option<i64> {
    match weight {
        None | Some(Value::Null) => Some(0),
        Some(Value::Number(number)) => quantity(&number.to_string()),
        Some(Value::String(text)) => quantity(text),
        Some(_) => None,
    }
}

/// `25`, `0.25`, `250m` or `1k`.
fn quantity(text: &str) -> Option<i64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let unit: i64 = match suffix {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let part: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(unit)?.checked_add(part * unit / 1_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn weights_are_numbers_or_quantities() {
        let cases = [
            (json!(25), Some(25_000)),
            (json!(0.25), Some(250)),
            (json!("25"), Some(25_000)),
            (json!("500m"), Some(500)),
            (json!("1.5"), Some(1_500)),
            (json!("1.5k"), Some(1_500_000)),
            (json!("1M"), Some(1_000_000_000)),
            (json!(null), Some(0)),
            (json!(""), None),
            (json!("-1"), None),
            (json!("1.2.3"), None),
            (json!("half"), None),
            (json!("99999999999999999999"), None),
            (json!([]), None),
        ];
        for (weight, expected) in cases {
            assert_eq!(thousandths(Some(&weight)), expected, "{weight}");
        }
        assert_eq!(thousandths(None), Some(0));
    }
}
