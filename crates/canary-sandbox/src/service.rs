//! The API server as a service that a client can be built on.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;

use crate::errors::ApiError;
use crate::requests::Verdict;
use crate::sandbox::Shared;
use crate::server::{Answer, Call};

/// The body of an answer.
pub type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

/// A Kubernetes API server in this process: any client that takes a `tower::Service` talks to it.
///
/// [`Sandbox::client`](crate::Sandbox::client) is the usual way to get at it.
#[derive(Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
    /// Clients of an earlier incarnation are dead.
    incarnation: u64,
}

impl ApiServer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let incarnation = shared.incarnation();
        Self { shared, incarnation }
    }

    async fn serve(self, request: Request<Body>) -> io::Result<Response<AnswerBody>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let call = Call::new(parts.method, &parts.uri, &parts.headers, body);
        self.wait_if_dead().await;
        let (info, interceptor) = self.shared.receive(&call);
        let verdict = interceptor.map_or(Verdict::Pass, |intercept| intercept(&info));
        if let Verdict::Delay(time) = verdict {
            tokio::time::sleep(time).await;
        }
        self.wait_if_dead().await;
        let cut = || io::Error::from(io::ErrorKind::ConnectionReset);
        match verdict {
            Verdict::FailBefore(code) => respond(Answer::error(&ApiError::injected(code))),
            Verdict::DropBefore => Err(cut()),
            Verdict::KillBefore => {
                self.shared.sever();
                std::future::pending().await
            }
            Verdict::Pass | Verdict::Delay(_) => respond(self.shared.carry_out(&call, &info)),
            Verdict::DropAfter => {
                self.shared.carry_out(&call, &info);
                Err(cut())
            }
            Verdict::KillAfter => {
                self.shared.carry_out(&call, &info);
                self.shared.sever();
                std::future::pending().await
            }
        }
    }

    /// A dead process gets no answers and has no effects.
    async fn wait_if_dead(&self) {
        if self.shared.incarnation() != self.incarnation {
            std::future::pending::<Infallible>().await;
        }
    }
}

fn respond(answer: Answer) -> io::Result<Response<AnswerBody>> {
    let full = |bytes: Vec<u8>| Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync();
    let (code, content_type, body) = match answer {
        Answer::Json(code, bytes) => (code, "application/json", full(bytes)),
        Answer::Text(code, text) => (code, "text/plain; charset=utf-8", full(text.into_bytes())),
        Answer::Watch(stream) => (200, "application/json", StreamBody::new(*stream).boxed_unsync()),
    };
    let response = Response::builder().status(code).header(header::CONTENT_TYPE, content_type);
    response.body(body).map_err(io::Error::other)
}

impl tower::Service<Request<Body>> for ApiServer {
    type Response = Response<AnswerBody>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Response<AnswerBody>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().serve(request))
    }
}
