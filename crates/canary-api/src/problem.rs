//! What is wrong with an object, field by field, on one line.

/// An object that cannot be used as it is. Only this object is affected; every other one goes on.
///
/// ```
/// use canary_api::{FieldProblem, InvalidObject};
/// let error = InvalidObject::new("Canary", "podinfo.test", vec![FieldProblem::Value {
///     field: "spec.analysis.stepWeight".into(),
///     value: "2.5".into(),
///     expected: "a whole number between 1 and 100".into(),
/// }]);
/// assert_eq!(
///     error.to_string(),
///     "invalid Canary podinfo.test: spec.analysis.stepWeight is 2.5, expected a whole number between 1 and 100"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("invalid {kind} {object}: {}", one_line(problems))]
pub struct InvalidObject {
    /// Kind of the object: `Canary`, `MetricTemplate` or `AlertProvider`.
    pub kind: &'static str,
    /// Name and namespace of the object, `podinfo.test`.
    pub object: String,
    /// At least one problem, in the order of the fields.
    pub problems: Vec<FieldProblem>,
}

impl InvalidObject {
    /// An error about `object`, which is `<name>.<namespace>`.
    pub fn new(kind: &'static str, object: impl Into<String>, problems: Vec<FieldProblem>) -> Self {
        Self { kind, object: object.into(), problems }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldProblem {
    /// A field is missing or holds something else than it should.
    #[error("{field} is {value}, expected {expected}")]
    Value {
        /// Path of the field, `spec.analysis.stepWeight`.
        field: String,
        /// The value as JSON, shortened; `missing` when there is none, and no value at all when it may be a secret.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// Fields do not go together. The sentence is Flagger's.
    #[error("{text}")]
    Conflict {
        /// Path of the field to look at first.
        field: String,
        /// The sentence.
        text: String,
    },
}

impl FieldProblem {
    /// Path of the field that is wrong.
    pub fn field(&self) -> &str {
        match self {
            Self::Value { field, .. } | Self::Conflict { field, .. } => field,
        }
    }
}

fn one_line(problems: &[FieldProblem]) -> String {
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    problems.join("; ")
}
