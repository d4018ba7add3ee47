//! What only a real API server can tell, and what the sandbox has to answer like one.

mod api_server;
mod behaviours;

pub use api_server::{ApiServer, installed};
pub use behaviours::{Behaviour, behaviours};
