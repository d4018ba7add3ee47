//! The kustomizations are accepted by a real API server as they are, and give the controller flags that it takes.
//!
//! Needs `KUBEBUILDER_ASSETS`; `CANARYD`, where it is set, is asked whether it takes the flags.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::{Path, PathBuf};
use std::process::Command;

use canary_tests::{
    ApiServer, define, deploy_folder, documents, installed, object, open_definition, succeed, tool,
};
use serde_json::Value;

/// Each with its namespace and what its mesh and metric server are.
const OVERLAYS: [(&str, &str, &str, &str); 10] = [
    ("apisix", "flagger-system", "apisix", "http://flagger-prometheus:9090"),
    ("appmesh", "appmesh-system", "appmesh", "http://appmesh-prometheus:9090"),
    ("contour", "projectcontour", "contour", "http://flagger-prometheus:9090"),
    ("gatewayapi", "flagger-system", "gatewayapi:v1", "http://flagger-prometheus:9090"),
    ("istio", "istio-system", "istio", "http://prometheus:9090"),
    ("knative", "flagger-system", "knative", "http://flagger-prometheus:9090"),
    ("kubernetes", "flagger-system", "kubernetes", "http://flagger-prometheus:9090"),
    ("kuma", "kong-mesh-system", "kuma", "http://prometheus-server.mesh-observability:80"),
    ("osm", "osm-system", "osm", "http://osm-prometheus.osm-system.svc:7070"),
    ("linkerd", "flagger-system", "gatewayapi:v1beta1", "http://prometheus.linkerd-viz:9090"),
];

/// What is not the controller, with the workload that it is: the load tester, and something to release.
const BESIDE: [(&str, &str); 2] = [("tester", "flagger-loadtester"), ("podinfo", "podinfo")];

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

/// A kustomization may only name files below it, so the load tester's objects are there twice.
#[test]
fn the_load_tester_is_the_same_with_and_without_kustomize() {
    let read = |path: &str| {
        let text = std::fs::read_to_string(deploy_folder().join(path)).unwrap();
        documents(&text).unwrap()
    };
    assert_eq!(
        read("kustomize/tester/loadtester.yaml"),
        read("../../canary-loadtester/deploy/canary-loadtester.yaml")
    );
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

#[tokio::test]
async fn a_real_api_server_accepts_every_overlay_as_it_is() {
    let Some(assets) = installed() else { return };
    let server = ApiServer::start(&assets).await.unwrap();
    let admin: PathBuf = server.admin_kubeconfig().unwrap();
    // A kind of Linkerd's, which one overlay makes an object of.
    let policies =
        open_definition("policy.linkerd.io", "v1alpha1", "AuthorizationPolicy", "authorizationpolicies");
    define(&server.client().unwrap(), [policies]).await.unwrap();
    let at = ["--kubeconfig", admin.to_str().unwrap()];
    for namespace in [
        "flagger-system",
        "istio-system",
        "appmesh-system",
        "projectcontour",
        "kong-mesh-system",
        "linkerd-viz",
        "osm-system",
        "test",
    ] {
        kubectl(&assets, &[&at[..], &["create", "namespace", namespace]].concat());
    }
    let controllers = OVERLAYS.iter().map(|(overlay, ..)| (*overlay, "flagger"));
    for (overlay, deployment) in controllers.chain(BESIDE) {
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
            let applied = format!("deployment.apps/{deployment} serverside-applied");
            assert!(answer.contains(&applied), "{overlay}: {answer}");
        }
    }
}
