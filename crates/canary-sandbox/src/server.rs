//! One request to the API server, from its bytes to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Resource};
use crate::errors::ApiError;
use crate::patch::PatchKind;
use crate::paths::{Query, ResourcePath, Route, query, route};
use crate::requests::RequestInfo;
use crate::sandbox::Shared;
use crate::watching::WatchStream;
use crate::writing::{Part, success};

/// A request whose body was read.
pub(crate) struct Call {
    method: Method,
    route: Route,
    query: Query,
    accept: String,
    content_type: String,
    body: Bytes,
    path: String,
}

/// What is sent back.
pub(crate) enum Answer {
    Json(u16, Vec<u8>),
    Text(u16, String),
    Watch(Box<WatchStream>),
}

impl Answer {
    fn json(code: u16, value: &impl serde::Serialize) -> Self {
        // Objects of strings, numbers and maps always serialise.
        Self::Json(code, serde_json::to_vec(value).unwrap_or_default())
    }

    pub(crate) fn error(error: &ApiError) -> Self {
        if error.plain {
            Self::Text(error.code, error.message.clone())
        } else {
            Self::json(error.code, &error.to_status())
        }
    }
}

impl Call {
    pub(crate) fn new(method: Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Self {
        let header = |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        Self {
            method,
            route: route(uri.path()),
            query: query(uri.query().unwrap_or_default()),
            accept: header(header::ACCEPT),
            content_type: header(header::CONTENT_TYPE),
            body,
            path: uri.path().to_owned(),
        }
    }

    pub(crate) fn info(&self, n: u64) -> RequestInfo {
        let path = match &self.route {
            Route::Resource(path) => path.clone(),
            Route::Resources { group, version } => {
                ResourcePath { group: group.clone(), version: version.clone(), ..ResourcePath::default() }
            }
            Route::CoreVersions
            | Route::Groups
            | Route::Group(_)
            | Route::Version
            | Route::Health
            | Route::Unknown => ResourcePath::default(),
        };
        let resource = if path.plural.is_empty() { self.path.clone() } else { path.plural };
        let verb = match (&self.method, path.name.is_empty()) {
            (&Method::GET, true) if self.query.watch => "watch",
            (&Method::GET, true) if matches!(self.route, Route::Resource(_)) => "list",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "update",
            (&Method::PATCH, _) => "patch",
            (&Method::DELETE, true) => "deletecollection",
            (&Method::DELETE, false) => "delete",
            _ => "get",
        };
        RequestInfo {
            n,
            verb,
            group: path.group,
            resource,
            subresource: path.subresource,
            namespace: path.namespace,
            name: path.name,
        }
    }

    fn value(&self, resource: &Resource) -> Result<Value, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            ApiError::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: {error}",
                resource.kind.kind
            ))
        })
    }

    /// The options of a deletion come in the body, in the query, or not at all.
    fn options(&self) -> Result<Value, ApiError> {
        let mut options: Value = if self.body.is_empty() {
            json!({})
        } else {
            serde_json::from_slice(&self.body)
                .map_err(|e| ApiError::bad_request(format!("delete options: {e}")))?
        };
        if !self.query.propagation.is_empty() && options.is_object() {
            options["propagationPolicy"] = self.query.propagation.as_str().into();
        }
        Ok(options)
    }

    fn patch(&self, resource: &Resource) -> Result<(PatchKind, Value), ApiError> {
        let kind = PatchKind::from_content_type(&self.content_type, resource.kind.builtin.is_none())?;
        let patch = serde_json::from_slice(&self.body)
            .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
        Ok((kind, patch))
    }
}

impl Cluster {
    /// Carries out a request.
    pub(crate) fn answer(&mut self, shared: &Arc<Shared>, call: &Call) -> Answer {
        self.try_answer(shared, call).unwrap_or_else(|error| Answer::error(&error))
    }

    fn try_answer(&mut self, shared: &Arc<Shared>, call: &Call) -> Result<Answer, ApiError> {
        let aggregated = call.accept.contains("as=APIGroupDiscoveryList");
        Ok(match &call.route {
            Route::Resource(path) => return self.answer_resource(shared, call, path),
            Route::CoreVersions if aggregated => Answer::json(200, &self.aggregated(true)),
            Route::Groups if aggregated => Answer::json(200, &self.aggregated(false)),
            Route::CoreVersions => Answer::json(200, &Self::core_versions()),
            Route::Groups => Answer::json(200, &self.group_list()),
            Route::Group(name) => Answer::json(200, &self.group(name)?),
            Route::Resources { group, version } => Answer::json(200, &self.resource_list(group, version)?),
            Route::Version => Answer::json(
                200,
                &json!({
                    "major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "", "gitTreeState": "",
                    "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "sandbox",
                }),
            ),
            Route::Health => Answer::Text(200, "ok".into()),
            Route::Unknown => return Err(ApiError::no_such_path()),
        })
    }

    fn answer_resource(
        &mut self,
        shared: &Arc<Shared>,
        call: &Call,
        path: &ResourcePath,
    ) -> Result<Answer, ApiError> {
        let resource = self.resolve(path)?;
        let partial = call.accept.contains("as=PartialObjectMetadata");
        let form = resource.form(partial);
        let traits = resource.version.traits;
        let dry_run = call.query.dry_run;
        let name = path.name.as_str();
        match path.subresource.as_str() {
            "" => {}
            "scale" if traits.scale => return self.answer_scale(call, &resource, name),
            "status" if traits.status => {}
            _ => return Err(ApiError::no_such_resource()),
        }
        let part = if path.subresource == "status" { Part::Status } else { Part::Main };
        match (&call.method, name.is_empty()) {
            (&Method::GET, false) => Ok(Answer::json(200, &form.of(self.get(&resource, name)?))),
            (&Method::GET, true) if call.query.watch => {
                let stream = self.watch(shared, &resource, &call.query, form)?;
                Ok(Answer::Watch(Box::new(stream)))
            }
            (&Method::GET, true) => {
                let page = self.list(&resource, &call.query)?;
                Ok(Answer::Json(200, page.to_bytes(&resource, &form)))
            }
            (&Method::POST, true) => {
                let object = self.create(&resource, call.value(&resource)?, dry_run)?;
                Ok(Answer::json(201, &form.of(&object)))
            }
            (&Method::PUT, false) => {
                let existed = self.get(&resource, name).is_ok();
                let object = self.replace(&resource, name, part, call.value(&resource)?, dry_run)?;
                Ok(Answer::json(if existed { 200 } else { 201 }, &form.of(&object)))
            }
            (&Method::PATCH, false) => {
                let (kind, change) = call.patch(&resource)?;
                let object = self.patch(&resource, name, part, (kind, &change), dry_run)?;
                Ok(Answer::json(200, &form.of(&object)))
            }
            (&Method::DELETE, false) => {
                let deleted = self.delete(&resource, name, &call.options()?, dry_run)?;
                if deleted.gone && !traits.delete_returns {
                    return Ok(Answer::json(200, &success(&resource, &deleted.object)));
                }
                Ok(Answer::json(200, &form.of(&deleted.object)))
            }
            (&Method::DELETE, true) => {
                let page = self.list(&resource, &call.query)?;
                let options = call.options()?;
                for (namespace, name) in page.positions() {
                    let resource = Resource { namespace, ..resource.clone() };
                    // One that went meanwhile, as a dependent of another, is fine.
                    let _ = self.delete(&resource, &name, &options, dry_run);
                }
                Ok(Answer::Json(200, page.to_bytes(&resource, &form)))
            }
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    fn answer_scale(&mut self, call: &Call, resource: &Resource, name: &str) -> Result<Answer, ApiError> {
        let dry_run = call.query.dry_run;
        let scale = match call.method {
            Method::GET => self.scale_of(resource, name)?,
            Method::PUT => self.replace_scale(resource, name, &call.value(resource)?, dry_run)?,
            Method::PATCH => {
                let (kind, patch) = call.patch(resource)?;
                self.patch_scale(resource, name, (kind, &patch), dry_run)?
            }
            _ => return Err(ApiError::method_not_allowed()),
        };
        Ok(Answer::json(200, &scale))
    }
}
