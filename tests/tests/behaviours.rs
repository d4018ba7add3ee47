//! The behaviours on the sandbox, and on a real API server where `KUBEBUILDER_ASSETS` names one: both have to show them all.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::panic::AssertUnwindSafe;

use canary_sandbox::{Sandbox, drive};
use canary_tests::{ApiServer, Behaviour, behaviours, collector_behaviours, installed};
use futures::FutureExt;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

/// Installs the project's own kinds.
async fn install(client: Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in canary_api::crds() {
        let name = crd.metadata.name.clone().unwrap();
        definitions.create(&PostParams::default(), &crd).await.unwrap();
        let established = kube::runtime::wait::conditions::is_crd_established();
        kube::runtime::wait::await_condition(definitions.clone(), &name, established).await.unwrap();
    }
}

/// Shows each behaviour in a namespace of its own, and says which did not hold.
async fn show_all(client: Client, behaviours: Vec<Behaviour>) {
    let mut failed = Vec::new();
    for behaviour in behaviours {
        let namespace = behaviour.name.replace('_', "-").chars().take(60).collect::<String>();
        let namespace = namespace.trim_end_matches('-').to_owned();
        let object = Namespace {
            metadata: ObjectMeta { name: Some(namespace.clone()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        Api::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
        let shown = AssertUnwindSafe((behaviour.show)(client.clone(), namespace)).catch_unwind().await;
        if shown.is_err() {
            failed.push(behaviour.name);
        }
    }
    assert!(failed.is_empty(), "did not hold: {failed:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_sandbox_behaves_like_an_api_server() {
    let sandbox = Sandbox::new("2026-01-01T00:00:00Z".parse().unwrap());
    tokio::select! {
        () = async {
            install(sandbox.client("default")).await;
            show_all(sandbox.client("default"), behaviours()).await;
            show_all(sandbox.client("default"), collector_behaviours()).await;
        } => {}
        never = drive(sandbox.clone(), sandbox.now()) => match never {},
    }
}

#[tokio::test]
async fn a_real_api_server_behaves_as_the_sandbox_has_to() {
    let Some(assets) = installed() else {
        eprintln!("skipped: KUBEBUILDER_ASSETS names no control plane");
        return;
    };
    let mut server = ApiServer::start(&assets).await.unwrap();
    let client = server.client().unwrap();
    install(client.clone()).await;
    show_all(client.clone(), behaviours()).await;
    if server.start_garbage_collector(&assets).unwrap() {
        show_all(client, collector_behaviours()).await;
    } else {
        eprintln!("skipped: KUBEBUILDER_ASSETS has no kube-controller-manager, so nothing collects garbage");
    }
}
