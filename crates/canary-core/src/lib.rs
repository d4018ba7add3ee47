#![doc = include_str!("../README.md")]

mod aftermath;
mod analysis;
mod begin;
mod call;
mod change;
mod command;
mod decision;
mod initialize;
mod next;
mod notice;
mod observed;
mod phase;
mod plan;
mod plugin;
mod primary;
mod promotion;
mod question;
mod rhythm;
mod rollback;
mod status;
mod steering;
mod strategy;
mod termination;
mod weights;
mod wording;

pub use aftermath::{called, effect_failed, missed};
pub use command::{Command, Unreadable, Verb};
pub use decision::{AutoscalerState, Commit, Decision, Effect, Next, Then, Wake};
pub use jiff::Timestamp;
pub use next::next;
pub use notice::{CheckFailure, EventKind, Happening, Notice, UnsupportedSetting};
pub use observed::{Instance, Observed, Readiness, Target};
pub use phase::{Phase, UnknownPhase};
pub use plan::{
    AlertRule, Bounds, Check, CheckSource, Hook, HookId, HookKind, MetricId, Plan, Shown, StepBy, Steps,
    Strategy,
};
pub use plugin::{
    Affinity, Alert, Autoscaler, Capabilities, CookieAttributes, CorsPolicy, HeaderOperations, Headers,
    HookAnswer, HookCall, HookPayload, Hooks, HttpMatch, Measurement, Metadata, MetricError, MetricProvider,
    Notifier, NotifyError, Owner, Registry, Retries, Rewrite, RouteSpec, Router, RouterError, Samples, Scale,
    Severity, StringMatch, TargetPort, Trouble, UnknownName, Workload, WorkloadError, WorkloadSpec,
    WorkloadState,
};
pub use question::{Answer, FailureKind, Question};
pub use status::{Condition, Status};
pub use steering::{Acknowledgement, GateOrder, Order, PromoteOrder, RetryOrder, Steering};
pub use weights::{NotAPercentage, Weight, Weights};
