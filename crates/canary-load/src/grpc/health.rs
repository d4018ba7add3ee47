//! The health service that every gRPC server is to have, so that it can be called without a descriptor set.

use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto,
};

/// Its name.
pub(super) const SERVICE: &str = "grpc.health.v1.Health";

/// `grpc/health/v1/health.proto`.
pub(super) fn file() -> FileDescriptorProto {
    let states = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
    let states = EnumDescriptorProto {
        name: Some("ServingStatus".to_owned()),
        value: (0..)
            .zip(states)
            .map(|(number, name)| EnumValueDescriptorProto {
                name: Some(name.to_owned()),
                number: Some(number),
                options: None,
            })
            .collect(),
        ..EnumDescriptorProto::default()
    };
    FileDescriptorProto {
        name: Some("grpc/health/v1/health.proto".to_owned()),
        package: Some("grpc.health.v1".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![
            message("HealthCheckRequest", field("service", Type::String, None), vec![]),
            message(
                "HealthCheckResponse",
                field("status", Type::Enum, Some(".grpc.health.v1.HealthCheckResponse.ServingStatus")),
                vec![states],
            ),
        ],
        service: vec![ServiceDescriptorProto {
            name: Some("Health".to_owned()),
            method: vec![method("Check", false), method("Watch", true)],
            options: None,
        }],
        ..FileDescriptorProto::default()
    }
}

fn message(name: &str, field: FieldDescriptorProto, enums: Vec<EnumDescriptorProto>) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.to_owned()),
        field: vec![field],
        enum_type: enums,
        ..DescriptorProto::default()
    }
}

fn field(name: &str, kind: Type, of: Option<&str>) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(1),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name: of.map(str::to_owned),
        ..FieldDescriptorProto::default()
    }
}

fn method(name: &str, streams: bool) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(".grpc.health.v1.HealthCheckRequest".to_owned()),
        output_type: Some(".grpc.health.v1.HealthCheckResponse".to_owned()),
        server_streaming: Some(streams),
        ..MethodDescriptorProto::default()
    }
}
