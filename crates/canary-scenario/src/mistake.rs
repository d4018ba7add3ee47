//! What is wrong with a scenario file, and where.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as it was called.
    pub file: String,
    /// The line in it, from 1.
    pub line: usize,
    /// The field, such as `flows[0].steps[1].check[0]`; empty: the whole file.
    pub field: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, field, why } = self;
        if field.is_empty() {
            write!(f, "{file}:{line}: {why}")
        } else {
            write!(f, "{file}:{line}: {field}: {why}")
        }
    }
}

/// Everything that is wrong with a scenario file, in the order of its lines; one line of text each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}
