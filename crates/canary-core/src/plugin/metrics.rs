//! The contract of a metric backend.

use async_trait::async_trait;

use super::measurement::{Measurement, Samples};

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

    /// What [`MetricProvider::query`] answers, with what the same answer says of the samples behind it.
    async fn measure(&self, query: &str) -> Result<Measurement, MetricError> {
        self.query(query).await.map(Measurement::from)
    }

    /// What is behind the value of a query, where its answer does not say. Costs requests, and is asked only of a query whose
    /// check failed.
    async fn samples(&self, query: &str) -> Samples {
        let _ = query;
        Samples::default()
    }

    /// Why a query that has no value has none, as part of a sentence: what of it the backend does not know, and what is
    /// nearest. Costs requests, and is asked once for a query rather than at each check. `None` where nobody can tell.
    async fn explain(&self, query: &str) -> Option<String> {
        let _ = query;
        None
    }

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
    /// The backend answered that it cannot answer now: it is overloaded, or failed internally. Asking again may help.
    #[error("{0}")]
    Unavailable(String),
    /// The backend refused the credentials, or there are none.
    #[error("{0}")]
    Denied(String),
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

/// The four things that a check without a good value may mean, as users have to tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// There is a value, and it is bad: the canary is.
    BadValue,
    /// The backend was asked and knows nothing: no traffic, or a query about something that is not there.
    NoData,
    /// The backend could not be asked: it is down, overloaded, or refuses the credentials.
    ProviderUnreachable,
    /// The query, its template or its provider's settings are wrong.
    WrongQuery,
}

impl Trouble {
    /// A short stable name for logs, annotations and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadValue => "bad-value",
            Self::NoData => "no-data",
            Self::ProviderUnreachable => "provider-unreachable",
            Self::WrongQuery => "wrong-query",
        }
    }
}

impl MetricError {
    /// The same error with another text.
    #[must_use]
    pub fn map_text(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Unreachable(text) => Self::Unreachable(change(text)),
            Self::Unavailable(text) => Self::Unavailable(change(text)),
            Self::Denied(text) => Self::Denied(change(text)),
            Self::Refused(text) => Self::Refused(change(text)),
            Self::Unusable(text) => Self::Unusable(change(text)),
            Self::Configuration(text) => Self::Configuration(change(text)),
        }
    }

    /// Whose trouble it is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Unreachable(_) | Self::Unavailable(_) | Self::Denied(_) => Trouble::ProviderUnreachable,
            Self::Refused(_) | Self::Unusable(_) | Self::Configuration(_) => Trouble::WrongQuery,
        }
    }

    /// A short stable name for logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Unavailable(_) => "unavailable",
            Self::Denied(_) => "denied",
            Self::Refused(_) => "refused",
            Self::Unusable(_) => "unusable",
            Self::Configuration(_) => "configuration",
        }
    }
}
