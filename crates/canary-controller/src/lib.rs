#![doc = include_str!("../README.md")]

mod admin;
mod clock;
mod leader;
mod settings;
mod telemetry;

pub use admin::{AdminError, AdminServer, Readiness};
pub use clock::{Clock, RuntimeClock, SystemClock};
pub use leader::{Election, LeadershipLost, LeaseTiming};
pub use settings::{Address, Chat, MsTeamsChat, Secret, Settings, SlackChat};
pub use telemetry::Telemetry;
