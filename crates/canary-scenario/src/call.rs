//! Steps that call a gRPC method.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use canary_load::{Answer, Descriptors, ErrorClass, GrpcCode, GrpcMethod, Prepared};
use minijinja::Value;

use crate::check::Check;
use crate::code::{Base, JsonCode, RequestCode};
use crate::compile::{Compiler, Scope};
use crate::spec::StepSpec;
use crate::template::Templates;

/// What is called, and with what.
#[derive(Debug)]
pub(crate) struct CallCode {
    /// None before its descriptors are fetched.
    method: Option<GrpcMethod>,
    /// It changes nothing.
    reads: bool,
    message: JsonCode,
}

impl Compiler<'_> {
    /// The call of a step that has one.
    pub(crate) fn call(&mut self, field: &str, step: &StepSpec, scope: &mut Scope) -> Option<CallCode> {
        let Some(name) = &step.grpc else {
            for (part, is_set) in [
                ("message", step.message.is_some()),
                ("descriptors", step.descriptors.is_some()),
                ("read-only", step.read_only),
            ] {
                if is_set {
                    self.mistake(format!("{field}.{part}"), "only a step with grpc has it");
                }
            }
            return None;
        };
        for (part, is_set) in
            [("json", step.json.is_some()), ("form", step.form.is_some()), ("body", step.body.is_some())]
        {
            if is_set {
                self.mistake(format!("{field}.{part}"), "a step with grpc has a message instead");
            }
        }
        let none = serde_json::json!({});
        let given = step.message.as_ref().unwrap_or(&none);
        if !given.is_object() {
            self.mistake(format!("{field}.message"), "it takes an object with the fields of the message");
        }
        let message = self.json(&format!("{field}.message"), given, scope);
        let method = self.descriptors(field, step).and_then(|descriptors| {
            descriptors
                .method(name)
                .map_err(|error| self.mistake(format!("{field}.grpc"), error.to_string()))
                .ok()
        });
        if let (Some(method), JsonCode::Fixed(message)) = (&method, &message)
            && given.is_object()
            && let Err(error) = method.encode(message)
        {
            self.mistake(format!("{field}.message"), error.to_string());
        }
        // As long as nobody knows the method, nobody can say that it changes something.
        let reads = step.read_only || method.as_ref().is_none_or(GrpcMethod::is_read_only);
        Some(CallCode { method, reads, message })
    }

    /// Where the method of a step is described, if it is known by now.
    fn descriptors(&mut self, field: &str, step: &StepSpec) -> Option<Descriptors> {
        let field = format!("{field}.descriptors");
        let Some(name) = &step.descriptors else { return Some(Descriptors::built_in()) };
        let Some(source) = self.spec.sources.get(name) else {
            let known: Vec<&str> = self.spec.sources.keys().map(String::as_str).collect();
            let here = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
            self.mistake(field, format!("there is no source {name:?}; known are {here}"));
            return None;
        };
        if field.contains(".cleanup[") && source.inline.is_none() {
            let why = "a clean-up has to work after a crash, when nothing is fetched: its descriptors have to be inline, in base64";
            self.mistake(field, why);
            return None;
        }
        if let Some(known) = self.described.get(name) {
            return Some(known.clone());
        }
        let fetched = self.data.and_then(|data| data.get(name)).map(AsRef::as_ref);
        let bytes: &[u8] = match (fetched, &source.inline, self.data) {
            (Some(bytes), ..) => bytes,
            (None, Some(text), _) => text.as_bytes(),
            (None, None, Some(_)) => {
                self.mistake(field, format!("the data of {name:?} was not fetched"));
                return None;
            }
            (None, None, None) => return None,
        };
        match descriptors(bytes) {
            Ok(read) => {
                self.described.insert(name.clone(), read.clone());
                Some(read)
            }
            Err(why) => {
                self.mistake(field, format!("the data of {name:?}: {why}"));
                None
            }
        }
    }

    /// Whether a check fits its step.
    pub(crate) fn fits(&mut self, field: &str, check: &Check, is_call: bool) {
        match (check, is_call) {
            (Check::Status(_), true) => {
                self.mistake(field, "a step with grpc has a gRPC status; its check is such as \"grpc OK\"");
            }
            (Check::Grpc(_), false) => {
                self.mistake(field, "only a step with grpc has a gRPC status");
            }
            (Check::Status(_) | Check::Grpc(_) | Check::Latency(..) | Check::Part(..), _) => {}
        }
    }
}

/// A descriptor set, in its binary form or in base64, which is how a text holds it.
fn descriptors(bytes: &[u8]) -> Result<Descriptors, String> {
    // The first field of a set is a file: a line feed, which no base64 begins with.
    let binary = if bytes.first().is_none_or(|first| *first == b'\n') {
        Cow::Borrowed(bytes)
    } else {
        let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let decoded = base64::engine::general_purpose::STANDARD.decode(text);
        Cow::Owned(decoded.map_err(|_| "it is neither a descriptor set nor one in base64".to_owned())?)
    };
    Descriptors::decode(&binary).map_err(|error| error.to_string())
}

impl CallCode {
    pub(crate) fn reads(&self) -> bool {
        self.reads
    }

    pub(crate) fn is_fixed(&self) -> bool {
        self.method.is_some() && matches!(self.message, JsonCode::Fixed(_))
    }

    /// The call with those values.
    ///
    /// # Errors
    /// Which field of the message does not fit, or what else is wrong.
    pub(crate) fn prepare(
        &self,
        base: &Base,
        headers: &[(String, String)],
        templates: &Templates,
        values: &Value,
    ) -> Result<Arc<Prepared>, String> {
        let method = self.method.as_ref().ok_or("its descriptors were not fetched")?;
        let json = self.message.render(templates, values).map_err(|why| format!("its message: {why}"))?;
        let message: Bytes = method.encode(&json).map_err(|error| error.to_string())?;
        let path = format!("{}{}", base.prefix, method.path());
        // What is left until the timeout of the load is less than that.
        let most = Duration::MAX;
        Prepared::grpc(&base.target, &path, headers, &message, most)
            .map(Arc::new)
            .map_err(|error| error.to_string())
    }
}

impl RequestCode {
    /// The answer as checks and captures see it: the message of a call as JSON.
    ///
    /// # Errors
    /// Why the message cannot be read.
    pub(crate) fn shown<'a>(&self, answer: &'a Answer) -> Result<Cow<'a, Answer>, String> {
        let method = self.call.as_ref().and_then(|call| call.method.as_ref());
        let is_ok = answer.grpc.as_ref().is_some_and(|status| status.code == GrpcCode::Ok);
        let Some(method) = method.filter(|_| is_ok) else { return Ok(Cow::Borrowed(answer)) };
        let json = method.decode(&answer.body).map_err(|error| error.to_string())?;
        Ok(Cow::Owned(Answer { body: json.to_string().into(), ..answer.clone() }))
    }

    /// The class of an answer whose status is an error, unless a check says which one is right.
    pub(crate) fn fault(&self, answer: &Answer) -> Option<ErrorClass> {
        if self.checks.iter().any(|(_, check)| check.is_about_status()) {
            return None;
        }
        match &answer.grpc {
            Some(status) => (status.code != GrpcCode::Ok).then_some(ErrorClass::Grpc),
            None => (answer.status.as_u16() >= 400).then_some(ErrorClass::Status),
        }
    }
}

/// What the status of an answer was, for people.
pub(crate) fn told(answer: &Answer) -> String {
    match &answer.grpc {
        Some(status) => format!("the gRPC status was {status}"),
        None => format!("the status was {}", answer.status.as_u16()),
    }
}

/// The server says that it has done nothing, because the request was wrong.
pub(crate) fn was_refused(answer: &Answer) -> bool {
    let Some(status) = &answer.grpc else { return answer.status.is_client_error() };
    matches!(
        status.code,
        GrpcCode::InvalidArgument
            | GrpcCode::NotFound
            | GrpcCode::AlreadyExists
            | GrpcCode::PermissionDenied
            | GrpcCode::FailedPrecondition
            | GrpcCode::OutOfRange
            | GrpcCode::Unimplemented
            | GrpcCode::Unauthenticated
    )
}
