//! What is wrong with a template, and where.
//! Texts quote the template only, never a value of the model beyond its name.

/// A template that cannot be parsed or rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The text is not a template.
    #[error("line {line}, column {column}: {problem}")]
    Syntax {
        /// Line, counted from 1.
        line: usize,
        /// Character in that line, counted from 1.
        column: usize,
        /// What was found and what was expected.
        problem: String,
    },
    /// The template has no value for this canary.
    #[error("line {line}, column {column}: {problem}")]
    Render {
        /// Line, counted from 1.
        line: usize,
        /// Character in that line, counted from 1.
        column: usize,
        /// What cannot be evaluated.
        problem: String,
    },
    /// The text is longer than a template may be.
    #[error("the template has {length} bytes, more than the {limit} that are allowed")]
    TooLong {
        /// Bytes of the text.
        length: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
}

/// A problem at a byte of the template text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) problem: String,
}

impl Fault {
    pub(super) fn new(at: usize, problem: impl Into<String>) -> Self {
        Self { at, problem: problem.into() }
    }

    /// Line and column, both counted from 1.
    pub(super) fn place(&self, source: &str) -> (usize, usize) {
        let before: String =
            source.char_indices().take_while(|(at, _)| *at < self.at).map(|(_, c)| c).collect();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        (line, column)
    }
}

/// A piece of template text for an error message, shortened.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    if text.chars().count() <= LONGEST {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start:?}…")
}
