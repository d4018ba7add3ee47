//! The kustomizations are accepted by a real API server as they are, and give the controller flags that it takes.
//!
//! Needs `KUBEBUILDER_ASSETS`; `CANARYD`, where it is set, is asked whether it takes the flags.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::{Path, PathBuf};
use std::process::Command;

use canary_tests::{ApiServer, deploy_folder, documents, installed, object, succeed, tool};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::PostParams;
use kube::runtime::wait::{await_condition, conditions};
use serde_json::{Value, json};

/// Each with its namespace and what its mesh and metric server are.
const OVERLAYS: [(&str, &str, &str, &str); 9] = [
    ("apisix", "flagger-system", "apisix", "http://flagger-prometheus:9090"),
    ("appmesh", "appmesh-system", "appmesh", "http://appmesh-prometheus:9090"),
    ("contour", "projectcontour", "contour", "http://flagger-prometheus:9090"),
    ("gatewayapi", "flagger-system", "gatewayapi:v1", "http://flagger-prometheus:9090"),
    ("istio", "istio-system", "istio", "http://prometheus:9090"),
    ("knative", "flagger-system", "knative", "http://flagger-prometheus:9090"),
    ("kubernetes", "flagger-system", "kubernetes", "http://flagger-prometheus:9090"),
    ("kuma", "kong-mesh-system", "kuma", "http://prometheus-server.mesh-observability:80"),
    ("linkerd", "flagger-system", "gatewayapi:v1beta1", "http://prometheus.linkerd-viz:9090"),
];

fn kubectl(assets: &Path, arguments: &[&str]) -> String {
    succeed(Command::new(assets.join("kubectl")).args(arguments)).unwrap()
}

fn built(assets: &Path, overlay: &str) -> Vec<Value> {
    let folder = deploy_folder().join("kustomize").join(overlay);
    documents(&kubectl(assets, &["kustomize", folder.to_str().unwrap()])).unwrap()
}

fn flags(objects: &[Value]) -> Vec<String> {
    let deployment = object(objects, "Deployment", "flagger").unwrap();
    serde_json::from_value(deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone()).unwrap()
}

#[test]
fn every_overlay_names_its_mesh_its_metric_server_and_its_namespace() {
    let Some(assets) = installed() else { return };
    for (overlay, namespace, mesh, metrics) in OVERLAYS {
        let objects = built(&assets, overlay);
        let flags = flags(&objects);
        let start = ["-log-level=info", "-include-label-prefix=app.kubernetes.io"];
        assert_eq!(flags[..2], start, "{overlay}");
        assert!(flags.contains(&format!("-mesh-provider={mesh}")), "{overlay}: {flags:?}");
        assert!(flags.contains(&format!("-metrics-server={metrics}")), "{overlay}: {flags:?}");
        let binding = object(&objects, "ClusterRoleBinding", "flagger").unwrap();
        for at in [
            &object(&objects, "Deployment", "flagger").unwrap()["metadata"]["namespace"],
            &binding["subjects"][0]["namespace"],
        ] {
            assert_eq!(at, namespace, "{overlay}");
        }
        let own_prometheus = object(&objects, "Deployment", "flagger-prometheus").is_ok();
        assert_eq!(own_prometheus, metrics.contains("flagger-prometheus"), "{overlay}");
    }
}

#[test]
fn the_controller_takes_the_flags_of_every_overlay() {
    let (Some(assets), Some(canaryd)) = (installed(), tool("CANARYD")) else { return };
    for (overlay, ..) in OVERLAYS {
        let mut command = Command::new(&canaryd);
        command.env_clear().args(flags(&built(&assets, overlay)));
        // With that kubeconfig the flags are read and judged, and then it ends.
        let output = command.args(["-kubeconfig", "/does/not/exist"]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("/does/not/exist cannot be read"), "{overlay}: {text}");
    }
}

/// The definition of a kind of Linkerd's, which one overlay makes an object of.
fn linkerds() -> CustomResourceDefinition {
    serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "authorizationpolicies.policy.linkerd.io"},
        "spec": {"group": "policy.linkerd.io", "scope": "Namespaced",
            "names": {"kind": "AuthorizationPolicy", "plural": "authorizationpolicies",
                      "singular": "authorizationpolicy", "listKind": "AuthorizationPolicyList"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    }))
    .unwrap()
}

#[tokio::test]
async fn a_real_api_server_accepts_every_overlay_as_it_is() {
    let Some(assets) = installed() else { return };
    let server = ApiServer::start(&assets).await.unwrap();
    let admin: PathBuf = server.admin_kubeconfig().unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(server.client().unwrap());
    definitions.create(&PostParams::default(), &linkerds()).await.unwrap();
    let name = "authorizationpolicies.policy.linkerd.io";
    await_condition(definitions, name, conditions::is_crd_established()).await.unwrap();
    let at = ["--kubeconfig", admin.to_str().unwrap()];
    for namespace in [
        "flagger-system",
        "istio-system",
        "appmesh-system",
        "projectcontour",
        "kong-mesh-system",
        "linkerd-viz",
    ] {
        kubectl(&assets, &[&at[..], &["create", "namespace", namespace]].concat());
    }
    for (overlay, ..) in OVERLAYS {
        let folder = deploy_folder().join("kustomize").join(overlay);
        let apply = [
            "apply",
            "--validate=strict",
            "--server-side",
            "--force-conflicts",
            "--kustomize",
            folder.to_str().unwrap(),
        ];
        for dry_run in ["--dry-run=server", "--dry-run=none"] {
            let answer = kubectl(&assets, &[&at[..], &apply, &[dry_run]].concat());
            assert!(answer.contains("deployment.apps/flagger serverside-applied"), "{overlay}: {answer}");
        }
    }
}
