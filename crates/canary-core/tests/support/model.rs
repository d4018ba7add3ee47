//! Model checking: small plans, all their states.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::struct_excessive_bools,
    clippy::collapsible_match,
    clippy::redundant_closure_for_method_calls,
    reason = "a test stops at what it did not expect; a state is made of switches"
)]

#[path = "model/endings.rs"]
pub(crate) mod endings;
#[path = "model/explore.rs"]
pub(crate) mod explore;
#[path = "model/node.rs"]
pub(crate) mod node;
#[path = "model/rules.rs"]
pub(crate) mod rules;
