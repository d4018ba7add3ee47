//! The contract of a metric backend.

use async_trait::async_trait;

/// Answers one query with one number.
///
/// ```
/// use async_trait::async_trait;
/// use canary_core::{MetricError, MetricProvider};
///
/// /// Knows one number.
/// struct Fixed(Option<f64>);
///
/// #[async_trait]
/// impl MetricProvider for Fixed {
///     async fn query(&self, _: &str) -> Result<Option<f64>, MetricError> {
///         Ok(self.0)
///     }
///     async fn check(&self) -> Result<(), MetricError> {
///         Ok(())
///     }
/// }
/// let _: Box<dyn MetricProvider> = Box::new(Fixed(Some(99.5)));
/// ```
#[async_trait]
pub trait MetricProvider: Send + Sync {
    /// The value of `query`, or `None` when the backend has none: an empty result, a null or NaN. Never 0 for *none*.
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError>;

    /// Whether the backend can be reached and accepts the credentials.
    async fn check(&self) -> Result<(), MetricError>;
}

const _: Option<&dyn MetricProvider> = None; // stays object-safe

/// Why there is no answer. The text is the one that events show.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The backend could not be reached, or did not answer in time.
    #[error("{0}")]
    Unreachable(String),
    /// The backend refused the query.
    #[error("{0}")]
    Refused(String),
    /// The answer could not be understood, or is not one number.
    #[error("{0}")]
    Unusable(String),
    /// The provider cannot be set up: an address, a secret key or an interval is missing or malformed.
    #[error("{0}")]
    Configuration(String),
}

impl MetricError {
    /// A short stable name for logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Refused(_) => "refused",
            Self::Unusable(_) => "unusable",
            Self::Configuration(_) => "configuration",
        }
    }
}
