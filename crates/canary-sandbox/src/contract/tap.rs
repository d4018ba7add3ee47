//! A client between the router and the cluster: it counts what is asked, and makes requests fail as an API server would.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The annotation that somebody else writes in between.
pub(super) const OVERTAKEN: &str = "contract/overtaken";

/// What is to go wrong.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// That request from now on, counted from 0, meets a server that is ill.
    Ill(usize),
    /// The kind of that plural is not served.
    NotServed(String),
    /// That verb is not allowed on that plural.
    Forbidden(&'static str, String),
    /// Somebody else annotates the same object with that just before the next write.
    Overtaken(&'static str),
}

#[derive(Debug, Default)]
struct State {
    writes: usize,
    fault: Option<Fault>,
    /// The fault was met.
    struck: bool,
}

/// The counter and the faults of one client.
pub(super) struct Tap {
    inner: Client,
    state: Mutex<State>,
}

impl Tap {
    pub(super) fn new(inner: Client) -> Arc<Self> {
        Arc::new(Self { inner, state: Mutex::default() })
    }

    /// A client whose requests come through here.
    pub(super) fn client(self: &Arc<Self>) -> Client {
        let tap = Arc::clone(self);
        let service = tower::service_fn(move |request| {
            let tap = Arc::clone(&tap);
            async move { tap.serve(request).await }
        });
        Client::new(service, self.inner.default_namespace().to_owned())
    }

    /// Requests that change something, so far.
    pub(super) fn writes(&self) -> usize {
        self.state().writes
    }

    /// From now on something goes wrong.
    pub(super) fn fail(&self, fault: Fault) {
        let mut state = self.state();
        (state.fault, state.struck) = (Some(fault), false);
    }

    /// Nothing goes wrong any more; says whether something did.
    pub(super) fn heal(&self) -> bool {
        let mut state = self.state();
        state.fault = None;
        state.struck
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let asked = Asked::of(&request);
        let overtaken = {
            let mut state = self.state();
            state.writes += usize::from(asked.is_write());
            match state.fault.take() {
                None => None,
                Some(Fault::Ill(0)) => {
                    state.struck = true;
                    return Ok(asked.refusal(StatusCode::INTERNAL_SERVER_ERROR));
                }
                Some(Fault::Ill(more)) => {
                    state.fault = Some(Fault::Ill(more - 1));
                    None
                }
                Some(Fault::NotServed(plural)) if plural == asked.plural => {
                    (state.fault, state.struck) = (Some(Fault::NotServed(plural)), true);
                    return Ok(not_served());
                }
                Some(Fault::Forbidden(verb, plural)) if plural == asked.plural && asked.does(verb) => {
                    (state.fault, state.struck) = (Some(Fault::Forbidden(verb, plural)), true);
                    return Ok(asked.refusal(StatusCode::FORBIDDEN));
                }
                Some(Fault::Overtaken(value)) if asked.is_write() => {
                    state.struck = true;
                    Some(value)
                }
                other => {
                    state.fault = other;
                    None
                }
            }
        };
        let Some(value) = overtaken else { return Ok(self.inner.send(request).await?) };
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        self.overtake(&parts, &body, value).await?;
        Ok(self.inner.send(Request::from_parts(parts, Body::from(body))).await?)
    }

    /// Creates or annotates the object of a request that is on its way.
    async fn overtake(&self, parts: &http::request::Parts, body: &[u8], value: &str) -> Result<(), BoxError> {
        let annotations = json!({ "annotations": { OVERTAKEN: value } });
        let path = parts.uri.path();
        let request = if parts.method == Method::POST {
            let mut object: Value = serde_json::from_slice(body)?;
            object["metadata"]["annotations"][OVERTAKEN] = json!(value);
            Request::post(path)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(serde_json::to_vec(&object)?))?
        } else if parts.method == Method::DELETE {
            return Ok(());
        } else {
            Request::patch(path)
                .header(header::CONTENT_TYPE, "application/merge-patch+json")
                .body(Body::from(serde_json::to_vec(&json!({ "metadata": annotations }))?))?
        };
        let answer = self.inner.send(request).await?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(format!("overtaking: {}", answer.status()).into())
        }
    }
}

/// What a request is about.
struct Asked {
    verb: &'static str,
    group: String,
    plural: String,
    namespace: String,
    name: String,
}

impl Asked {
    fn of(request: &Request<Body>) -> Self {
        let parts: Vec<&str> = request.uri().path().split('/').filter(|part| !part.is_empty()).collect();
        let (group, rest) = match parts.as_slice() {
            ["api", _, rest @ ..] => ("", rest),
            ["apis", group, _, rest @ ..] => (*group, rest),
            _ => ("", parts.as_slice()),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            _ => ("", rest),
        };
        let part = |at: usize| rest.get(at).copied().unwrap_or_default().to_owned();
        let verb = match *request.method() {
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ if rest.len() < 2 => "list",
            _ => "get",
        };
        Self { verb, group: group.into(), namespace: namespace.into(), plural: part(0), name: part(1) }
    }

    fn is_write(&self) -> bool {
        !matches!(self.verb, "get" | "list")
    }

    /// A role that lacks `update` is of no use for a router that patches either.
    fn does(&self, verb: &str) -> bool {
        self.verb == verb || (verb == "update" && self.verb == "patch")
    }

    fn refusal(&self, code: StatusCode) -> Response<Body> {
        let Self { verb, group, plural, namespace, name } = self;
        let resource = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
        let (reason, message) = if code == StatusCode::FORBIDDEN {
            let who =
                format!("User \"contract\" cannot {verb} resource \"{plural}\" in API group \"{group}\"");
            let place = format!("in the namespace \"{namespace}\"");
            ("Forbidden", format!("{resource} \"{name}\" is forbidden: {who} {place}"))
        } else {
            ("InternalError", format!("Internal error occurred: {resource} \"{name}\" cannot be reached"))
        };
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code.as_u16(),
            "details": { "name": name, "group": group, "kind": plural },
        });
        answer(code, "application/json", status.to_string())
    }
}

/// What a server says of a path that no API has.
fn not_served() -> Response<Body> {
    answer(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n".into())
}

fn answer(code: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text.into_bytes()));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
