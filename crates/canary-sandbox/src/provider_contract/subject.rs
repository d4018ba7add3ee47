//! What the author of a provider supplies.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::{MetricError, MetricProvider};
use tokio::io::{AsyncRead, AsyncWrite};

use super::backend::{ContractReply, ContractRequest};

/// What a backend has to say, apart from how it writes it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// One series with that value; NaN and infinity among them.
    Value(f64),
    /// Several series, each with one value.
    Several(Vec<f64>),
    /// No series.
    Empty,
    /// One series, whose value is missing.
    Null,
}

impl Content {
    /// One entry for each series.
    pub fn values(&self) -> Vec<Option<f64>> {
        match self {
            Self::Value(value) => vec![Some(*value)],
            Self::Several(values) => values.iter().copied().map(Some).collect(),
            Self::Empty => vec![],
            Self::Null => vec![None],
        }
    }
}

/// Which of several series a provider takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Several {
    /// The first.
    First,
    /// The last.
    Last,
    /// None: it answers [`MetricError::Unusable`].
    Refused,
}

/// The rest of a connection, for backends that speak something else after a first request.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// A metric provider, and the wire format of its backend.
#[async_trait]
pub trait ProviderSubject: Send + Sync {
    /// Makes the provider for a backend at that address, such as `http://127.0.0.1:1234`. An answer that takes longer than
    /// `patience` is to be given up.
    async fn provider(
        &self,
        address: &str,
        patience: Duration,
    ) -> Result<Arc<dyn MetricProvider>, MetricError>;

    /// A query that the provider can send.
    fn query(&self) -> String;

    /// How the backend writes that content in answer to that request; `None` where its format cannot.
    fn answer(&self, content: &Content, request: &ContractRequest) -> Option<ContractReply>;

    /// Which of several series counts.
    fn several(&self) -> Several {
        Several::Last
    }

    /// What is answered whatever the case, such as a request for a token that comes before the query.
    fn preliminary(&self, request: &ContractRequest) -> Option<ContractReply> {
        let _ = request;
        None
    }

    /// Speaks in place of [`ProviderSubject::answer`] from here on; true if it did.
    async fn converse(
        &self,
        content: &Content,
        request: &ContractRequest,
        connection: &mut dyn Connection,
    ) -> bool {
        let _ = (content, request, connection);
        false
    }

    /// Credentials that no error may show.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}
