#![doc = include_str!("../README.md")]

mod address;
mod attempt;
mod calls;
mod cause;
mod checksum;
mod client;
mod patience;
mod payload;
mod transport;

pub use calls::{event_calls, hook_call};
pub use checksum::{checksum, text_checksum};
pub use client::WebhookClient;
pub use payload::{RecordedEvent, event_payload, payload};
