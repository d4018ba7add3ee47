//! Everything in the libraries that reads what others wrote, against inputs that nobody would write.
//!
//! `cargo xtask fuzz` runs these for longer. The programs have targets of their own, `fuzzed.rs` beside their sources.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "targets/answers.rs"]
mod answers;
#[path = "targets/hooks.rs"]
mod hooks;
#[path = "targets/neighbours.rs"]
mod neighbours;
#[path = "targets/objects.rs"]
mod objects;
#[path = "targets/providers.rs"]
mod providers;
#[path = "targets/texts.rs"]
mod texts;
