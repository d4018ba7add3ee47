//! What differs between meshes, workloads, metric backends, chat services and hook callers: one small trait each.
//!
//! Implementations do their one job. Logging, retries, events and status are the caller's, once for all of them.

mod hooks;
mod measurement;
mod metrics;
mod notifier;
mod registry;
mod route;
mod router;
mod workload;

pub use hooks::{HookAnswer, HookCall, HookPayload, Hooks};
pub use measurement::{Measurement, Samples};
pub use metrics::{MetricError, MetricProvider, Trouble};
pub use notifier::{Alert, Notifier, NotifyError, Severity};
pub use registry::{Registry, UnknownName};
pub use route::{
    Affinity, CookieAttributes, CorsPolicy, HeaderOperations, Headers, HttpMatch, Metadata, Owner, Retries,
    Rewrite, RouteSpec, StringMatch, TargetPort,
};
pub use router::{Capabilities, Router, RouterError};
pub use workload::{Autoscaler, Scale, Workload, WorkloadError, WorkloadSpec, WorkloadState};
