#![doc = include_str!("../README.md")]

mod admission;
mod agenda;
mod cluster;
pub mod contract;
mod defaults;
mod definitions;
mod discovery;
mod drive;
mod errors;
mod events;
mod follow;
mod kinds;
mod listing;
mod ownership;
mod patch;
mod paths;
mod pods;
mod provider_contract;
mod rendering;
mod requests;
mod sandbox;
mod scenario;
mod schema;
mod selector;
mod server;
mod service;
mod store;
mod strategic;
mod view;
mod watching;
mod workloads;
mod writing;

pub use drive::drive;
pub use kube;
pub use pods::{PodCount, PodFacts, PodFate};
pub use provider_contract::{
    Connection, Content, ContractReply, ContractRequest, PROVIDER_CASES, ProviderSubject, Several,
    provider_case, provider_failures,
};
pub use requests::{RequestCounts, RequestInfo, Verdict};
pub use sandbox::Sandbox;
pub use scenario::{
    HookLine, MetricLine, Pods, Scenario, ScriptedHooks, ScriptedMetrics, Stage, TrafficLine,
    UnknownScenario, shipped, shipped_names,
};
pub use service::{AnswerBody, ApiServer};
pub use view::{View, WriteError};
