//! A scenario with all its texts understood: what runs.

use std::sync::Arc;
use std::time::Duration;

use canary_load::{Prepared, Target};
use minijinja::Value;

use crate::call::CallCode;
use crate::check::Check;
use crate::selector::Selector;
use crate::spec::CleanupAt;
use crate::template::{Templates, Text};

/// What a user does.
#[derive(Debug)]
pub(crate) struct FlowCode {
    pub(crate) name: String,
    pub(crate) weight: f64,
    pub(crate) steps: Vec<StepCode>,
    pub(crate) cleanup: Vec<RequestCode>,
    pub(crate) cleanup_at: CleanupAt,
    /// Names that the templates of the clean-up need, beside those of the run.
    pub(crate) cleanup_needs: Vec<String>,
    /// Names of the feeds that a user of it takes a row of.
    pub(crate) feeds: Vec<String>,
}

impl FlowCode {
    pub(crate) fn requests(&self) -> impl Iterator<Item = &RequestCode> {
        self.steps.iter().filter_map(|step| match step {
            StepCode::Request(request) => Some(&**request),
            StepCode::Pause(..) => None,
        })
    }
}

#[derive(Debug)]
pub(crate) enum StepCode {
    /// A random time in that range.
    Pause(Duration, Duration),
    Request(Box<RequestCode>),
}

#[derive(Debug)]
pub(crate) struct RequestCode {
    /// Its number among the requests of the flow.
    pub(crate) number: usize,
    pub(crate) name: String,
    pub(crate) method: &'static str,
    pub(crate) path: Text,
    pub(crate) headers: Vec<(String, Text)>,
    pub(crate) body: BodyCode,
    /// It calls a gRPC method; then it has no body of its own.
    pub(crate) call: Option<CallCode>,
    pub(crate) captures: Vec<(String, Selector)>,
    /// As they are written, and what they mean.
    pub(crate) checks: Vec<(String, Check)>,
}

#[derive(Debug)]
pub(crate) enum BodyCode {
    None,
    Text(Text),
    Json(JsonCode),
    Form(Vec<(String, Text)>),
}

/// A JSON value whose texts may be templates.
#[derive(Debug)]
pub(crate) enum JsonCode {
    Fixed(serde_json::Value),
    Text(Text),
    /// Nothing but one expression: it keeps its type.
    Expression(String),
    List(Vec<JsonCode>),
    Map(Vec<(String, JsonCode)>),
}

/// What all requests of a run to one Service have.
#[derive(Debug)]
pub(crate) struct Base {
    /// The arm that it belongs to, if it is known.
    pub(crate) arm: Option<&'static str>,
    pub(crate) target: Target,
    /// What stands before each path.
    pub(crate) prefix: String,
    /// Headers of all requests.
    pub(crate) headers: Vec<(String, String)>,
}

impl RequestCode {
    /// It may change something.
    pub(crate) fn changes(&self) -> bool {
        match &self.call {
            Some(call) => !call.reads(),
            None => !["GET", "HEAD"].contains(&self.method),
        }
    }

    /// All its texts that may be templates.
    pub(crate) fn texts(&self) -> Vec<&Text> {
        let mut all = vec![&self.path];
        all.extend(self.headers.iter().map(|(_, text)| text));
        match &self.body {
            BodyCode::None | BodyCode::Json(_) => {}
            BodyCode::Text(text) => all.push(text),
            BodyCode::Form(fields) => all.extend(fields.iter().map(|(_, text)| text)),
        }
        all
    }

    /// It is the same for all users.
    pub(crate) fn is_fixed(&self) -> bool {
        let fixed = |text: &Text| matches!(text, Text::Fixed(_));
        let body = match &self.body {
            BodyCode::None => true,
            BodyCode::Text(text) => fixed(text),
            BodyCode::Json(json) => matches!(json, JsonCode::Fixed(_)),
            BodyCode::Form(fields) => fields.iter().all(|(_, text)| fixed(text)),
        };
        let call = self.call.as_ref().is_none_or(CallCode::is_fixed);
        call && body && fixed(&self.path) && self.headers.iter().all(|(_, text)| fixed(text))
    }

    /// The request with those values.
    ///
    /// # Errors
    /// Which part cannot be made, and why.
    pub(crate) fn prepare(
        &self,
        base: &Base,
        templates: &Templates,
        values: &Value,
    ) -> Result<Arc<Prepared>, String> {
        let path = templates
            .render(&self.path, values)
            .map_err(|why| format!("the path of {}: {why}", self.name))?;
        let mut headers = Vec::with_capacity(base.headers.len() + self.headers.len() + 1);
        for (name, text) in &self.headers {
            let value = templates
                .render(text, values)
                .map_err(|why| format!("header {name} of {}: {why}", self.name))?;
            headers.push((name.clone(), value.into_owned()));
        }
        let (body, kind) =
            self.body(templates, values).map_err(|why| format!("the body of {}: {why}", self.name))?;
        let is_there = |headers: &[(String, String)], wanted: &str| {
            headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        if let Some(kind) = kind
            && !is_there(&headers, "content-type")
        {
            headers.push(("content-type".to_owned(), kind.to_owned()));
        }
        for (name, value) in &base.headers {
            if !is_there(&headers, name) {
                headers.push((name.clone(), value.clone()));
            }
        }
        if let Some(call) = &self.call {
            return call
                .prepare(base, &headers, templates, values)
                .map_err(|why| format!("the call of {}: {why}", self.name));
        }
        let path = format!("{}{}{path}", base.prefix, if path.starts_with('/') { "" } else { "/" });
        Prepared::new(&base.target, self.method, &path, &headers, body)
            .map(Arc::new)
            .map_err(|error| error.to_string())
    }

    fn body(&self, templates: &Templates, values: &Value) -> Result<(String, Option<&'static str>), String> {
        Ok(match &self.body {
            BodyCode::None => (String::new(), None),
            BodyCode::Text(text) => (templates.render(text, values)?.into_owned(), None),
            BodyCode::Json(json) => (json.render(templates, values)?.to_string(), Some("application/json")),
            BodyCode::Form(fields) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                for (name, text) in fields {
                    form.append_pair(name, &templates.render(text, values)?);
                }
                (form.finish(), Some("application/x-www-form-urlencoded"))
            }
        })
    }
}

impl JsonCode {
    pub(crate) fn render(&self, templates: &Templates, values: &Value) -> Result<serde_json::Value, String> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(text) => templates.render(text, values)?.into_owned().into(),
            Self::Expression(expression) => templates.value(expression, values)?,
            Self::List(items) => serde_json::Value::Array(
                items.iter().map(|item| item.render(templates, values)).collect::<Result<_, _>>()?,
            ),
            Self::Map(fields) => {
                let mut map = serde_json::Map::with_capacity(fields.len());
                for (name, field) in fields {
                    map.insert(name.clone(), field.render(templates, values)?);
                }
                serde_json::Value::Object(map)
            }
        })
    }
}
