//! The routers of this crate, described for the router contract. Also read by the tests on a real API server.
#![allow(unreachable_pub, reason = "another crate reads this file as a public module")]

mod apisix;
mod appmesh;
mod contour;
mod gateway_api;
mod gloo;
mod istio;
mod knative;
mod kubernetes;
mod kuma;
mod nginx;
mod skipper;
mod smi;
mod traefik;

pub use apisix::Apisix;
pub use appmesh::AppMesh;
pub use contour::Contour;
pub use gateway_api::GatewayApi;
pub use gloo::Gloo;
pub use istio::Istio;
pub use knative::Knative;
pub use kubernetes::Kubernetes;
pub use kuma::Kuma;
pub use nginx::Nginx;
pub use skipper::Skipper;
pub use smi::Smi;
pub use traefik::Traefik;
