//! Query templates: the language of Go's `text/template`, over the functions of a [`QueryModel`].
//! Not a general template engine: there is no data besides the model, and all work is bounded.

mod comparison;
mod error;
mod escaping;
mod functions;
mod lexer;
mod literal;
mod parser;
mod printf;
mod render;
mod scanner;
mod syntax;
mod value;
mod verb;

#[cfg(test)]
mod tests;

use crate::QueryModel;
pub use error::TemplateError;
use parser::Parsed;

/// Longest template text, in bytes.
const MAX_SOURCE: usize = 256 * 1024;
/// Longest rendered query and longest intermediate string, in bytes.
const MAX_TEXT: usize = 256 * 1024;
/// Deepest nesting of blocks, parentheses and template calls.
const MAX_DEPTH: usize = 100;
/// Steps that one rendering may take; a byte that a function reads or writes is a step too.
const MAX_WORK: usize = 8 * 1024 * 1024;

/// A query text that was parsed and can be rendered.
///
/// ```
/// use canary_metrics::{QueryModel, Template, TemplateError};
///
/// let template = Template::parse(r#"sum(errors{ns="{{ namespace }}"{{ with variables.zone }},zone={{ printf "%q" . }}{{ end }}})"#)?;
///
/// let mut model = QueryModel { namespace: "shop".into(), ..QueryModel::default() };
/// model.variables.insert("zone".into(), "a".into());
/// assert_eq!(template.render(&model)?, r#"sum(errors{ns="shop",zone="a"})"#);
///
/// // A variable that the metric does not define is an error, and never an empty label.
/// let error = template.render(&QueryModel::default()).unwrap_err();
/// assert_eq!(error.to_string(), r#"line 1, column 40: map has no entry for key "zone""#);
/// # Ok::<(), TemplateError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
    parsed: Parsed,
}

impl Template {
    /// Parses a template text.
    ///
    /// # Errors
    /// [`TemplateError::Syntax`] with the place and what was expected there; [`TemplateError::TooLong`] above 256 KiB.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_SOURCE {
            return Err(TemplateError::TooLong { length: text.len(), limit: MAX_SOURCE });
        }
        match parser::parse(text) {
            Ok(parsed) => Ok(Self { source: text.to_owned(), parsed }),
            Err(fault) => {
                let (line, column) = fault.place(text);
                Err(TemplateError::Syntax { line, column, problem: fault.problem })
            }
        }
    }

    /// The query for that canary. White space is kept as written.
    ///
    /// # Errors
    /// [`TemplateError::Render`] with the place and the reason: a missing variable, a value of the wrong type, or one of
    /// the bounds on output, nesting and work.
    pub fn render(&self, model: &QueryModel) -> Result<String, TemplateError> {
        render::render(&self.parsed, model).map_err(|fault| {
            let (line, column) = fault.place(&self.source);
            TemplateError::Render { line, column, problem: fault.problem }
        })
    }
}
