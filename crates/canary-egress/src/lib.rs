#![doc = include_str!("../README.md")]

mod network;
mod resolver;
mod rules;

pub use network::{Network, NotANetwork};
pub use rules::{Egress, Refused, is_metadata};
