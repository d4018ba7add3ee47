//! Plug-ins by name.

use std::collections::BTreeMap;
use std::fmt;

/// Maps names to constructors (or whatever makes a plug-in). An unknown name is an error that lists the known ones; there
/// is no fallback.
///
/// ```
/// use canary_core::Registry;
///
/// let squares: Registry<fn(i32) -> i32> = Registry::new("function").with("square", |x| x * x);
/// assert_eq!(squares.get("square").unwrap()(3), 9);
/// assert_eq!(
///     squares.get("cube").unwrap_err().to_string(),
///     r#"unknown function "cube"; known are: square"#
/// );
/// ```
#[derive(Clone)]
pub struct Registry<T> {
    what: &'static str,
    entries: BTreeMap<String, T>,
}

impl<T> Registry<T> {
    /// An empty registry of `what` (a noun for error messages).
    pub fn new(what: &'static str) -> Self {
        Self { what, entries: BTreeMap::new() }
    }

    /// With one more name; the same name again replaces.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, entry: T) -> Self {
        self.entries.insert(name.into(), entry);
        self
    }

    /// The entry of exactly that name.
    pub fn get(&self, name: &str) -> Result<&T, UnknownName> {
        self.entries.get(name).ok_or_else(|| UnknownName {
            what: self.what,
            name: name.to_owned(),
            known: self.names().map(str::to_owned).collect(),
        })
    }

    /// The known names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }
}

impl<T> fmt::Debug for Registry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("what", &self.what).field("names", &self.entries.keys()).finish()
    }
}

/// A name that no plug-in has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {name:?}; known are: {}", known.join(", "))]
pub struct UnknownName {
    /// What was looked for.
    pub what: &'static str,
    /// The unknown name.
    pub name: String,
    /// The names that exist.
    pub known: Vec<String>,
}
