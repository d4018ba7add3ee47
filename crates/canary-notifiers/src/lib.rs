#![doc = include_str!("../README.md")]

mod attachment;
mod clients;
mod discord;
mod endpoint;
mod gchat;
mod global;
mod msteams;
mod registry;
mod rocket;
mod secrets;
mod slack;
mod spec;

pub use global::GlobalSettings;
pub use registry::{NotifierError, Notifiers};
pub use spec::NotifierSpec;
