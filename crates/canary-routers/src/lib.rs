#![doc = include_str!("../README.md")]

mod apisix;
mod appmesh;
mod attempt;
mod cookie;
mod gateway_api;
mod ingress;
mod istio;
mod knative;
mod kubernetes;
mod memory;
mod nginx;
mod objects;
mod ownership;
mod registry;
mod share;
mod smi;
mod takeover;
mod traefik;
mod viewed;

pub use apisix::Apisix;
pub use appmesh::AppMesh;
pub use attempt::Attempt;
pub use gateway_api::GatewayApi;
pub use istio::Istio;
pub use knative::{Knative, KnativeService};
pub use kube;
pub use kubernetes::Kubernetes;
pub use memory::{MemoryObjects, Operation};
pub use nginx::Nginx;
pub use objects::{LiveObjects, ObjectError, Objects};
pub use ownership::{ObjectMetadata, apex_metadata};
pub use registry::Routers;
pub use smi::Smi;
pub use traefik::Traefik;
