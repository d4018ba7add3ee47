//! Single requests that are no load: preparing before a run, cleaning up after it.

use std::time::{Duration, Instant};

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::connection::{Http1, Received, exchange_http2};
use crate::dial::Dialer;
use crate::{Answer, ErrorClass, Plan, Prepared, Protocol, Target, TlsError};

/// Sends single requests under the rules of a plan: its address policy, its certificates.
#[derive(Debug)]
pub struct Client {
    dialer: Dialer,
    body: usize,
}

impl Client {
    /// For the targets of a plan.
    ///
    /// # Errors
    /// [`TlsError`] when a target needs TLS and there is none.
    pub fn new(plan: &Plan) -> Result<Self, TlsError> {
        Ok(Self { dialer: Dialer::new(plan)?, body: plan.limits.body })
    }

    /// Sends a request on a connection of its own and reads the answer.
    ///
    /// # Errors
    /// The class of what went wrong; a status of 400 or more is none.
    pub async fn send(
        &self,
        target: &Target,
        request: &Prepared,
        timeout: Duration,
    ) -> Result<Answer, ErrorClass> {
        let begin = Instant::now();
        let received = tokio::time::timeout(timeout, self.exchange(target, request, timeout)).await;
        let received = received.unwrap_or(Err(ErrorClass::Timeout))?;
        let Received { status, headers, grpc, body, length, .. } = request.read(received, self.body);
        Ok(Answer { status, headers, grpc, body, length, latency: begin.elapsed() })
    }

    async fn exchange(
        &self,
        target: &Target,
        request: &Prepared,
        timeout: Duration,
    ) -> Result<Received, ErrorClass> {
        let (sent, keep) = (request.request(timeout), request.keep(self.body, true));
        match target.protocol {
            Protocol::Http1 => {
                let mut connection = Http1::open(&self.dialer, target).await?;
                connection.exchange(sent, keep).await.map_err(|(class, _)| class)
            }
            Protocol::Http2 { .. } => {
                let stream = self.dialer.dial(target).await?;
                let (mut sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .map_err(|_| ErrorClass::Connect)?;
                let driver = tokio::spawn(driver);
                let received = exchange_http2(&mut sender, sent, keep).await;
                driver.abort();
                received
            }
        }
    }
}
