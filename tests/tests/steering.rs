//! A walk on a real API server, with the program as users run it: an aborted rollout, a retry with an approved gate, and one
//! that is promoted by hand.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_controller::{Controller, Settings};
use canary_core::{HookAnswer, HookCall, Hooks, MetricError, MetricProvider};
use canary_metrics::MetricProviders;
use canary_tests::{ApiServer, installed};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

struct Healthy;

#[async_trait]
impl MetricProvider for Healthy {
    async fn query(&self, _: &str) -> Result<Option<f64>, MetricError> {
        Ok(Some(100.0))
    }
    async fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }
}

#[async_trait]
impl Hooks for Healthy {
    async fn call(&self, _: &HookCall) -> HookAnswer {
        HookAnswer::Passed
    }
}

async fn install(client: &Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let open = |kind: &str, plural: &str| {
        let object = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.networking.istio.io")},
            "spec": {"group": "networking.istio.io", "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
                "versions": [{"name": "v1beta1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
        });
        serde_json::from_value(object).unwrap()
    };
    let meshes = [open("VirtualService", "virtualservices"), open("DestinationRule", "destinationrules")];
    for crd in canary_api::crds().into_iter().chain(meshes) {
        let name = crd.metadata.name.clone().unwrap();
        definitions.create(&PostParams::default(), &crd).await.unwrap();
        await_condition(definitions.clone(), &name, conditions::is_crd_established()).await.unwrap();
    }
}

async fn create_canary(client: &Client) {
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "podinfo"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "podinfo"}}, "template": {
            "metadata": {"labels": {"app": "podinfo"}},
            "spec": {"containers": [{"name": "podinfod", "image": "podinfo:1", "ports": [{"containerPort": 9898}]}]}}},
    });
    let canary = json!({
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "podinfo", "namespace": "default"},
        "spec": {"provider": "istio", "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "service": {"port": 80, "targetPort": 9898},
            "analysis": {"interval": "10s", "threshold": 2, "maxWeight": 50, "stepWeight": 50,
                "webhooks": [{"name": "finish", "type": "confirm-promotion"}]}},
    });
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    deployments.create(&PostParams::default(), &serde_json::from_value(deployment).unwrap()).await.unwrap();
    let canaries: Api<canary_api::Canary> = Api::default_namespaced(client.clone());
    canaries.create(&PostParams::default(), &serde_json::from_value(canary).unwrap()).await.unwrap();
}

/// Does what the controllers of a cluster would do: whatever is asked for is ready.
async fn make_ready(client: Client) {
    let deployments: Api<Deployment> = Api::default_namespaced(client);
    loop {
        for deployment in deployments.list(&ListParams::default()).await.unwrap() {
            let found = serde_json::to_value(&deployment).unwrap();
            let (replicas, generation) =
                (found["spec"]["replicas"].clone(), found["metadata"]["generation"].clone());
            let status = json!({"observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas,
                "readyReplicas": replicas, "availableReplicas": replicas, "conditions": [
                    {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
                    {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}]});
            if found["status"]["observedGeneration"] != generation {
                let patch = Patch::Merge(json!({"status": status}));
                let _ =
                    deployments.patch_status(&deployment.name_any(), &PatchParams::default(), &patch).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The program, built as it is now; it lies beside the folder of this test.
fn program() -> PathBuf {
    let built =
        Command::new(env!("CARGO")).args(["build", "--quiet", "--package", "canaryctl"]).status().unwrap();
    assert!(built.success());
    let here = std::env::current_exe().unwrap();
    here.parent().and_then(Path::parent).unwrap().join("canaryctl")
}

/// The program on that cluster.
struct Terminal {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Terminal {
    async fn run(&self, line: &str) -> (Option<i32>, String) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let (program, kubeconfig) = (self.program.clone(), self.kubeconfig.clone());
        let run = move || -> Output {
            Command::new(program)
                .args(&words)
                .arg("--kubeconfig")
                .arg(kubeconfig)
                .env("USER", "jane")
                .output()
                .unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text)
    }

    async fn succeeds(&self, line: &str) -> String {
        let (code, text) = self.run(line).await;
        assert_eq!(code, Some(0), "{line}: {text}");
        text
    }
}

async fn phase(client: &Client, wanted: &str) {
    let canaries: Api<canary_api::Canary> = Api::default_namespaced(client.clone());
    let reached = |canary: Option<&canary_api::Canary>| canary.is_some_and(|c| c.status["phase"] == wanted);
    let reaching = await_condition(canaries.clone(), "podinfo", reached);
    let outcome = tokio::time::timeout(Duration::from_secs(90), reaching).await;
    assert!(outcome.is_ok(), "not {wanted}: {}", canaries.get("podinfo").await.unwrap().status);
}

async fn apply(client: &Client, image: &str) {
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let patch =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": image}]}}}});
    deployments.patch("podinfo", &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_steers_rollouts_on_a_real_server() {
    let Some(assets) = installed() else {
        eprintln!("skipped: KUBEBUILDER_ASSETS names no control plane");
        return;
    };
    let server = ApiServer::start(&assets).await.unwrap();
    let (client, kubeconfig) = (server.client().unwrap(), server.kubeconfig().unwrap());
    install(&client).await;
    create_canary(&client).await;
    let cluster = tokio::spawn(make_ready(client.clone()));
    let stop = CancellationToken::new();
    let controller = Controller::new(client.clone(), Settings::default())
        .with_hooks(Arc::new(Healthy))
        .with_providers(MetricProviders::default().with("prometheus", |_| Ok(Arc::new(Healthy))));
    let running = tokio::spawn(controller.run(stop.clone()));
    let terminal = Terminal { program: program(), kubeconfig };

    phase(&client, "Initialized").await;
    assert!(terminal.run("abort podinfo --yes").await.1.contains("nothing is being rolled out"));
    apply(&client, "podinfo:2").await;
    phase(&client, "Progressing").await;
    let said = terminal.succeeds("abort podinfo --yes --reason errors").await;
    assert!(said.contains("abort taken"), "{said}");
    let (code, said) = terminal.run("status podinfo --wait --timeout 30s").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("aborted by jane: errors"), "{said}");

    terminal.succeeds("retry podinfo").await;
    phase(&client, "WaitingPromotion").await;
    let tree = terminal.succeeds("get podinfo").await;
    assert!(tree.contains("primary 50 canary 50"), "{tree}");
    terminal.succeeds("approve podinfo").await;
    terminal.succeeds("status podinfo --wait --timeout 90s").await;

    apply(&client, "podinfo:3").await;
    phase(&client, "Progressing").await;
    terminal.succeeds("promote podinfo --full --yes").await;
    terminal.succeeds("status podinfo --wait --timeout 90s").await;
    let history: Value = serde_json::from_str(&terminal.succeeds("history podinfo -o json").await).unwrap();
    let ends: Vec<_> = history.as_array().unwrap().iter().map(|r| (&r["images"][0], &r["outcome"])).collect();
    assert_eq!(
        json!(ends),
        json!([["podinfo:3", "Succeeded"], ["podinfo:2", "Succeeded"], ["podinfo:2", "Failed"]])
    );
    let (code, said) = terminal.run("get podinof").await;
    assert!(code == Some(3) && said.contains("did you mean \"podinfo\""), "{said}");
    stop.cancel();
    running.await.unwrap().unwrap();
    cluster.abort();
}
