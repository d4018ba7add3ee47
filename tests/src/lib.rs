//! What only a real API server can tell, and what the sandbox has to answer like one.
//!
//! [`behaviours`] run on the sandbox and on a real kube-apiserver (etcd and kube-apiserver from the folder that
//! `KUBEBUILDER_ASSETS` names), each in a namespace of its own, and have to hold on both. They cover:
//!
//! - objects: creation, generated names, dry run, deletion with preconditions, finalizers and what they refuse, defaults of
//!   Deployments and Services, text of Secrets, events of both groups;
//! - writes: conflicts, unconditional writes, writes that change nothing, generations (annotations of a Deployment count),
//!   merge, JSON and strategic patches, immutable selectors and addresses;
//! - subresources: status with what it leaves alone, scale, conflicts on both;
//! - lists: pages, selectors, the cache's version 0, metadata only;
//! - watches: from a version, from nothing, by label and by name, metadata only, bookmarks, streamed lists, deletions with
//!   a version of their own, the end of their time, and the watcher of kube's runtime on top;
//! - custom resources: pruning, defaults, validation, status, generation, replacement with a version only;
//! - refusals: code, reason, message, details and causes, and how unknown paths, resources and versions are told apart;
//! - discovery in both forms, version and health.
//!
//! [`collector_behaviours`] need a garbage collector: the sandbox has one, beside a real API server it is
//! kube-controller-manager's, if the folder has that program. They cover deletion in the background, in the foreground and
//! of the owner alone, objects with several owners, and owners that never were.
//!
//! The routers of `canary-routers` are held to the router contract on a real server, too, with the genuine definitions of
//! their kinds: the program that `MESH_CRDS` names installs them, the file that `STAND_IN_CRDS` names has definitions without
//! a schema for kinds whose genuine ones are not to be had.
//!
//! What a real server cannot be brought to within seconds, the two forms of 410 for a past that is forgotten, is tested on the
//! sandbox only.
//!
//! The load tester takes the place of Flagger's in whole rollouts: real hooks, a real podinfo, real load.
//!
//! Metric providers are asked for real where `PROMETHEUS`, `MOTO_SERVER` and `GRAPHITE_BIN` name the programs.

mod api_server;
mod behaviours;
mod definitions;
mod documented;
mod healthy;
mod kubelet;
mod program;
mod programs;
/// The routers, described for the router contract.
#[path = "../../crates/canary-routers/tests/adapters/all.rs"]
pub mod routers;
mod stub;
mod tutorial;

pub use api_server::{ApiServer, installed};
pub use behaviours::{Behaviour, behaviours, collector_behaviours};
pub use definitions::{define, install_genuine, install_stand_ins, open_definition, wait_until_served};
pub use documented::documented_query;
pub use healthy::{healthy_controller, healthy_metrics};
pub use kubelet::{daemons_become_ready, pods_become_ready};
pub use program::{Folder, Running, START, free_port, program, wait_for};
pub use programs::{deploy_folder, documents, object, succeed, tool};
pub use stub::{Stub, fetch};
pub use tutorial::{all_ready, built, deployments_become_ready, install_beside_istio, install_with_istio};
