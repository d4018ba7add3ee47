//! The routers on a real API server, which fills in, prunes and refuses by the genuine definitions of their kinds.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use canary_sandbox::contract::{RouterAdapter, hold_all};
use canary_tests::routers::{
    Apisix, AppMesh, Contour, GatewayApi, Gloo, Istio, Knative, Kubernetes, Kuma, Nginx, Skipper, Smi,
    Traefik,
};
use canary_tests::{ApiServer, install_genuine, install_stand_ins, installed, wait_until_served};

/// Routers of kinds that every cluster has.
const BUILT_IN: &[(&str, &dyn RouterAdapter)] =
    &[("kubernetes", &Kubernetes), ("nginx", &Nginx), ("skipper", &Skipper)];

/// Routers of kinds whose genuine definitions can be had.
const GENUINE: &[(&str, &dyn RouterAdapter)] = &[
    ("contour", &Contour),
    ("gateway-v1", &GatewayApi("v1")),
    ("gateway-v1beta1", &GatewayApi("v1beta1")),
    ("istio", &Istio),
    ("knative", &Knative),
    ("smi-v1alpha1", &Smi("v1alpha1")),
    ("smi-v1alpha2", &Smi("v1alpha2")),
    ("smi-v1alpha3", &Smi("v1alpha3")),
    ("traefik", &Traefik),
];
const MESHES: &[&str] = &["contour", "gateway-api", "istio", "knative", "smi", "traefik"];

/// Routers whose kinds have stand-ins only.
const STAND_INS: &[(&str, &dyn RouterAdapter)] = &[
    ("apisix", &Apisix),
    ("appmesh-v1beta1", &AppMesh("v1beta1")),
    ("appmesh-v1beta2", &AppMesh("v1beta2")),
    ("gloo", &Gloo),
    ("kuma", &Kuma),
];

#[tokio::test]
async fn every_router_keeps_its_contract_on_a_real_api_server() {
    let Some(assets) = installed() else {
        eprintln!("skipped: KUBEBUILDER_ASSETS names no control plane");
        return;
    };
    let server = ApiServer::start(&assets).await.unwrap();
    let mut routers = BUILT_IN.to_vec();
    if install_genuine(&server, MESHES).unwrap() {
        routers.extend(GENUINE);
    } else {
        eprintln!("skipped: MESH_CRDS names no program that installs {}", MESHES.join(", "));
    }
    if install_stand_ins(&server, &assets).unwrap() {
        routers.extend(STAND_INS);
    } else {
        eprintln!("skipped: STAND_IN_CRDS names no file of definitions");
    }
    let client = server.client().unwrap();
    let mut broken = Vec::new();
    for (name, adapter) in routers {
        wait_until_served(&client, &adapter.kinds()).await.unwrap();
        let report = hold_all(adapter, &client, name).await;
        eprintln!("{name}\n{report}");
        broken.extend(report.violations().map(|violation| format!("{name}: {violation}")));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
