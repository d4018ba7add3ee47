//! A walk on a real API server, with the program as users run it: an aborted rollout, a retry with an approved gate, and one
//! that is promoted by hand.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use canary_tests::{
    ApiServer, built, deployments_become_ready, healthy_controller, install_with_istio, installed,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Event;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The tutorial's Deployment, and a canary with gates that a person opens.
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
                "metrics": [{"name": "request-success-rate", "interval": "1m", "thresholdRange": {"min": 99}}],
                // It waits at each, so that nothing moves while a tree is drawn.
                "webhooks": [{"name": "more", "type": "confirm-traffic-increase"},
                             {"name": "finish", "type": "confirm-promotion"}]}},
    });
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    deployments.create(&PostParams::default(), &serde_json::from_value(deployment).unwrap()).await.unwrap();
    let canaries: Api<canary_api::Canary> = Api::default_namespaced(client.clone());
    canaries.create(&PostParams::default(), &serde_json::from_value(canary).unwrap()).await.unwrap();
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
    reach(client, "/phase", &json!(wanted)).await;
}

/// Waits until a field of the status has that value.
async fn reach(client: &Client, field: &str, wanted: &Value) {
    let canaries: Api<canary_api::Canary> = Api::default_namespaced(client.clone());
    let reached =
        |canary: Option<&canary_api::Canary>| canary.is_some_and(|c| c.status.pointer(field) == Some(wanted));
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

/// Waits for an event with that text: events follow what they tell of.
async fn told(client: &Client, text: &str) {
    let events: Api<Event> = Api::default_namespaced(client.clone());
    let waiting = async {
        let is_told = |e: &Event| e.message.as_ref().is_some_and(|message| message.contains(text));
        while !events.list(&ListParams::default()).await.unwrap().iter().any(is_told) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), waiting).await.is_ok(), "no event says {text:?}");
}

/// Waits until the target has that many pods.
async fn pods(client: &Client, wanted: i32) {
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let reached = |target: Option<&Deployment>| {
        let status = target.and_then(|t| t.status.as_ref());
        status.is_some_and(|s| s.ready_replicas.unwrap_or(0) == wanted)
            && target.and_then(|t| t.spec.as_ref()?.replicas) == Some(wanted)
    };
    let reaching = await_condition(deployments, "podinfo", reached);
    assert!(tokio::time::timeout(Duration::from_secs(90), reaching).await.is_ok(), "never {wanted} pods");
}

/// A tree without what differs from run to run: ages become `T`, and the events, whose order within a second is open, go.
fn settled(tree: &str) -> String {
    let is_age = |word: &str| {
        let word = word.trim_end_matches(',');
        word.ends_with(['s', 'm', 'h', 'd'])
            && word.starts_with(|c: char| c.is_ascii_digit())
            && word.chars().all(|c| c.is_ascii_digit() || "smhd".contains(c))
    };
    let mut text = String::new();
    for line in tree.lines().take_while(|line| !line.ends_with("events")) {
        let indent = line.len() - line.trim_start_matches([' ', '│', '├', '└', '─']).len();
        let words: Vec<&str> =
            line[indent..].split_whitespace().map(|word| if is_age(word) { "T" } else { word }).collect();
        writeln!(text, "{}{}", &line[..indent], words.join(" ")).unwrap();
    }
    text
}

/// What a person typed and saw.
struct Walk {
    terminal: Terminal,
    seen: String,
}

impl Walk {
    /// Types a command that has to succeed.
    async fn type_in(&mut self, line: &str) {
        let text = self.terminal.succeeds(line).await;
        write!(self.seen, "$ canaryctl {line}\n{text}\n").unwrap();
    }

    async fn look(&mut self, when: &str) {
        let tree = self.terminal.succeeds("get podinfo --width 100").await;
        write!(self.seen, "# {when}\n{}\n", settled(&tree)).unwrap();
    }

    /// Waits for the end of the rollout, whatever it is.
    async fn end(&self, code: i32) -> String {
        let (got, said) = self.terminal.run("status podinfo --wait --timeout 90s").await;
        assert_eq!(got, Some(code), "{said}");
        said
    }

    /// Compares with what is written down; `UPDATE=1` writes it.
    fn compare(&self) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/steering/walk.txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &self.seen).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), self.seen, "UPDATE=1 rewrites it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_steers_rollouts_on_a_real_server() {
    let Some(assets) = installed() else {
        eprintln!("skipped: KUBEBUILDER_ASSETS names no control plane");
        return;
    };
    let server = ApiServer::start(&assets).await.unwrap();
    let (client, kubeconfig) = (server.client().unwrap(), server.kubeconfig().unwrap());
    install_with_istio(&client).await.unwrap();
    create_canary(&client).await;
    let cluster = tokio::spawn(deployments_become_ready(client.clone(), "default"));
    let stop = CancellationToken::new();
    let running = tokio::spawn(healthy_controller(&client).run(stop.clone()));
    let mut walk =
        Walk { terminal: Terminal { program: built("canaryctl").unwrap(), kubeconfig }, seen: String::new() };

    phase(&client, "Initialized").await;
    pods(&client, 0).await;
    walk.look("Nothing is rolled out.").await;
    let (code, said) = walk.terminal.run("abort podinfo --yes").await;
    assert!(code == Some(1) && said.contains("nothing is being rolled out"), "{said}");

    apply(&client, "podinfo:2").await;
    phase(&client, "Progressing").await;
    pods(&client, 1).await;
    walk.look("Before the abort: the new revision waits for leave to get traffic.").await;
    walk.type_in("abort podinfo --yes --reason errors").await;
    let said = walk.end(1).await;
    assert!(said.contains(": errors"), "the reason is told: {said}");
    pods(&client, 0).await;
    walk.look("After the abort.").await;

    walk.type_in("retry podinfo").await;
    phase(&client, "Progressing").await;
    pods(&client, 1).await;
    walk.look("After the retry, before the gate is approved.").await;
    walk.type_in("approve podinfo --gate more").await;
    reach(&client, "/canaryWeight", &json!(50)).await;
    told(&client, "Advance podinfo.default canary weight 50").await;
    walk.look("After an increase was approved.").await;
    walk.type_in("approve podinfo --gate more").await;
    phase(&client, "WaitingPromotion").await;
    told(&client, "waiting for promotion approval finish").await;
    walk.look("Before the promotion is approved.").await;
    walk.type_in("approve podinfo").await;
    walk.end(0).await;
    pods(&client, 0).await;
    walk.look("After the promotion was approved.").await;

    apply(&client, "podinfo:3").await;
    phase(&client, "Progressing").await;
    pods(&client, 1).await;
    pause_by_hand(&client).await;
    walk.look("Before the promotion: somebody paused it with kubectl.").await;
    walk.type_in("promote podinfo --full --yes").await;
    walk.end(0).await;
    pods(&client, 0).await;
    walk.look("After the promotion.").await;

    let history: Value =
        serde_json::from_str(&walk.terminal.succeeds("history podinfo -o json").await).unwrap();
    let ends: Vec<_> = history.as_array().unwrap().iter().map(|r| (&r["images"][0], &r["outcome"])).collect();
    assert_eq!(
        json!(ends),
        json!([["podinfo:3", "Succeeded"], ["podinfo:2", "Succeeded"], ["podinfo:2", "Failed"]])
    );
    let (code, said) = walk.terminal.run("get podinof").await;
    assert!(code == Some(3) && said.contains("did you mean \"podinfo\""), "{said}");
    stop.cancel();
    running.await.unwrap().unwrap();
    cluster.abort();
    walk.compare();
}

/// A command that names nobody, as `kubectl annotate` gives it. What is told of it names the program that the API server
/// noted.
async fn pause_by_hand(client: &Client) {
    let canaries: Api<canary_api::Canary> = Api::default_namespaced(client.clone());
    let command = json!({"id": "by hand", "command": "pause"}).to_string();
    let patch = json!({"metadata": {"annotations": {canary_api::COMMAND_ANNOTATION: command}}});
    let by = PatchParams { field_manager: Some("kubectl-annotate".into()), ..PatchParams::default() };
    canaries.patch("podinfo", &by, &Patch::Merge(patch)).await.unwrap();
    let taken = |canary: Option<&canary_api::Canary>| {
        canary.is_some_and(|c| canary_api::steering(&c.metadata).paused.is_some())
    };
    let waited = await_condition(canaries, "podinfo", taken);
    assert!(tokio::time::timeout(Duration::from_secs(30), waited).await.is_ok(), "not answered");
}
