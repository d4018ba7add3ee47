//! A small real gRPC server: orders that are made, looked at and removed, with the descriptors of its service.
#![allow(clippy::unwrap_used)] // a test's server that fails is a test that fails

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use canary_load::GrpcCode;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost_reflect::prost::Message;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::method_options::IdempotencyLevel;
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
    MethodOptions, ServiceDescriptorProto,
};
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use tokio::net::TcpListener;

/// The descriptor set of `shop.v1.Orders`.
pub(crate) fn descriptors() -> Vec<u8> {
    let field = |(number, name, kind): (i32, &str, Type)| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        ..FieldDescriptorProto::default()
    };
    let message = |name: &str, fields: &[(i32, &str, Type)]| DescriptorProto {
        name: Some(name.to_owned()),
        field: fields.iter().copied().map(field).collect(),
        ..DescriptorProto::default()
    };
    let method = |name: &str, from: &str, level: IdempotencyLevel| MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(format!(".shop.v1.{from}")),
        output_type: Some(".shop.v1.Order".to_owned()),
        options: Some(MethodOptions { idempotency_level: Some(level.into()), ..MethodOptions::default() }),
        ..MethodDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("shop/v1/orders.proto".to_owned()),
        package: Some("shop.v1".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![
            message("Wanted", &[(1, "sku", Type::String), (2, "item_count", Type::Int32)]),
            message("Which", &[(1, "id", Type::String)]),
            message("Order", &[(1, "id", Type::String), (2, "total_cents", Type::Int64)]),
        ],
        service: vec![ServiceDescriptorProto {
            name: Some("Orders".to_owned()),
            method: vec![
                method("Make", "Wanted", IdempotencyLevel::IdempotencyUnknown),
                method("Look", "Which", IdempotencyLevel::NoSideEffects),
                method("Remove", "Which", IdempotencyLevel::Idempotent),
            ],
            options: None,
        }],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

#[derive(Default)]
struct State {
    orders: BTreeSet<String>,
    made: usize,
    calls: Vec<String>,
}

/// The server.
#[derive(Clone)]
pub(crate) struct GrpcShop {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl GrpcShop {
    pub(crate) fn open() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let shop =
            Self { address: format!("http://{}", listener.local_addr().unwrap()), state: Arc::default() };
        let mine = shop.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let shop = mine.clone();
                    let service = service_fn(move |request| answer(shop.clone(), request));
                    let serving = http2::Builder::new(TokioExecutor::new());
                    tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
                }
            });
        });
        shop
    }

    /// Orders that are there now, and how many were ever made.
    pub(crate) fn orders(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.orders.len(), state.made)
    }

    /// Method, message and tenant of each call.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }

    fn perform(
        &self,
        method: &str,
        message: &DynamicMessage,
        tenant: &str,
    ) -> Result<(String, i64), GrpcCode> {
        let mut state = self.state.lock().unwrap();
        state.calls.push(format!("{method} {message} {tenant}"));
        let id = message.get_field_by_name("id").map(|id| id.as_str().unwrap().to_owned());
        match (method, id) {
            ("Make", None) => {
                state.made += 1;
                let id = format!("o{}", state.made);
                state.orders.insert(id.clone());
                let count = message.get_field_by_name("item_count").unwrap().as_i32().unwrap();
                Ok((id, i64::from(count) * 250))
            }
            ("Look", Some(id)) if state.orders.contains(&id) => Ok((id, 0)),
            ("Remove", Some(id)) if state.orders.remove(&id) => Ok((id, 0)),
            _ => Err(GrpcCode::NotFound),
        }
    }
}

async fn answer(
    shop: GrpcShop,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let pool = DescriptorPool::decode(descriptors().as_slice()).unwrap();
    let service = pool.get_service_by_name("shop.v1.Orders").unwrap();
    let name = request.uri().path().strip_prefix("/shop.v1.Orders/").unwrap().to_owned();
    let method = service.methods().find(|method| method.name() == name).unwrap();
    let tenant = request.headers().get("x-tenant").map_or("", |value| value.to_str().unwrap()).to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let asked = DynamicMessage::decode(method.input(), &body[5..]).unwrap();
    let (mut fields, mut body) = (HeaderMap::new(), Vec::new());
    match shop.perform(&name, &asked, &tenant) {
        Ok((id, total)) => {
            let mut order = DynamicMessage::new(method.output());
            order.set_field_by_name("id", Value::String(id));
            order.set_field_by_name("total_cents", Value::I64(total));
            let order = order.encode_to_vec();
            body = [&[0, 0, 0, 0, u8::try_from(order.len()).unwrap()][..], &order].concat();
            fields.insert("grpc-status", "0".parse().unwrap());
        }
        Err(code) => {
            fields.insert("grpc-status", code.number().to_string().parse().unwrap());
            fields.insert("grpc-message", "no such order".parse().unwrap());
        }
    }
    let body = Full::new(Bytes::from(body)).with_trailers(async move { Some(Ok(fields)) }).boxed();
    let mut answered = Response::new(body);
    answered.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    Ok(answered)
}
