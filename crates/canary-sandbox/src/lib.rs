#![doc = include_str!("../README.md")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "JSON has six kinds of values, and most places ask for one"
)]
#![allow(
    clippy::struct_field_names,
    clippy::struct_excessive_bools,
    reason = "fields are named as Kubernetes names them"
)]
#![allow(clippy::unused_self, reason = "methods say what they belong to")]
#![allow(clippy::needless_for_each, clippy::items_after_statements, clippy::similar_names, reason = "taste")]
#![allow(clippy::match_same_arms, clippy::assigning_clones, reason = "tables of rules are read line by line")]

mod admission;
mod agenda;
mod cluster;
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
pub use requests::{RequestCounts, RequestInfo, Verdict};
pub use sandbox::Sandbox;
pub use scenario::{
    HookLine, MetricLine, Pods, Scenario, ScriptedHooks, ScriptedMetrics, Stage, UnknownScenario, shipped,
    shipped_names,
};
pub use service::{AnswerBody, ApiServer};
pub use view::{View, WriteError};
