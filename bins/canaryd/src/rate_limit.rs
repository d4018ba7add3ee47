//! A token bucket in front of an API client, as client-go's `-kubeconfig-qps` and `-kubeconfig-burst` mean it.
//!
//! Only for operators who ask for it: API servers share themselves out fairly.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};
use tower::{Layer, Service};

/// A bucket that holds `burst` requests and gets `per_second` new ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimit {
    per_second: f64,
    burst: f64,
}

impl RateLimit {
    /// `None`: without a positive rate nothing is limited.
    pub(crate) fn new(per_second: i32, burst: u32) -> Option<Self> {
        (per_second > 0).then(|| Self { per_second: f64::from(per_second), burst: f64::from(burst.max(1)) })
    }
}

impl<S> Layer<S> for RateLimit {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited {
            inner,
            limit: *self,
            tokens: self.burst,
            filled: Instant::now(),
            wait: None,
            admitted: false,
        }
    }
}

/// A service whose requests wait for their token.
pub(crate) struct Limited<S> {
    inner: S,
    limit: RateLimit,
    tokens: f64,
    filled: Instant,
    wait: Option<Pin<Box<Sleep>>>,
    /// The next request has its token.
    admitted: bool,
}

impl<S> Limited<S> {
    fn poll_token(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while !self.admitted {
            if let Some(wait) = &mut self.wait {
                ready!(wait.as_mut().poll(context));
                self.wait = None;
            }
            let now = Instant::now();
            let new = now.duration_since(self.filled).as_secs_f64() * self.limit.per_second;
            self.tokens = (self.tokens + new).min(self.limit.burst);
            self.filled = now;
            if self.tokens >= 1.0 {
                self.tokens -= 1.0;
                self.admitted = true;
            } else {
                let missing = (1.0 - self.tokens) / self.limit.per_second;
                // Timers are exact to the millisecond: a shorter wait would spin.
                let pause = Duration::from_secs_f64(missing).max(Duration::from_millis(1));
                self.wait = Some(Box::pin(sleep(pause)));
            }
        }
        Poll::Ready(())
    }
}

impl<S: Service<R>, R> Service<R> for Limited<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.poll_token(context));
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.admitted = false;
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, ready};

    use tower::ServiceExt;

    use super::*;

    async fn time_for(requests: u32, limit: RateLimit) -> Duration {
        let answer = |()| -> Ready<Result<(), Infallible>> { ready(Ok(())) };
        let mut service = limit.layer(tower::service_fn(answer));
        let start = Instant::now();
        for _ in 0..requests {
            service.ready().await.unwrap().call(()).await.unwrap();
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_and_what_follows_at_the_rate() {
        let limit = RateLimit::new(10, 5).unwrap();
        assert_eq!(time_for(5, limit).await, Duration::ZERO);
        let for_twenty_more = time_for(25, limit).await;
        assert!(for_twenty_more >= Duration::from_millis(1990), "{for_twenty_more:?}");
        assert!(for_twenty_more <= Duration::from_millis(2100), "{for_twenty_more:?}");
    }

    #[test]
    fn no_positive_rate_means_no_limit() {
        assert!(RateLimit::new(0, 5).is_none());
        assert!(RateLimit::new(-1, 5).is_none());
    }
}
