#![doc = include_str!("../README.md")]

mod admin;
mod autoscaler;
mod canonical;
mod clock;
mod configs;
mod failure;
mod fields;
mod generated;
mod leader;
mod revision;
mod services;
mod settings;
mod telemetry;
mod workload;

pub use admin::{AdminError, AdminServer, Readiness};
pub use clock::{Clock, RuntimeClock, SystemClock};
pub use leader::{Election, LeadershipLost, LeaseTiming};
pub use settings::{Address, Chat, MsTeamsChat, Secret, Settings, SlackChat};
pub use telemetry::Telemetry;
