//! Creating, replacing, patching and deleting objects, as the strategies of a real server do.

mod create;
mod delete;
mod metadata;
mod replace;
mod scale;

pub(crate) use delete::success;
pub(crate) use replace::Part;
