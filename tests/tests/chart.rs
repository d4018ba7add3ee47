//! The chart renders Flagger's values to what they mean there, and refuses what it does not honour.
//!
//! Needs `HELM`; `CANARYD`, where it is set, is asked whether it takes the flags. `UPDATE=1` rewrites the golden files.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use canary_tests::{deploy_folder, documents, object, succeed, tool};
use serde_json::{Value, json};

const RELEASE: &str = "flagger";
const NAMESPACE: &str = "flagger-system";

fn helm(arguments: &[&str]) -> Option<Command> {
    let mut command = Command::new(tool("HELM")?);
    command.args(["template", RELEASE]).arg(deploy_folder().join("chart"));
    command.args(["--namespace", NAMESPACE, "--kube-version", "1.36.0"]).args(arguments);
    Some(command)
}

/// The objects that these arguments of helm give.
fn render(arguments: &[&str]) -> Option<Vec<Value>> {
    Some(documents(&succeed(&mut helm(arguments)?).unwrap()).unwrap())
}

/// What helm says where it refuses.
fn refusal(arguments: &[&str]) -> Option<String> {
    let output = helm(arguments)?.output().unwrap();
    assert!(!output.status.success(), "{arguments:?} was rendered");
    Some(String::from_utf8(output.stderr).unwrap())
}

fn pod(objects: &[Value]) -> Value {
    object(objects, "Deployment", RELEASE).unwrap()["spec"]["template"]["spec"].clone()
}

fn flags(objects: &[Value]) -> Vec<String> {
    let arguments = pod(objects)["containers"][0]["args"].clone();
    serde_json::from_value(arguments).unwrap()
}

#[test]
fn every_value_of_flagger_that_is_a_flag_becomes_that_flag() {
    for (value, flag) in [
        ("logLevel=debug", "-log-level=debug"),
        ("metricsServer=http://p:1", "-metrics-server=http://p:1"),
        ("prometheus.install=true", "-metrics-server=http://flagger-prometheus:9090"),
        ("meshProvider=linkerd", "-mesh-provider=linkerd"),
        ("namespace=team-a", "-namespace=team-a"),
        (r"selectorLabels=app\,tier", "-selector-labels=app,tier"),
        ("configTracking.enabled=false", "-enable-config-tracking=false"),
        ("ingressAnnotationsPrefix=custom.ingress.io", "-ingress-annotations-prefix=custom.ingress.io"),
        ("ingressClass=contour", "-ingress-class=contour"),
        ("includeLabelPrefix=app.kubernetes.io", "-include-label-prefix=app.kubernetes.io"),
        ("threadiness=4", "-threadiness=4"),
        ("eventWebhook=http://hook", "-event-webhook=http://hook"),
        ("clusterName=prod", "-cluster-name=prod"),
        ("slack.user=bot", "-slack-user=bot"),
        ("slack.channel=general", "-slack-channel=general"),
        ("slack.url=https://hooks.slack.example/x", "-slack-url=https://hooks.slack.example/x"),
        ("slack.proxyUrl=http://proxy:3128", "-slack-proxy-url=http://proxy:3128"),
        ("slack.proxy=http://proxy:3128", "-slack-proxy-url=http://proxy:3128"),
        ("msteams.url=https://teams.example/x", "-msteams-url=https://teams.example/x"),
        ("msteams.proxyUrl=http://proxy:3128", "-msteams-proxy-url=http://proxy:3128"),
        ("leaderElection.enabled=true", "-enable-leader-election=true"),
        ("leaderElection.enabled=true", "-leader-election-namespace=flagger-system"),
        ("kubeconfigQPS=50", "-kubeconfig-qps=50"),
        ("kubeconfigBurst=100", "-kubeconfig-burst=100"),
        ("controlplane.kubeconfig.secretName=mesh", "-kubeconfig-service-mesh=/tmp/controlplane/kubeconfig"),
        ("egressAllow={10.0.0.0/8,fd00::/8}", "-egress-allow=10.0.0.0/8,fd00::/8"),
        ("noCrossNamespaceRefs=true", "-no-cross-namespace-refs=true"),
    ] {
        let Some(objects) = render(&["--set", value]) else { return };
        let flags = flags(&objects);
        assert!(flags.contains(&flag.to_owned()), "{value}: {flags:?}");
    }
}

#[test]
fn without_values_only_what_flaggers_chart_always_gives_is_given() {
    let Some(objects) = render(&[]) else { return };
    let expected = [
        "-log-level=info",
        "-metrics-server=http://prometheus:9090",
        "-enable-config-tracking=true",
        "-slack-user=flagger",
    ];
    assert_eq!(flags(&objects), expected);
}

#[test]
fn every_other_value_of_flagger_has_its_effect() {
    type Look = fn(&[Value]) -> Value;
    let deployment: Look = |o| object(o, "Deployment", RELEASE).unwrap().clone();
    let container: Look = |o| pod(o)["containers"][0].clone();
    let cases: &[(&str, Look, &str, Value)] = &[
        ("annotations.a=b", deployment, "/metadata/annotations/a", json!("b")),
        ("deploymentLabels.a=b", deployment, "/metadata/labels/a", json!("b")),
        ("podLabels.a=b", deployment, "/spec/template/metadata/labels/a", json!("b")),
        ("podAnnotations.a=b", deployment, "/spec/template/metadata/annotations/a", json!("b")),
        ("logLevel=info", deployment, "/spec/strategy/type", json!("Recreate")),
        ("leaderElection.enabled=true", deployment, "/spec/strategy", Value::Null),
        ("leaderElection.enabled=true,leaderElection.replicaCount=3", deployment, "/spec/replicas", json!(3)),
        ("image.repository=r/c,image.tag=v9", container, "/image", json!("r/c:v9")),
        ("image.pullPolicy=Always", container, "/imagePullPolicy", json!("Always")),
        ("image.pullSecret=pull", pod, "/imagePullSecrets/0/name", json!("pull")),
        ("podPriorityClassName=high", pod, "/priorityClassName", json!("high")),
        ("nodeSelector.disk=ssd", pod, "/nodeSelector/disk", json!("ssd")),
        ("tolerations[0].key=spot", pod, "/tolerations/0/key", json!("spot")),
        ("resources.limits.cpu=2", container, "/resources/limits/cpu", json!(2)),
        (
            "env[0].name=SLACK_URL,env[0].value=u",
            container,
            "/env/0",
            json!({"name": "SLACK_URL", "value": "u"}),
        ),
        ("securityContext.enabled=false", container, "/securityContext", Value::Null),
        ("securityContext.context.runAsUser=7", container, "/securityContext/runAsUser", json!(7)),
        ("logLevel=info", container, "/securityContext/readOnlyRootFilesystem", json!(true)),
        ("serviceAccount.name=me", pod, "/serviceAccountName", json!("me")),
        ("serviceAccount.create=false", pod, "/serviceAccountName", json!("default")),
        ("controlplane.kubeconfig.secretName=mesh", pod, "/volumes/0/secret/secretName", json!("mesh")),
        ("additionalVolumes[0].name=ca", pod, "/volumes/0/name", json!("ca")),
        ("additionalVolumeMounts[0].name=ca", container, "/volumeMounts/0/name", json!("ca")),
    ];
    for (set, look, path, expected) in cases {
        let Some(objects) = render(&["--set", set]) else { return };
        let found = look(&objects).pointer(path).cloned().unwrap_or_default();
        assert_eq!(&found, expected, "{set} at {path}");
    }
}

#[test]
fn objects_come_and_go_with_their_values() {
    for (set, kind, name) in [
        ("serviceMonitor.enabled=true", "ServiceMonitor", RELEASE),
        ("serviceMonitor.enabled=true", "Service", RELEASE),
        ("podMonitor.enabled=true", "PodMonitor", RELEASE),
        ("podDisruptionBudget.enabled=true", "PodDisruptionBudget", RELEASE),
        ("networkPolicy.enabled=true", "NetworkPolicy", RELEASE),
        ("linkerdAuthPolicy.create=true", "AuthorizationPolicy", "prometheus-admin-flagger"),
        ("crd.create=true", "CustomResourceDefinition", "canaries.flagger.app"),
        ("prometheus.install=true", "Deployment", "flagger-prometheus"),
        ("leaderElection.enabled=true", "Role", "flagger-leader"),
    ] {
        let Some(with) = render(&["--set", set]) else { return };
        assert!(object(&with, kind, name).is_ok(), "{set} gives no {kind}");
        assert!(object(&render(&[]).unwrap(), kind, name).is_err(), "{kind} without {set}");
    }
    for (set, kind) in
        [("rbac.create=false", "ClusterRole"), ("serviceAccount.create=false", "ServiceAccount")]
    {
        let without = render(&["--set", set]).unwrap();
        assert!(object(&without, kind, RELEASE).is_err(), "{set} leaves the {kind}");
        assert!(object(&render(&[]).unwrap(), kind, RELEASE).is_ok());
    }
}

#[test]
fn what_is_not_honoured_is_refused_by_its_name() {
    for (set, expected) in [
        ("rbac.pspEnabled=true", "rbac.pspEnabled is true"),
        (
            "leaderElection.replicaCount=2",
            "leaderElection.replicaCount is 2, but leaderElection.enabled is false",
        ),
        ("image.repository=ghcr.io/fluxcd/flagger", "remove image.repository and image.tag"),
        (
            "slack.proxy=http://a:1,slack.proxyUrl=http://b:1",
            "slack.proxy and slack.proxyUrl name different proxies",
        ),
        ("meshProvder=istio", "'meshProvder' not allowed"),
        ("slack.chanel=general", "'chanel' not allowed"),
        ("logLevel=loud", "'/logLevel'"),
    ] {
        let Some(text) = refusal(&["--set", set]) else { return };
        assert!(text.contains(expected), "{set}: {text}");
    }
}

#[test]
fn a_release_of_flagger_keeps_its_names_and_selectors_and_a_new_one_gets_ours() {
    let Some(taken) = render(&[]) else { return };
    let selector = |objects: &[Value], name| {
        object(objects, "Deployment", name).unwrap()["spec"]["selector"]["matchLabels"].clone()
    };
    let flaggers = json!({"app.kubernetes.io/name": "flagger", "app.kubernetes.io/instance": "flagger"});
    assert_eq!(selector(&taken, "flagger"), flaggers);
    for kind in ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"] {
        assert!(object(&taken, kind, "flagger").is_ok(), "{kind}");
    }
    let mut fresh = Command::new(tool("HELM").unwrap());
    fresh.args(["template", "rollouts"]).arg(deploy_folder().join("chart"));
    fresh.args(["--kube-version", "1.36.0"]);
    let fresh = documents(&succeed(&mut fresh).unwrap()).unwrap();
    assert_eq!(selector(&fresh, "rollouts-canaryd")["app.kubernetes.io/name"], "canaryd");
}

#[test]
fn one_namespace_and_one_mesh_need_few_rights() {
    let groups = |set: &[&str]| {
        let objects = render(set)?;
        let kind = if set.iter().any(|s| s.contains("namespace=")) { "Role" } else { "ClusterRole" };
        let rules = object(&objects, kind, RELEASE).unwrap()["rules"].as_array().unwrap().clone();
        Some((rules, object(&objects, "ClusterRole", RELEASE).is_ok()))
    };
    let Some((rules, cluster_wide)) = groups(&["--set", "namespace=team-a,rbac.providers={istio}"]) else {
        return;
    };
    assert!(!cluster_wide, "a controller of one namespace has rights in others");
    let has = |rules: &[Value], resource: &str| rules.iter().any(|r| r["resources"][0] == resource);
    assert!(has(&rules, "virtualservices") && !has(&rules, "ingresses") && !has(&rules, "httproutes"));

    let (rules, _) = groups(&["--set", "configTracking.enabled=false"]).unwrap();
    assert!(has(&rules, "ingresses") && !has(&rules, "configmaps"));
    let secrets: Vec<&Value> = rules.iter().filter(|r| r["resources"][0] == "secrets").collect();
    assert_eq!(secrets.len(), 1);
    assert_eq!(secrets[0]["verbs"], json!(["get"]));
}

#[test]
fn definitions_in_the_release_outlive_it() {
    let Some(objects) = render(&["--set", "crd.create=true"]) else { return };
    for crd in objects.iter().filter(|o| o["kind"] == "CustomResourceDefinition") {
        assert_eq!(crd["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
}

/// Everything in a rendering that an operator would look at, as a text to compare.
fn summary(objects: &[Value]) -> String {
    let mut text = String::new();
    for object in objects {
        let at = object["metadata"]["namespace"].as_str().map_or(String::new(), |n| format!(" in {n}"));
        let name = object["metadata"]["name"].as_str().unwrap();
        writeln!(text, "{} {name}{at}", object["kind"].as_str().unwrap()).unwrap();
        // A ClusterRole grows with each router; what a Role has to have is the point here.
        let role = object["kind"] == "Role";
        for rule in object["rules"].as_array().filter(|_| role).into_iter().flatten() {
            writeln!(text, "  {} {} {}", rule["apiGroups"], rule["resources"], rule["verbs"]).unwrap();
        }
        if object["kind"] == "Deployment" {
            writeln!(
                text,
                "  replicas {}, selector {}",
                object["spec"]["replicas"], object["spec"]["selector"]
            )
            .unwrap();
            let container = &object["spec"]["template"]["spec"]["containers"][0];
            for argument in container["args"].as_array().unwrap() {
                writeln!(text, "  {}", argument.as_str().unwrap()).unwrap();
            }
            for variable in container["env"].as_array().into_iter().flatten() {
                writeln!(text, "  {variable}").unwrap();
            }
            writeln!(text, "  security {}", container["securityContext"]).unwrap();
        }
        if !object["spec"]["selector"].is_null() && object["kind"] != "Deployment" {
            writeln!(text, "  selector {}", object["spec"]["selector"]).unwrap();
        }
    }
    text
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chart");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    files
}

#[test]
fn values_files_from_real_life_render_as_recorded() {
    assert_eq!(cases().len(), 4);
    for values in cases() {
        let Some(objects) = render(&["--values", values.to_str().unwrap()]) else { return };
        let text = summary(&objects);
        let golden = values.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&golden, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(text, expected, "{}: UPDATE=1 rewrites it", golden.display());
    }
}

#[test]
fn the_controller_takes_every_flag_that_the_chart_gives_it() {
    let Some(canaryd) = tool("CANARYD") else { return };
    for values in cases() {
        let Some(objects) = render(&["--values", values.to_str().unwrap()]) else { return };
        // With that kubeconfig the flags are read and judged, and then it ends.
        let output = Command::new(&canaryd)
            .env_clear()
            .args(flags(&objects))
            .args(["-kubeconfig", "/does/not/exist"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("/does/not/exist cannot be read"), "{}: {text}", values.display());
    }
}

#[test]
fn helm_test_asks_the_installed_controller_whether_it_works() {
    let Some(objects) = render(&[]) else { return };
    let hooks: Vec<&Value> =
        objects.iter().filter(|o| o["metadata"]["annotations"]["helm.sh/hook"] == "test").collect();
    let kinds: Vec<&str> = hooks.iter().map(|o| o["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Service", "Pod"], "the hook and what it asks through");
    let (service, asking) = (hooks[0], &hooks[1]["spec"]["containers"][0]);
    let controller = object(&objects, "Deployment", RELEASE).unwrap();
    let labels = &controller["spec"]["template"]["metadata"]["labels"];
    for (key, value) in service["spec"]["selector"].as_object().unwrap() {
        assert_eq!(&labels[key], value, "the Service selects the controller");
    }
    let ports = pod(&objects)["containers"][0]["ports"].clone();
    let port = &service["spec"]["ports"][0]["targetPort"];
    assert!(ports.as_array().unwrap().iter().any(|p| p["name"] == *port), "{port} among {ports}");
    let script = asking["args"][0].as_str().unwrap();
    let host = service["metadata"]["name"].as_str().unwrap();
    for path in ["/readyz", "/metrics"] {
        assert!(script.contains(&format!("http://{host}:8080{path}")), "{script}");
    }
    assert_ne!(hooks[1]["spec"]["restartPolicy"], "Always", "its end is the result");
    assert_ne!(hooks[1]["metadata"]["labels"], *labels, "no Service of the controller's meets it");
}

#[test]
fn prometheus_is_told_the_same_by_chart_and_kustomize() {
    let read = |path: &str| std::fs::read_to_string(deploy_folder().join(path)).unwrap();
    assert_eq!(read("chart/files/prometheus.yml"), read("kustomize/base/prometheus/prometheus.yml"));
}
