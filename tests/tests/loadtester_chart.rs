//! The chart of the load tester renders the values of Flagger's to what they mean there, and its flags are flags.
//!
//! Needs `HELM`.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::Path;
use std::process::Command;

use canary_tests::{built, documents, object, succeed, tool};
use serde_json::{Value, json};

const RELEASE: &str = "flagger-loadtester";

fn helm(arguments: &[&str]) -> Option<Command> {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bins/canary-loadtester/deploy/chart");
    let mut command = Command::new(tool("HELM")?);
    command.args(["template", RELEASE]).arg(chart);
    command.args(["--namespace", "test", "--kube-version", "1.36.0"]).args(arguments);
    Some(command)
}

fn render(arguments: &[&str]) -> Option<Vec<Value>> {
    Some(documents(&succeed(&mut helm(arguments)?).unwrap()).unwrap())
}

fn container(objects: &[Value]) -> Value {
    object(objects, "Deployment", RELEASE).unwrap()["spec"]["template"]["spec"]["containers"][0].clone()
}

#[test]
fn values_of_flaggers_chart_have_their_effect() {
    let rules = r#"rbac.rules=[{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}]"#;
    let Some(objects) = render(&[
        "--set",
        "logLevel=debug,cmd.timeout=5m,cmd.namespaceRegexp=^test$,service.port=8080,podLabels.a=b,image.pullSecret=s,\
         podPriorityClassName=high,env[0].name=A,env[0].value=b,rbac.create=true,rbac.scope=cluster,istio.enabled=true,\
         istio.gateway.enabled=true,istio.tls.enabled=true,meshName=m,appmesh.enabled=true,securityContext.enabled=true,\
         podSecurityContext.enabled=true,podDisruptionBudget.enabled=true",
        "--set-json",
        rules,
    ]) else {
        return;
    };
    let container = container(&objects);
    let flags: Vec<&str> =
        container["command"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for flag in [
        "-port=8080",
        "-log-level=debug",
        "-timeout=5m",
        "-namespace-regexp=^test$",
        "-command-environment=A",
    ] {
        assert!(flags.contains(&flag), "{flags:?}");
    }
    assert!(container["env"].as_array().unwrap().contains(&json!({"name": "A", "value": "b"})));
    assert_eq!(container["securityContext"]["runAsUser"], 100);
    let deployment = object(&objects, "Deployment", RELEASE).unwrap();
    assert_eq!(deployment["spec"]["selector"]["matchLabels"], json!({"app": "loadtester"}));
    let pod = &deployment["spec"]["template"];
    assert_eq!(
        (&pod["metadata"]["labels"]["a"], &pod["spec"]["priorityClassName"]),
        (&json!("b"), &json!("high"))
    );
    assert_eq!(pod["spec"]["securityContext"]["fsGroup"], 101);
    assert_eq!(object(&objects, "Service", RELEASE).unwrap()["spec"]["ports"][0]["port"], 8080);
    assert_eq!(
        object(&objects, "ClusterRole", RELEASE).unwrap()["rules"][0]["resources"],
        json!(["secrets"])
    );
    assert_eq!(object(&objects, "Gateway", RELEASE).unwrap()["spec"]["servers"].as_array().unwrap().len(), 2);
    for kind in
        ["VirtualService", "VirtualNode", "PodDisruptionBudget", "ClusterRoleBinding", "ServiceAccount"]
    {
        object(&objects, kind, RELEASE).unwrap();
    }
}

#[test]
fn without_values_it_is_what_flaggers_chart_gives_and_may_read_canaries() {
    let Some(objects) = render(&[]) else { return };
    assert_eq!(container(&objects)["resources"]["requests"], json!({"cpu": "10m", "memory": "64Mi"}));
    let own = object(&objects, "ClusterRole", "test-flagger-loadtester-own").unwrap();
    assert_eq!(own["rules"][0]["resources"], json!(["canaries"]));
    assert!(object(&objects, "Gateway", RELEASE).is_err());
}

#[test]
fn secrets_and_writes_of_scenarios_are_for_those_who_ask() {
    let Some(plain) = render(&[]) else { return };
    let rights =
        |objects: &[Value]| object(objects, "Role", "flagger-loadtester-own").unwrap()["rules"].to_string();
    assert!(!rights(&plain).contains("secrets"));
    assert!(!container(&plain)["command"].to_string().contains("-allow-writes"));
    let values = "scenarios.allowWrites=true,scenarios.journalClaim=kept,scenarios.secrets={users@test},scenarios.logins={ghcr.io=ghcr@test},\
                  scenarios.sourceHosts={data.example}";
    let Some(objects) = render(&["--set", values]) else { return };
    let secrets = json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["users", "ghcr"], "verbs": ["get"]});
    assert!(rights(&objects).contains(&secrets.to_string()));
    let command = container(&objects)["command"].clone();
    for flag in [
        "-allow-writes",
        "-source-host=data.example",
        "-source-secret=users@test",
        "-source-login=ghcr.io=ghcr@test",
    ] {
        assert!(command.as_array().unwrap().contains(&json!(flag)), "{command}");
    }
    let pod = &object(&objects, "Deployment", RELEASE).unwrap()["spec"]["template"]["spec"];
    let claim = json!({"name": "journal", "persistentVolumeClaim": {"claimName": "kept"}});
    assert!(pod["volumes"].as_array().unwrap().contains(&claim), "{pod}");
}

#[test]
fn what_would_not_work_is_refused() {
    for (value, why) in [
        ("replicaCount=2", "belong to one pod"),
        ("image.repository=ghcr.io/fluxcd/flagger-loadtester", "runs canary-loadtester"),
    ] {
        let Some(mut helm) = helm(&["--set", value]) else { return };
        let output = helm.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(why), "{said}");
    }
}

#[test]
fn the_load_tester_takes_every_flag_that_chart_and_manifest_give_it() {
    let Some(objects) =
        render(&["--set", "extraArgs={-auth=none},scenarios.allowWrites=true,scenarios.secrets={a}"])
    else {
        return;
    };
    let program = built("canary-loadtester").unwrap();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = manifest.join("../bins/canary-loadtester/deploy/canary-loadtester.yaml");
    let manifest = documents(&std::fs::read_to_string(manifest).unwrap()).unwrap();
    for objects in [objects, manifest] {
        let command = container(&objects)["command"].clone();
        let flags: Vec<String> = serde_json::from_value(command).unwrap();
        // The first flag that it does not know ends it before it looks for help.
        let output = Command::new(&program).args(&flags[1..]).arg("-help").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
