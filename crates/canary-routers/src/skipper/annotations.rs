//! The annotations by which Skipper weighs the copy's backends, and prefers the copy to the user's Ingress or ignores it.

use std::collections::BTreeMap;

use canary_core::{RouteSpec, Weight, Weights};

use crate::share::percentages;

/// Annotations of an object.
type Map = BTreeMap<String, String>;

/// JSON: Service to share.
const SHARES: &str = "zalando.org/backend-weights";
/// Conditions of all routes, joined by `&&`.
const PREDICATE: &str = "zalando.org/skipper-predicate";
/// Makes the copy win over the user's Ingress.
const FIRST: &str = "Weight(100)";
/// Makes the copy match nothing.
const OFF: &str = "False()";

/// Those of a new copy: the user's, and all for the primary.
pub(super) fn first(mut theirs: Map, route: &RouteSpec) -> Map {
    let predicate = led_by(FIRST, &theirs);
    theirs.insert(SHARES.to_owned(), shares(route, Weights::PRIMARY));
    theirs.insert(PREDICATE.to_owned(), predicate);
    theirs
}

/// Puts back what was taken away, and brings what the user changed on their Ingress: while the copy serves, their filters
/// count there. Shares that can be read stay.
pub(super) fn repair(annotations: &mut Map, theirs: Map, route: &RouteSpec) {
    let predicate = led_by(if is_off(annotations) { OFF } else { FIRST }, &theirs);
    let readable = split(annotations, route).is_ok();
    let kept = annotations.get(SHARES).filter(|_| readable).cloned();
    annotations.extend(theirs);
    annotations.insert(SHARES.to_owned(), kept.unwrap_or_else(|| shares(route, Weights::PRIMARY)));
    annotations.insert(PREDICATE.to_owned(), predicate);
}

/// What the annotations do. `Err` says what is wrong with them.
pub(super) fn read(annotations: &Map, route: &RouteSpec) -> Result<Weights, String> {
    if is_off(annotations) {
        return Ok(Weights::PRIMARY); // the user's Ingress serves
    }
    split(annotations, route)
}

/// Makes the annotations do `weights`. A new copy, which serves the primary alone, is not switched off before its first
/// rollout.
pub(super) fn write(annotations: &mut Map, route: &RouteSpec, weights: Weights) {
    if read(annotations, route) == Ok(weights) {
        return;
    }
    let lead = if weights.canary == Weight::ZERO { OFF } else { FIRST };
    let predicate = led_by(lead, annotations);
    annotations.insert(SHARES.to_owned(), shares(route, weights));
    annotations.insert(PREDICATE.to_owned(), predicate);
}

fn shares(route: &RouteSpec, weights: Weights) -> String {
    let (canary, primary) = (weights.canary.percent(), weights.primary.percent());
    format!(r#"{{"{}":{canary},"{}":{primary}}}"#, route.canary, route.primary)
}

fn split(annotations: &Map, route: &RouteSpec) -> Result<Weights, String> {
    let text = annotations.get(SHARES).map_or("", String::as_str);
    let shares: BTreeMap<String, i64> =
        serde_json::from_str(text).map_err(|error| format!("get backendWeights error: {error}"))?;
    let share = |service: &str, which: &str| {
        shares.get(service).copied().ok_or_else(|| format!("could not get weights[{which}]"))
    };
    let (primary, canary) =
        (share(&route.primary, "primarySvcName")?, share(&route.canary, "canarySvcName")?);
    percentages(primary, canary)
        .ok_or_else(|| format!("get backendWeights error: nothing has a share in {text}"))
}

/// The conditions of the annotation with one of ours before them, and no other of ours.
fn led_by(lead: &str, annotations: &Map) -> String {
    let all = annotations.get(PREDICATE).map_or("", String::as_str);
    let theirs = terms(all).into_iter().filter(|term| ![FIRST, OFF].contains(term));
    std::iter::once(lead).chain(theirs).collect::<Vec<_>>().join(" && ")
}

fn is_off(annotations: &Map) -> bool {
    annotations.get(PREDICATE).is_some_and(|all| terms(all).contains(&OFF))
}

/// The single conditions. A `&&` in quotes is part of one.
fn terms(all: &str) -> Vec<&str> {
    let (mut terms, mut start, mut quote, mut escaped) = (Vec::new(), 0, None, false);
    for (at, letter) in all.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if letter == '\\' => escaped = true,
            Some(open) if letter == open => quote = None,
            None if letter == '"' || letter == '`' => quote = Some(letter),
            None if at >= start && all[at..].starts_with("&&") => {
                terms.push(&all[start..at]);
                start = at + 2;
            }
            Some(_) | None => {}
        }
    }
    terms.push(&all[start..]);
    terms.into_iter().map(str::trim).filter(|term| !term.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_told_apart_outside_of_quotes_only() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            (" && ", &[]),
            ("Traffic(1)", &["Traffic(1)"]),
            ("A()&&B() && && C()", &["A()", "B()", "C()"]),
            (r#"Header("a", "b&&\"&&c") && B()"#, &[r#"Header("a", "b&&\"&&c")"#, "B()"]),
            ("Path(`/a&&\\`) && B()", &["Path(`/a&&\\`)", "B()"]),
        ];
        for (all, expected) in cases {
            assert_eq!(terms(all), expected, "{all}");
        }
    }
}
