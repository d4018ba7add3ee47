//! Our load tester in the place of Flagger's: whole rollouts on a real API server, with the hooks of Flagger's tutorial, a
//! podinfo that is really asked, and no right but what the manifest gives.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "load_tester/process.rs"]
mod process;

use std::path::Path;
use std::time::Duration;

use canary_api::Canary;
use canary_controller::{Controller, Settings};
use canary_tests::{
    ApiServer, built, deployments_become_ready, healthy_metrics, install_with_istio, installed, wait_for,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use process::{Tester, podinfo, token};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Nothing is sent any more so long after the canary has stopped progressing.
const SILENCE: Duration = Duration::from_secs(2);

fn of<T: k8s_openapi::serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

async fn namespace(client: &Client, name: &str) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &of(json!({"metadata": {"name": name}}))).await.unwrap();
}

/// The tutorial's podinfo with both of its hooks, in fewer steps.
async fn create_canary(client: &Client, namespace: &str, acceptance: &str, load: &str, hooks: &str) {
    let deployment = json!({
        "metadata": {"name": "podinfo"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "podinfo"}}, "template": {
            "metadata": {"labels": {"app": "podinfo"}},
            "spec": {"containers": [{"name": "podinfod", "image": "podinfo:6.0.0", "ports": [{"containerPort": 9898}]}]}}},
    });
    let canary = json!({
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "podinfo", "namespace": namespace},
        "spec": {"provider": "istio", "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "service": {"port": 80, "targetPort": 9898},
            "analysis": {"interval": "10s", "threshold": 2, "maxWeight": 50, "stepWeight": 25,
                "metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"}],
                "webhooks": [
                    {"name": "acceptance-test", "type": "pre-rollout", "url": hooks, "timeout": "30s",
                        "metadata": {"type": "bash", "cmd": acceptance}},
                    {"name": "load-test", "type": "rollout", "url": hooks, "timeout": "5s", "metadata": {"cmd": load}},
                ]}},
    });
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    deployments.create(&PostParams::default(), &of(deployment)).await.unwrap();
    let canaries: Api<Canary> = Api::namespaced(client.clone(), namespace);
    canaries.create(&PostParams::default(), &of(canary)).await.unwrap();
}

async fn reaches(client: &Client, namespace: &str, phase: &str) {
    let canaries: Api<Canary> = Api::namespaced(client.clone(), namespace);
    let reached = |canary: Option<&Canary>| canary.is_some_and(|canary| canary.status["phase"] == phase);
    let reaching = await_condition(canaries.clone(), "podinfo", reached);
    let outcome = tokio::time::timeout(Duration::from_secs(120), reaching).await;
    assert!(outcome.is_ok(), "not {phase}: {}", canaries.get("podinfo").await.unwrap().status);
}

/// What the controller said since the new revision, in its order, each once.
async fn said(client: &Client, namespace: &str, last: &str) -> Vec<String> {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    wait_for("the last event", async || {
        let mut all = events.list(&ListParams::default()).await.unwrap().items;
        all.retain(|event| event.reason.as_deref() == Some("Synced"));
        all.sort_by_key(|event| {
            let numbered = event.metadata.resource_version.as_deref().unwrap_or_default();
            let created = event.metadata.creation_timestamp.as_ref().map(|created| created.0);
            (created, numbered.parse::<u64>().unwrap_or_default())
        });
        let mut notes: Vec<String> = all.into_iter().filter_map(|event| event.note).collect();
        let begin = notes.iter().position(|note| note.starts_with("New revision detected! Scaling up"))?;
        notes.drain(..begin);
        let mut once = Vec::new();
        for note in notes {
            if !once.contains(&note) && !note.contains("not ready: waiting for rollout") {
                once.push(note);
            }
        }
        once.iter().any(|note| note.starts_with(last)).then_some(once)
    })
    .await
}

/// Deploys a new revision.
async fn release(client: &Client, namespace: &str) {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": "podinfo:6.0.1"}]}}}});
    deployments.patch("podinfo", &PatchParams::default(), &Patch::Strategic(image)).await.unwrap();
}

async fn a_rollout_passes_with_the_tutorials_hooks(server: &ApiServer, assets: &Path, program: &Path) {
    let (client, ns) = (server.client().unwrap(), "passes");
    namespace(&client, ns).await;
    let (_podinfo, port) = podinfo(assets).await.unwrap();
    let mut tester = Tester::start(server, program, ns, &[]).await.unwrap();
    let acceptance = format!("curl -sd 'test' http://127.0.0.1:{port}/token | grep token");
    let load = format!("hey -z 1m -q 10 -c 2 http://127.0.0.1:{port}/");
    create_canary(&client, ns, &acceptance, &load, &tester.address()).await;
    let rollout = async {
        reaches(&client, ns, "Initialized").await;
        release(&client, ns).await;
        reaches(&client, ns, "Progressing").await;
        // Real load: begun by the hook, answered by podinfo.
        wait_for("load", async || tester.good_requests().await.ok().filter(|good| *good > 50.0)).await;
        reaches(&client, ns, "Promoting").await;
        tokio::time::sleep(SILENCE).await;
        let then = tester.good_requests().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!((tester.good_requests().await.unwrap() - then).abs() < 0.5, "load after the rollout");
        reaches(&client, ns, "Succeeded").await;
        // 20 a second, and podinfo has no errors.
        let page = canary_tests::fetch(tester.port, "/metrics").await.unwrap();
        assert!(!page.contains("result=\"connect\"") && !page.contains("result=\"status\""), "{page}");
    };
    tokio::select! {
        () = rollout => {}
        () = deployments_become_ready(client.clone(), ns) => {}
    }
    let expected = [
        "New revision detected! Scaling up podinfo.passes",
        "Starting canary analysis for podinfo.passes",
        "Pre-rollout check acceptance-test passed",
        "Advance podinfo.passes canary weight 25",
        "Advance podinfo.passes canary weight 50",
        "Copying podinfo.passes template spec to podinfo-primary.passes",
        "Routing all traffic to primary",
        "Promotion completed! Scaling down podinfo.passes",
    ];
    assert_eq!(said(&client, ns, "Promotion completed").await, expected);
    let events: Api<Event> = Api::namespaced(client.clone(), ns);
    let finished = wait_for("the event of the load", async || {
        let all = events.list(&ListParams::default()).await.unwrap();
        all.into_iter().find(|event| event.reason.as_deref() == Some("LoadFinished"))
    });
    let note = finished.await.note.unwrap();
    assert!(note.starts_with("Load on http://127.0.0.1") && note.contains(" 0 errors"), "{note}");
    let keeper = gates_survive_a_new_pod(&client, &mut tester).await;
    scenarios_are_read_with_the_rights_of_the_manifest(&client, &tester, &keeper, port).await;
}

async fn a_failing_acceptance_test_rolls_back(server: &ApiServer, assets: &Path, program: &Path) {
    let (client, ns) = (server.client().unwrap(), "fails");
    namespace(&client, ns).await;
    let (_podinfo, port) = podinfo(assets).await.unwrap();
    let tester = Tester::start(server, program, ns, &[]).await.unwrap();
    let acceptance = format!("curl -sd 'test' http://127.0.0.1:{port}/nothing | grep token");
    let load = format!("hey -z 1m -q 10 -c 2 http://127.0.0.1:{port}/");
    create_canary(&client, ns, &acceptance, &load, &tester.address()).await;
    let rollout = async {
        reaches(&client, ns, "Initialized").await;
        release(&client, ns).await;
        reaches(&client, ns, "Failed").await;
    };
    tokio::select! {
        () = rollout => {}
        () = deployments_become_ready(client.clone(), ns) => {}
    }
    let halt = format!(
        "Halt podinfo.fails advancement pre-rollout check acceptance-test failed command {acceptance} failed: : exit status 1"
    );
    let expected = [
        "New revision detected! Scaling up podinfo.fails",
        "Starting canary analysis for podinfo.fails",
        &halt,
        "Rolling back podinfo.fails failed checks threshold reached 2",
        "Canary failed! Scaling down podinfo.fails",
    ];
    assert_eq!(said(&client, ns, "Canary failed").await, expected);
    assert!(tester.good_requests().await.unwrap() < 0.5, "load without a passed acceptance test");
}

/// Asks the load tester with a token; the status.
async fn ask(tester: &Tester, token: &str, method: reqwest::Method, path: &str, body: &Value) -> u16 {
    let address = format!("{}{path}", tester.address());
    let request = reqwest::Client::new().request(method, address).bearer_auth(token);
    request.body(body.to_string()).send().await.unwrap().status().as_u16()
}

/// Whom the load tester does not know is shown to the API server, and a gate opened by one that a flag names stays open.
async fn gates_survive_a_new_pod(client: &Client, tester: &mut Tester) -> String {
    let open = json!({"open": true});
    let gate = "v1/gates/passes/podinfo/confirm-promotion";
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "passes");
    accounts.create(&PostParams::default(), &of(json!({"metadata": {"name": "keeper"}}))).await.unwrap();
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    let delegator = json!({
        "metadata": {"name": "loadtester-reviews-tokens"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
        "subjects": [{"kind": "ServiceAccount", "name": "flagger-loadtester", "namespace": "passes"}],
    });
    bindings.create(&PostParams::default(), &of(delegator)).await.unwrap();
    tester.allow("-service-account=passes/keeper=gate,read,run@passes");
    tester.restart().await.unwrap();
    let other = token(client, "passes", "keeper", Some("somebody-else")).await.unwrap();
    let keeper = token(client, "passes", "keeper", Some("canary-loadtester")).await.unwrap();
    let put = reqwest::Method::PUT;
    assert_eq!(ask(tester, &other, put.clone(), gate, &open).await, 403);
    assert_eq!(
        ask(tester, &keeper, put.clone(), "v1/gates/fails/podinfo/confirm-promotion", &open).await,
        403
    );
    wait_for("rights", async || (ask(tester, &keeper, put.clone(), gate, &open).await == 200).then_some(()))
        .await;
    tester.restart().await.unwrap();
    assert_eq!(ask(tester, &keeper, reqwest::Method::GET, gate, &json!({})).await, 200);
    keeper
}

/// A scenario and its data in a ConfigMap that nobody has told the load tester of before.
async fn scenarios_are_read_with_the_rights_of_the_manifest(
    client: &Client,
    tester: &Tester,
    keeper: &str,
    port: u16,
) {
    let scenario = "\
name: look
load: {target: 20/s, duration: 1s}
base: http://podinfo
sources: {paths: {configMap: {name: load, key: paths.csv}}}
feeds: {row: {from: paths}}
flows: [{name: look, steps: [{get: \"{{ row.path }}\"}]}]
";
    let map = json!({"metadata": {"name": "load"}, "data": {"look.yaml": scenario, "paths.csv": "path\n/version\n"}});
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "passes");
    maps.create(&PostParams::default(), &of(map)).await.unwrap();
    let base = format!("http://127.0.0.1:{port}");
    let start = async |scenario: &str| {
        let metadata = json!({"scenario": scenario, "base": base});
        let body = json!({"name": "podinfo", "namespace": "passes", "metadata": metadata});
        ask(tester, keeper, reqwest::Method::POST, "v1/runs", &body).await
    };
    assert_eq!(start("load/look.yaml").await, 201);
    assert_eq!(start("other/look.yaml").await, 424);
}

#[tokio::test(flavor = "multi_thread")]
async fn rollouts_pass_and_fail_by_the_hooks_of_the_tutorial() {
    let Some(assets) = installed() else {
        eprintln!("skipped: KUBEBUILDER_ASSETS names no control plane");
        return;
    };
    let program = built("canary-loadtester").unwrap();
    let server = ApiServer::start(&assets).await.unwrap();
    let client = server.client().unwrap();
    install_with_istio(&client).await.unwrap();
    let stop = CancellationToken::new();
    let controller = Controller::new(client.clone(), Settings::default()).with_providers(healthy_metrics());
    let running = tokio::spawn(controller.run(stop.clone()));
    tokio::join!(
        a_rollout_passes_with_the_tutorials_hooks(&server, &assets, &program),
        a_failing_acceptance_test_rolls_back(&server, &assets, &program),
    );
    stop.cancel();
    running.await.unwrap().unwrap();
}
