//! Where the paths of a run lead: to the address of the scenario, or straight to the Services of the arms.

use canary_load::{Target, TargetError};
use minijinja::Value;

use crate::code::Base;
use crate::compile::Compiler;
use crate::scenario::Scenario;
use crate::setting::Setting;
use crate::spec::Of;

impl Scenario {
    /// One for each Service that is asked: the canary's before the primary's.
    pub(crate) fn bases(
        &self,
        setting: &Setting,
        context: &Value,
        compiler: &mut Compiler<'_>,
    ) -> Option<Vec<Base>> {
        let rendered = if let Some(base) = &setting.base {
            Ok(base.clone())
        } else {
            let code = compiler.run_text("base", &self.spec().base);
            compiler.templates.render(&code, context).map(std::borrow::Cow::into_owned)
        };
        let addresses = rendered.and_then(|base| addresses(&base, self.spec().load.of));
        let mut headers = vec![
            ("user-agent".to_owned(), concat!("canary-loadtester/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("x-canary-load".to_owned(), setting.run.clone()),
        ];
        for (name, text) in &self.spec().headers {
            let field = format!("headers.{name}");
            let code = compiler.run_text(&field, text);
            match compiler.templates.render(&code, context) {
                Ok(value) => {
                    headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                    headers.push((name.clone(), value.into_owned()));
                }
                Err(why) => compiler.mistake(field, why),
            }
        }
        let bases =
            addresses.and_then(|addresses| addresses.iter().map(|address| base(address, &headers)).collect());
        bases.map_err(|why| compiler.mistake("base", why)).ok()
    }
}

fn addresses(base: &str, of: Of) -> Result<Vec<String>, String> {
    Ok(match of {
        Of::Service => vec![base.to_owned()],
        Of::Canary => vec![arm_address(base, "canary")?],
        Of::Each => vec![arm_address(base, "canary")?, arm_address(base, "primary")?],
    })
}

/// Where a base leads.
///
/// # Errors
/// It is no address, or one without the arms that are asked for.
pub(crate) fn targets(base: &str, of: Of) -> Result<Vec<Target>, String> {
    addresses(base, of)?.iter().map(|address| target(address)).collect()
}

fn target(address: &str) -> Result<Target, String> {
    if !address.contains("://") {
        return Err(format!("{address:?} has no scheme; it takes an address such as http://localhost:9898"));
    }
    address.parse().map_err(|error: TargetError| error.to_string())
}

fn base(address: &str, headers: &[(String, String)]) -> Result<Base, String> {
    let target = target(address)?;
    let path = address.splitn(4, '/').nth(3).unwrap_or_default().trim_end_matches('/');
    let prefix = if path.is_empty() { String::new() } else { format!("/{path}") };
    Ok(Base { arm: arm_of(target.host()), target, prefix, headers: headers.to_vec() })
}

/// The same address at the Service of one arm: `podinfo.test` becomes `podinfo-canary.test`.
///
/// # Errors
/// It is the address of no Service.
pub fn arm_address(address: &str, arm: &str) -> Result<String, String> {
    let wrong =
        || format!("{address:?} has no arms; with `of` it takes a Service such as http://podinfo.test:9898/");
    let (scheme, rest) = address.split_once("://").ok_or_else(wrong)?;
    let end = rest.find(['.', ':', '/', '?']).unwrap_or(rest.len());
    let (service, after) = rest.split_at(end);
    let is_name = !service.is_empty() && service.parse::<u8>().is_err() && !service.starts_with('[');
    is_name.then(|| format!("{scheme}://{service}-{arm}{after}")).ok_or_else(wrong)
}

/// The arm that a Service of a canary belongs to, by its name.
fn arm_of(host: &str) -> Option<&'static str> {
    let service = host.split('.').next().unwrap_or_default();
    ["canary", "primary"]
        .into_iter()
        .find(|arm| service.strip_suffix(arm).is_some_and(|rest| rest.ends_with('-')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ready;

    fn ready(of: &str, base: &str) -> Result<Ready, String> {
        let text = format!(
            "name: a\nload: {{target: 9/s, {of}}}\nbase: {base}\nflows: [{{name: a, weight: 3, steps: [{{get: /}}]}}, {{name: b, steps: [{{get: /b}}]}}]\n"
        );
        let scenario = Scenario::parse("a.yaml", &text).map_err(|mistakes| mistakes.to_string())?;
        scenario
            .prepare(&Setting::default(), &std::collections::BTreeMap::new())
            .map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn load_goes_through_the_service_or_straight_to_the_arms_with_the_weights_of_flows_and_traffic() {
        let hosts = |of: &str| -> Vec<String> {
            let plan = ready(of, "http://podinfo.test:9898/x").unwrap().plan;
            plan.targets.iter().map(|target| target.host().to_owned()).collect()
        };
        assert_eq!(hosts("of: service"), ["podinfo.test"]);
        assert_eq!(hosts("of: canary"), ["podinfo-canary.test"]);
        assert_eq!(hosts("of: each"), ["podinfo-canary.test", "podinfo-primary.test"]);
        let each = ready("of: each", "http://podinfo.test").unwrap();
        let flows: Vec<_> =
            each.plan.flows.iter().map(|flow| (flow.name.as_str(), flow.arm.as_deref().unwrap())).collect();
        assert_eq!(flows, [("a", "canary"), ("a", "primary"), ("b", "canary"), ("b", "primary")]);
        assert_eq!(each.weights(0.25), Some(vec![0.75, 2.25, 0.25, 0.75]));
        assert_eq!(ready("of: canary", "http://podinfo.test").unwrap().weights(0.25), None);
    }

    #[test]
    fn what_was_written_to_an_arm_is_taken_back_there() {
        let each = ready("of: each", "http://podinfo.test").unwrap();
        let host = |arm: Option<&str>| each.shared.base_of(arm).unwrap().target.host().to_owned();
        assert_eq!(host(Some("primary")), "podinfo-primary.test");
        assert_eq!(host(Some("canary")), "podinfo-canary.test");
        // As journals have it from when there was one target.
        let old: crate::Entry = serde_json::from_str(r#"{"run": "r", "flow": "a", "values": {}}"#).unwrap();
        let canary = ready("of: canary", "http://podinfo.test").unwrap();
        assert_eq!(canary.shared.base_of(old.arm.as_deref()).unwrap().arm, Some("canary"));
    }

    #[test]
    fn what_has_no_arms_is_refused() {
        let error = ready("of: each", "http://10.1.2.3/").unwrap_err();
        assert!(error.starts_with("a.yaml:3: base: ") && error.contains("it takes a Service"), "{error}");
        // What holds whatever the run is, `check` says already.
        for (of, base, why) in [
            (
                "of: service",
                "localhost:18080",
                "\"localhost:18080\" has no scheme; it takes an address such as http://",
            ),
            ("of: service", "ftp://podinfo", "the scheme is neither http nor https"),
            ("of: each", "http://10.1.2.3/", "has no arms"),
        ] {
            let text = format!(
                "name: a\nload: {{target: 9/s, {of}}}\nbase: {base}\nflows: [{{name: a, steps: [{{get: /}}]}}]\n"
            );
            let error = Scenario::parse("a.yaml", &text).unwrap_err().to_string();
            assert!(error.starts_with("a.yaml:3: base: ") && error.contains(why), "{error}");
        }
        let error = ready("of: both", "http://podinfo.test").unwrap_err();
        assert!(error.contains("load.of") || error.contains("both"), "{error}");
    }

    #[test]
    fn limits_of_the_primary_are_about_errors_and_quantiles() {
        let limits =
            |text: &str| ready(&format!("of: each, primary-limits: [{text}]"), "http://podinfo.test");
        assert_eq!(limits("errors < 5%, p99 < 1s").unwrap().primary_limits, ["errors < 5%", "p99 < 1s"]);
        for (text, why) in [
            ("errors < 5", "load.primary-limits[0]: "),
            (
                "errors < 5%, requests > 5",
                "load.primary-limits[1]: \"requests > 5\" is about neither errors nor a quantile",
            ),
            ("\"flow a: errors < 5%\"", "is about neither errors nor a quantile of all requests"),
        ] {
            let error = limits(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
