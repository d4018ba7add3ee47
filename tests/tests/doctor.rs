//! `canaryctl doctor` as users run it, on a real API server and a real Prometheus: every mistake is found, with what was meant.
//!
//! `KUBEBUILDER_ASSETS` names a control plane, `PROMETHEUS` the program.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/scraped.rs"]
mod scraped;

use std::process::Command;

use canary_tests::{ApiServer, Folder, built, documents, installed, program};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client};
use serde_json::Value;

/// What the cluster has.
const CLUSTER: &str = r#"
{apiVersion: apps/v1, kind: Deployment, metadata: {name: podinfo, namespace: default}, spec: {selector: {matchLabels: {app: podinfo}},
 template: {metadata: {labels: {app: podinfo}}, spec: {containers: [{name: podinfod, image: "podinfo:1"}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: loadtester, namespace: default}, spec: {ports: [{port: 80}], selector: {app: loadtester}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: prometheus-login, namespace: default}, stringData: {username: me, password: s3cr3t-word}}
---
{apiVersion: flagger.app/v1beta1, kind: MetricTemplate, metadata: {name: error-rate, namespace: default}, spec: {provider: {type: prometheus,
 address: "ADDRESS"}, query: "sum(rate(istio_request_total{destination_workload=\"{{ target }}\"}[{{ interval }}]))"}}
---
{apiVersion: flagger.app/v1beta1, kind: MetricTemplate, metadata: {name: shared, namespace: kube-system}, spec: {provider: {type: prometheus,
 address: "ADDRESS"}, query: "vector(1)"}}
---
{apiVersion: flagger.app/v1beta1, kind: MetricTemplate, metadata: {name: locked, namespace: default}, spec: {provider: {type: prometheus,
 address: "ADDRESS", secretRef: {name: prometheus-logins}}, query: "vector(1)"}}
"#;

/// A canary with one mistake of each kind.
const CANARY: &str = r#"
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: default}
spec:
  provider: istio
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service: {port: 80}
  analysis:
    interval: 1m
    threshold: 5
    stepWeight: 10
    metrics:
      - {name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}
      - {name: request-duration, thresholdRange: {max: 500}, interval: 1m}
      - {name: misspelt-series, thresholdRange: {max: 1}, interval: 1m, templateRef: {name: error-rate}}
      - {name: misspelt-template, thresholdRange: {max: 1}, interval: 1m, templateRef: {name: eror-rate}}
      - {name: template-elsewhere, thresholdRange: {max: 1}, interval: 1m, templateRef: {name: shared}}
      - {name: missing-secret, thresholdRange: {max: 1}, interval: 1m, templateRef: {name: locked}}
      - {name: not-promql, thresholdRange: {max: 1}, interval: 1m, query: "sum(rate("}
    webhooks:
      - {name: load, url: "http://loadtester.default/"}
      - {name: misspelt-host, url: "http://loadtestr.default/"}
      - {name: misspelt-service, url: "http://loadtestr.default.svc/"}
      - {name: port, url: "http://loadtester.default:8080/"}
      - {name: nowhere, url: "http://hooks.canaryd.invalid/"}
"#;

async fn create(client: &Client, object: Value) {
    let (version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let namespace = object["metadata"]["namespace"].as_str().unwrap();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
}

async fn prepare(client: &Client, address: &str) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in canary_api::crds() {
        let name = crd.metadata.name.clone().unwrap();
        definitions.create(&PostParams::default(), &crd).await.unwrap();
        await_condition(definitions.clone(), &name, conditions::is_crd_established()).await.unwrap();
    }
    for object in documents(&CLUSTER.replace("ADDRESS", address)).unwrap() {
        create(client, object).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_found_before_anything_is_released() {
    let Some(assets) = installed() else {
        eprintln!("SKIPPED: KUBEBUILDER_ASSETS names no control plane");
        return;
    };
    let how = "apt-get install prometheus, or apt-get download prometheus and dpkg-deb -x";
    let Some(prometheus) = program("PROMETHEUS", how) else { return };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (_running, address, folder) = scraped::prometheus(&prometheus, "default").await;
    let server = ApiServer::start(&assets).await.unwrap();
    prepare(&server.client().unwrap(), &address).await;
    let files = Folder::new("doctor").unwrap();
    let file = files.0.join("canary.yaml");
    std::fs::write(&file, CANARY).unwrap();

    let mut command = Command::new(built("canaryctl").unwrap());
    command.arg("doctor").arg(&file).args(["--metrics-server", &address, "--output", "json"]);
    command.env("KUBECONFIG", server.kubeconfig().unwrap());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    drop(folder);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text} {}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("s3cr3t-word"));
    let found: Value = serde_json::from_str(&text).unwrap();
    let found = |what: &str| {
        let row = found["checks"].as_array().unwrap().iter().find(|row| row["what"] == what);
        let row = row.unwrap_or_else(|| panic!("nothing about {what}: {text}"));
        format!("{} {}", row["state"].as_str().unwrap(), row["text"].as_str().unwrap())
    };
    for (what, expected) in [
        ("canary", "good is valid"),
        ("targetRef", "good Deployment podinfo.default is in the cluster"),
        ("metric request-success-rate", "good is 100 at the moment"),
        // Only the older name of the series exists for this workload.
        ("metric request-duration", "good is 24"),
        (
            "metric misspelt-series",
            r#"doubtful no-data at the moment: there is no metric "istio_request_total"; the nearest is "istio_requests_total""#,
        ),
        (
            "metric misspelt-template",
            r#"bad MetricTemplate eror-rate.default does not exist; did you mean "error-rate"?"#,
        ),
        (
            "metric template-elsewhere",
            r#"bad MetricTemplate shared.default does not exist; there is one in namespace "kube-system""#,
        ),
        (
            "metric missing-secret",
            r#"bad MetricTemplate locked.default names a secret: Secret prometheus-logins.default does not exist; did you mean "prometheus-login"?"#,
        ),
        ("metric not-promql", "bad wrong-query: "),
        ("hook load", "good Service loadtester.default has port 80"),
        ("hook misspelt-host", "bad loadtestr.default:80 cannot be reached from this machine: "),
        (
            "hook misspelt-service",
            r#"bad Service loadtestr.default does not exist; did you mean "loadtester"?"#,
        ),
        ("hook port", "bad Service loadtester.default has no port 8080, but [80]"),
        ("hook nowhere", "doubtful hooks.canaryd.invalid:80 cannot be reached from this machine: "),
    ] {
        let row = found(what);
        assert!(row.starts_with(expected), "{what}: {row}");
    }
    let meant = r#"; Service loadtestr.default does not exist; did you mean "loadtester"?"#;
    assert!(found("hook misspelt-host").ends_with(meant), "{}", found("hook misspelt-host"));
}
