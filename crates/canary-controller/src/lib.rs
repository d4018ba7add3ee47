#![doc = include_str!("../README.md")]

mod access;
mod admin;
mod announce;
mod asking;
mod autoscaler;
mod cache;
mod canonical;
mod clock;
mod commands;
mod configs;
mod controller;
mod cookies;
mod explained;
mod failure;
mod fields;
mod finding;
mod generated;
mod history;
mod lane;
mod leader;
mod memory;
mod metadata;
mod newcomers;
mod perform;
mod queue;
mod reconcile;
mod revision;
mod services;
mod settings;
mod spans;
mod store;
mod stored_status;
mod subject;
mod telemetry;
mod unusable;
mod workload;

pub use canary_egress::{Egress, Network};

pub use access::{Part, Right, rights};
pub use admin::{AdminError, AdminServer, Readiness};
pub use clock::{Clock, RuntimeClock, SystemClock};
pub use controller::{Controller, ControllerError};
pub use leader::{Election, LeadershipLost, LeaseTiming};
pub use settings::{Address, Chat, MsTeamsChat, Secret, Settings, SlackChat};
pub use spans::SPAN_TARGET;
pub use telemetry::Telemetry;
