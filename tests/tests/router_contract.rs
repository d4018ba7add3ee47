//! The routers on a real API server, which fills in, prunes and refuses by the genuine definitions of their kinds, and with
//! the rights of the installed role: none is missing for what a router does on its mesh, and none is spare.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "router_contract/metrics.rs"]
mod metrics;
#[path = "router_contract/rights.rs"]
mod rights;

use std::collections::BTreeSet;

use canary_sandbox::contract::{RouterAdapter, hold_all};
use canary_tests::routers::{
    Apisix, AppMesh, Contour, GatewayApi, Gloo, Istio, Knative, Kubernetes, Kuma, Nginx, Skipper, Smi,
    Traefik,
};
use canary_tests::{ApiServer, install_genuine, install_stand_ins, installed, wait_until_served};

/// Prefix of namespaces, provider in the table of rights, router.
type Entry = (&'static str, &'static str, &'static dyn RouterAdapter);

/// Routers of kinds that every cluster has.
const BUILT_IN: &[Entry] = &[
    ("kubernetes", "kubernetes", &Kubernetes),
    ("nginx", "nginx", &Nginx),
    ("skipper", "skipper", &Skipper),
];

/// Routers of kinds whose genuine definitions can be had.
const GENUINE: &[Entry] = &[
    ("contour", "contour", &Contour),
    ("gateway-v1", "gatewayapi", &GatewayApi("v1")),
    ("gateway-v1beta1", "gatewayapi", &GatewayApi("v1beta1")),
    ("istio", "istio", &Istio),
    ("knative", "knative", &Knative),
    ("smi-v1alpha1", "smi", &Smi("v1alpha1")),
    ("smi-v1alpha2", "smi", &Smi("v1alpha2")),
    ("smi-v1alpha3", "smi", &Smi("v1alpha3")),
    ("traefik", "traefik", &Traefik),
];
const MESHES: &[&str] = &["contour", "gateway-api", "istio", "knative", "smi", "traefik"];

/// Routers whose kinds have stand-ins only.
const STAND_INS: &[Entry] = &[
    ("apisix", "apisix", &Apisix),
    ("appmesh-v1beta1", "appmesh", &AppMesh("v1beta1")),
    ("appmesh-v1beta2", "appmesh", &AppMesh("v1beta2")),
    ("gloo", "gloo", &Gloo),
    ("kuma", "kuma", &Kuma),
];

#[tokio::test]
async fn every_router_keeps_its_contract_on_a_real_api_server_with_its_rights_and_none_is_spare() {
    let Some(assets) = installed() else {
        eprintln!("skipped: KUBEBUILDER_ASSETS names no control plane");
        return;
    };
    let server = ApiServer::start_strict(&assets).await.unwrap();
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
    let mut providers = BTreeSet::new();
    for (name, provider, adapter) in routers {
        wait_until_served(&client, &adapter.kinds()).await.unwrap();
        if providers.insert(provider) {
            rights::grant(&client, provider).await.unwrap();
        }
        let adapter = rights::As { adapter, user: rights::user(provider) };
        let report = hold_all(&adapter, &client, name).await;
        eprintln!("{name}\n{report}");
        broken.extend(report.violations().map(|violation| format!("{name}: {violation}")));
    }
    rights::grant(&client, rights::METRICS).await.unwrap();
    let user = rights::impersonating(client.clone(), &rights::user(rights::METRICS));
    metrics::ask(&client, &user).await.unwrap();
    providers.insert(rights::METRICS);
    for provider in &providers {
        let requests = server.requests_of(&rights::user(provider)).unwrap();
        eprintln!("{provider}: {} requests", requests.len());
        broken.extend(rights::judge(provider, &requests));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
