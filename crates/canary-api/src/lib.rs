#![doc = include_str!("../README.md")]

mod alert_provider;
mod definitions;
mod fields;
mod go_duration;
mod metric_template;
mod objects;
mod options;
mod problem;
mod schema;
mod spec;
mod status;
mod steering;
mod target_kind;
mod valid;

pub use alert_provider::AlertProviderSpec;
pub use definitions::{crds, crds_yaml, field_reference, flagger_crds};
pub use go_duration::{GoDuration, NotADuration};
pub use kube;
pub use metric_template::{MetricBackend, MetricTemplateSpec, SecretRef};
pub use objects::{AlertProvider, Canary, MetricTemplate};
pub use options::Options;
pub use problem::{FieldProblem, InvalidObject};
pub use serde_saphyr::SerializeError as YamlError;
pub use spec::{
    AlertRef, Analysis, AutoscalerRef, CanarySpec, Metric, ProviderRef, Reference, ScalerReplicas,
    ServiceSpec, SessionAffinity, ThresholdRange, UnmanagedMetadata, Webhook,
};
pub use status::{CanaryCondition, CanaryStatus, METRIC_CHECK_FAILED};
pub use steering::{
    COMMAND_ANNOTATION, HISTORY_ANNOTATION, PastRollout, STEERING_ANNOTATION, command, history, steering,
    with_rollout,
};
pub use target_kind::TargetKind;
pub use valid::{MetricSpec, QueryModel, References, ValidCanary};
