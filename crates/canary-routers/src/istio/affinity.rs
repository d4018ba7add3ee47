//! Session affinity: rules that keep a client, known by a cookie, on the version that it met first.
//!
//! The cookies come with the route. Nothing is drawn here, so that a repeated call writes the same rules.

use std::collections::BTreeMap;
use std::fmt::Write;

use canary_core::{Affinity, CookieAttributes, HttpMatch, RouteSpec, StringMatch};
use serde_json::{Value, json};

use super::routes::{conditions, destinations, merged};
use super::view::{Fields, HttpRoute};
use super::weights::Split;

/// The header that clients send.
const COOKIE: &str = "Cookie";
/// The header that servers send.
const SET_COOKIE: &str = "Set-Cookie";
/// Life of the canary's cookie when none is given, seconds.
const DAY: i64 = 86_400;

/// The rules made from the `weighted` one, which comes last. `Err` says which cookie is missing.
pub(super) fn rules(
    weighted: &HttpRoute,
    route: &RouteSpec,
    affinity: &Affinity,
    split: &Split,
) -> Result<Vec<HttpRoute>, &'static str> {
    if split.canary == 0 {
        // The cookie of the run that just ended, or of the one before while no other began.
        let over = affinity.cookie.as_deref().or(affinity.previous_cookie.as_deref());
        let over = over.map(|text| Cookie::parse(text, &affinity.cookie_name));
        let expiring = over.map(|cookie| expiring_rule(weighted, route, &cookie, split));
        return Ok(expiring.into_iter().chain([weighted.clone()]).collect());
    }
    let cookie = affinity.cookie.as_deref().ok_or("session affinity needs the cookie of the canary")?;
    let cookie = Cookie::parse(cookie, &affinity.cookie_name);
    let mut last = weighted.clone();
    let max_age = if affinity.max_age == 0 { DAY } else { affinity.max_age };
    give_cookie(&mut last, &route.canary, &cookie.set(max_age, &affinity.attributes));
    let mut rules = vec![sticky_rule(weighted, route, &cookie, (0, 100))];
    if let Some(name) = affinity.primary_cookie_name.as_deref().filter(|name| !name.is_empty()) {
        let cookie =
            affinity.primary_cookie.as_deref().ok_or("session affinity needs the cookie of the primary")?;
        let cookie = Cookie::parse(cookie, name);
        give_cookie(&mut last, &route.primary, &cookie.set(affinity.primary_max_age, &affinity.attributes));
        rules.push(sticky_rule(weighted, route, &cookie, (100, 0)));
    }
    rules.push(last);
    Ok(rules)
}

/// The rules as they would be without cookies: what a check for drift compares, because cookies change with the rollout.
pub(super) fn without_cookies(rules: &[HttpRoute], affinity: &Affinity) -> Vec<HttpRoute> {
    let plain = rules.iter().filter(|rule| !is_sticky(rule, affinity)).cloned().map(|mut rule| {
        for destination in rule.route.iter_mut().flatten() {
            destination.headers = None;
        }
        rule
    });
    plain.collect()
}

/// Whether the rule is for holders of a cookie of ours. (Under a former name it is not: the rules are then compared whole.)
fn is_sticky(rule: &HttpRoute, affinity: &Affinity) -> bool {
    let names = [Some(&affinity.cookie_name), affinity.primary_cookie_name.as_ref()];
    let names: Vec<&String> = names.into_iter().flatten().filter(|name| !name.is_empty()).collect();
    rule.r#match.iter().flatten().any(|condition| {
        let regex = condition.pointer("/headers/Cookie/regex").and_then(Value::as_str).unwrap_or_default();
        names.iter().any(|name| regex.contains(name.as_str()) || regex.contains(&escaped(name)))
    })
}

fn sticky_rule(
    weighted: &HttpRoute,
    route: &RouteSpec,
    cookie: &Cookie<'_>,
    weights: (i64, i64),
) -> HttpRoute {
    HttpRoute {
        r#match: conditions(&merged(&[cookie.condition()], &route.matches)),
        route: Some(destinations(route, weights.0, weights.1)),
        ..weighted.clone()
    }
}

/// Tells holders of a cookie that is no longer used to forget it.
fn expiring_rule(weighted: &HttpRoute, route: &RouteSpec, cookie: &Cookie<'_>, split: &Split) -> HttpRoute {
    let mut rule = sticky_rule(weighted, route, cookie, (split.primary, split.canary));
    add_response_header(&mut rule.headers, &format!("{}={}; Max-Age=-1", cookie.name, cookie.value));
    rule
}

fn give_cookie(rule: &mut HttpRoute, host: &str, set_cookie: &str) {
    for destination in rule.route.iter_mut().flatten().filter(|d| d.destination.host == host) {
        add_response_header(&mut destination.headers, set_cookie);
    }
}

fn add_response_header(headers: &mut Option<Fields>, set_cookie: &str) {
    let headers = headers.get_or_insert_default();
    let response = headers.entry("response").or_insert_with(|| json!({}));
    response["add"][SET_COOKIE] = Value::from(set_cookie);
}

/// A cookie in force.
struct Cookie<'a> {
    name: &'a str,
    value: &'a str,
}

impl<'a> Cookie<'a> {
    /// From `name=value`. Flagger stores a cookie without a name when none was configured; it then gets `name`.
    fn parse(text: &'a str, name: &'a str) -> Self {
        match text.split_once('=') {
            Some(("", value)) => Self { name, value },
            Some((name, value)) => Self { name, value },
            None => Self { name, value: text },
        }
    }

    fn condition(&self) -> HttpMatch {
        let regex = Some(format!(".*{}.*{}.*", escaped(self.name), escaped(self.value)));
        let holds = StringMatch { regex, ..StringMatch::default() };
        HttpMatch { headers: BTreeMap::from([(COOKIE.to_owned(), holds)]), ..HttpMatch::default() }
    }

    /// The text of `Set-Cookie`, attributes in Flagger's order.
    fn set(&self, max_age: i64, attributes: &CookieAttributes) -> String {
        let mut text = format!("{}={}; Max-Age={max_age}", self.name, self.value);
        let valued = |text: &mut String, name: &str, value: Option<&String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let _ = write!(text, "; {name}={value}"); // a String takes everything
            }
        };
        let flag = |text: &mut String, name: &str, set: bool| {
            if set {
                let _ = write!(text, "; {name}");
            }
        };
        valued(&mut text, "Domain", attributes.domain.as_ref());
        flag(&mut text, "HttpOnly", attributes.http_only);
        flag(&mut text, "Partitioned", attributes.partitioned);
        valued(&mut text, "Path", attributes.path.as_ref());
        valued(&mut text, "SameSite", attributes.same_site.as_ref());
        flag(&mut text, "Secure", attributes.secure);
        text
    }
}

/// `text` as a regular expression for just that text. A name such as `app.session` would else match others.
fn escaped(text: &str) -> String {
    let mut regex = String::with_capacity(text.len());
    for letter in text.chars() {
        if r"\.+*?()|[]{}^$".contains(letter) {
            regex.push('\\');
        }
        regex.push(letter);
    }
    regex
}
