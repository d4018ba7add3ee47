//! Methods and their messages, as a descriptor set describes them.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::method_options::IdempotencyLevel;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;

use super::health;
use crate::{Prepared, RequestError, Target};

/// The services that can be called, from a descriptor set (`protoc --include_imports --descriptor_set_out=FILE`, or
/// `buf build -o FILE`). `grpc.health.v1.Health` is always among them.
///
/// ```
/// use canary_load::Descriptors;
/// use serde_json::json;
///
/// let check = Descriptors::built_in().method("grpc.health.v1.Health/Check")?;
/// let message = check.encode(&json!({"service": "orders"}))?;
/// assert_eq!(&message[..], b"\x0a\x06orders");
/// assert_eq!(check.decode(b"\x08\x01")?, json!({"status": "SERVING"}));
/// # Ok::<_, canary_load::GrpcError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Descriptors {
    pool: DescriptorPool,
}

/// A call that cannot be made, or a message that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrpcError {
    /// The bytes are no descriptor set, or not a whole one.
    #[error(
        "it is no whole descriptor set, as `protoc --include_imports --descriptor_set_out=FILE` or `buf build -o FILE` \
         writes it: {0}"
    )]
    Descriptors(String),
    /// There is no such method, or it is none that can be called here.
    #[error("{method:?} cannot be called: {why}")]
    Method {
        /// What was asked for.
        method: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The JSON is no such message.
    #[error("it is no message {message}: {why}")]
    Encode {
        /// Full name of the message.
        message: String,
        /// What does not fit.
        why: String,
    },
    /// The answer is no such message.
    #[error("the answer is no message {message}: {why}")]
    Decode {
        /// Full name of the message.
        message: String,
        /// What does not fit.
        why: String,
    },
}

impl Descriptors {
    /// Only what is always there: `grpc.health.v1`.
    pub fn built_in() -> Self {
        let mut pool = DescriptorPool::new();
        // It is known to be whole: a test reads it.
        let _ = pool.add_file_descriptor_proto(health::file());
        Self { pool }
    }

    /// Reads a `google.protobuf.FileDescriptorSet` with all its imports.
    ///
    /// # Errors
    /// [`GrpcError::Descriptors`] when it is none, or an import is missing.
    pub fn decode(set: &[u8]) -> Result<Self, GrpcError> {
        let mut pool = DescriptorPool::decode(set).map_err(|error| GrpcError::Descriptors(reason(&error)))?;
        if pool.services().len() == 0 {
            return Err(GrpcError::Descriptors("it has no service".to_owned()));
        }
        if pool.get_service_by_name(health::SERVICE).is_none() {
            // Refused when the set has a file or a message of the same name; then its own counts.
            let _ = pool.add_file_descriptor_proto(health::file());
        }
        Ok(Self { pool })
    }

    /// A method by its name, such as `grpc.health.v1.Health/Check`.
    ///
    /// # Errors
    /// [`GrpcError::Method`] with the services or methods that there are, or because it is streaming.
    pub fn method(&self, name: &str) -> Result<GrpcMethod, GrpcError> {
        let refuse = |why: String| Err(GrpcError::Method { method: name.to_owned(), why });
        let Some((service, method)) = name.trim_start_matches('/').split_once('/') else {
            return refuse("a method is written package.Service/Method".to_owned());
        };
        let Some(service) = self.pool.get_service_by_name(service) else {
            let known: Vec<String> =
                self.pool.services().map(|service| service.full_name().to_owned()).collect();
            return refuse(format!("there is no service {service:?}; known are {}", known.join(", ")));
        };
        let Some(found) = service.methods().find(|known| known.name() == method) else {
            let known: Vec<String> = service.methods().map(|method| method.name().to_owned()).collect();
            return refuse(format!(
                "{} has no such method; it has {}",
                service.full_name(),
                known.join(", ")
            ));
        };
        if found.is_client_streaming() || found.is_server_streaming() {
            return refuse("it is streaming; only unary methods can be called".to_owned());
        }
        Ok(GrpcMethod { path: format!("/{}/{}", service.full_name(), found.name()), method: found })
    }
}

/// A unary method, its messages given and shown as JSON.
///
/// ```
/// use std::time::Duration;
/// use canary_load::{Descriptors, Flow, Plan, Protocol, Target};
/// use serde_json::json;
///
/// let mut target: Target = "http://podinfo-canary.test:9999".parse()?;
/// target.protocol = Protocol::Http2 { streams: 10 };
/// let check = Descriptors::built_in().method("grpc.health.v1.Health/Check")?;
/// let call = check.call(&target, &[], &json!({}), Duration::from_secs(5))?;
/// let plan = Plan::new(vec![target], vec![Flow::request("health", 0, call)]);
/// assert_eq!(plan.flows[0].steps(), ["POST /grpc.health.v1.Health/Check"]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct GrpcMethod {
    path: String,
    method: MethodDescriptor,
}

impl fmt::Debug for GrpcMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GrpcMethod").field(&self.path).finish()
    }
}

/// Why the call of a method cannot be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The message does not fit.
    #[error("the call cannot be made")]
    Message(#[from] GrpcError),
    /// The target or a header does not fit.
    #[error("the call cannot be made")]
    Request(#[from] RequestError),
}

impl GrpcMethod {
    /// Its path, such as `/grpc.health.v1.Health/Check`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it says that it changes nothing: `option idempotency_level = NO_SIDE_EFFECTS`. A health check changes nothing.
    pub fn is_read_only(&self) -> bool {
        let options = self.method.method_descriptor_proto().options.as_ref();
        self.method.parent_service().full_name() == health::SERVICE
            || options.is_some_and(|options| options.idempotency_level() == IdempotencyLevel::NoSideEffects)
    }

    /// A message of it from JSON, by the JSON mapping of Protocol Buffers: fields by their name or in `lowerCamelCase`,
    /// 64 bit numbers also as texts, bytes in base64.
    ///
    /// # Errors
    /// [`GrpcError::Encode`] with the field that is unknown or does not fit.
    pub fn encode(&self, json: &Value) -> Result<Bytes, GrpcError> {
        let input = self.method.input();
        DynamicMessage::deserialize(input.clone(), json)
            .map(|message| message.encode_to_vec().into())
            .map_err(|error| GrpcError::Encode {
                message: input.full_name().to_owned(),
                why: error.to_string(),
            })
    }

    /// An answer of it as JSON: fields in `lowerCamelCase`, also those that have their default, so that they can be looked
    /// at; 64 bit numbers as texts.
    ///
    /// # Errors
    /// [`GrpcError::Decode`] when the bytes are no such message.
    pub fn decode(&self, message: &[u8]) -> Result<Value, GrpcError> {
        let output = self.method.output();
        let refuse = |why: String| GrpcError::Decode { message: output.full_name().to_owned(), why };
        let message =
            DynamicMessage::decode(output.clone(), message).map_err(|error| refuse(error.to_string()))?;
        let all = SerializeOptions::new().skip_default_fields(false);
        message
            .serialize_with_options(serde_json::value::Serializer, &all)
            .map_err(|error| refuse(error.to_string()))
    }

    /// A call of it.
    ///
    /// # Errors
    /// [`CallError`] when the message or a header does not fit, or the target does not speak HTTP/2.
    pub fn call(
        &self,
        target: &Target,
        metadata: &[(String, String)],
        json: &Value,
        timeout: Duration,
    ) -> Result<Prepared, CallError> {
        Ok(Prepared::grpc(target, &self.path, metadata, &self.encode(json)?, timeout)?)
    }
}

/// The whole chain of an error in a line.
fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}
