//! The rules of the chart and of the kustomize base, from the table of rights that the controller keeps.
//!
//! The table is asked for through `canaryctl`, so that the other chores need not compile the controller.

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::generated::{Mode, settle};
use crate::workspace::{Workspace, cargo};

/// Writes the rules, or checks them.
pub(crate) fn run(workspace: &Workspace, mode: Mode) -> Result<()> {
    let table: Vec<Value> = serde_json::from_str(&canaryctl(workspace, &["rbac", "--table"])?)
        .context("canaryctl's table is not JSON")?;
    let role = canaryctl(workspace, &["rbac", "--leader-election", "--name", "flagger"])?;
    let deploy = workspace.root.join("bins/canaryd/deploy");
    let note = "# Made by `cargo xtask rbac` from the controller's table of rights.\n";
    let files = [
        (deploy.join("chart/templates/_rules.tpl"), chart(&table)?),
        (deploy.join("kustomize/base/flagger/rbac.yaml"), format!("{note}{role}")),
    ];
    settle(&files, mode)
}

fn canaryctl(workspace: &Workspace, arguments: &[&str]) -> Result<String> {
    let output = cargo()
        .args(["run", "--quiet", "--bin", "canaryctl", "--"])
        .args(arguments)
        .current_dir(&workspace.root)
        .output()
        .context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("canaryctl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).context("canaryctl's output is not text")
}

/// Two named templates: the rules of the controller, and those of its election.
fn chart(table: &[Value]) -> Result<String> {
    let mut rules = String::new();
    let mut leader = String::new();
    for entry in table {
        let rule = rule(entry)?;
        match text(entry, "part")? {
            "always" => rules.push_str(&rule),
            "config-tracking" => {
                write!(rules, "{{{{- if .Values.configTracking.enabled }}}}\n{rule}{{{{- end }}}}\n")?;
            }
            "providers" => {
                let names = strings(entry, "providers")?;
                let names = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" ");
                write!(
                    rules,
                    "{{{{- if include \"canaryd.routes\" (list . {names}) }}}}\n{rule}{{{{- end }}}}\n"
                )?;
            }
            "leader-election" => leader.push_str(&rule),
            other => bail!("the chart does not know when the part {other:?} is used"),
        }
    }
    Ok(format!(
        "{{{{/* Made by `cargo xtask rbac` from the controller's table of rights. */}}}}\n\
         {{{{- define \"canaryd.rules\" }}}}\n{rules}{{{{- end }}}}\n\n\
         {{{{- define \"canaryd.leaderRules\" }}}}\n{leader}{{{{- end }}}}\n"
    ))
}

fn rule(entry: &Value) -> Result<String> {
    let list = |items: &[&str]| items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ");
    let mut rule = format!(
        "# {}\n- apiGroups: [{:?}]\n  resources: [{:?}]\n",
        text(entry, "why")?,
        text(entry, "group")?,
        text(entry, "resource")?
    );
    if let Some(name) = entry["name"].as_str() {
        writeln!(rule, "  resourceNames: [{name:?}]")?;
    }
    writeln!(rule, "  verbs: [{}]", list(&strings(entry, "verbs")?))?;
    Ok(rule)
}

fn text<'a>(entry: &'a Value, field: &str) -> Result<&'a str> {
    entry[field].as_str().with_context(|| format!("a right without {field}: {entry}"))
}

fn strings<'a>(entry: &'a Value, field: &str) -> Result<Vec<&'a str>> {
    let items = entry[field].as_array().with_context(|| format!("a right without {field}: {entry}"))?;
    Ok(items.iter().filter_map(Value::as_str).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_stands_under_the_condition_of_its_part() {
        let right = |part: &str, providers: Value| {
            json!({"group": "acme.io", "resource": "splits", "verbs": ["get"], "name": null, "part": part,
                   "providers": providers, "why": "routes"})
        };
        let text =
            chart(&[right("providers", json!(["a", "b"])), right("config-tracking", Value::Null)]).unwrap();
        assert!(text.contains(r#"{{- if include "canaryd.routes" (list . "a" "b") }}"#), "{text}");
        assert!(
            text.contains("{{- if .Values.configTracking.enabled }}\n# routes\n- apiGroups: [\"acme.io\"]"),
            "{text}"
        );
        let unknown = chart(&[right("new", Value::Null)]).unwrap_err().to_string();
        assert_eq!(unknown, r#"the chart does not know when the part "new" is used"#);
    }
}
