#![doc = include_str!("../README.md")]

mod objects;

pub use objects::{LiveObjects, ObjectError, Objects};
