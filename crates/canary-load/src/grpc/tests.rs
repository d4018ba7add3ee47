use http::HeaderMap;
use serde_json::json;

use super::*;

fn fields(all: Fields<'_>) -> HeaderMap {
    all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

type Fields<'a> = &'a [(&'static str, &'a str)];

const KIND: (&str, &str) = ("content-type", "application/grpc+proto");

fn status_of(headers: Fields<'_>, trailers: Fields<'_>, body: &[u8]) -> GrpcStatus {
    let body = Bytes::copy_from_slice(body);
    let length = body.len() as u64;
    read(StatusCode::OK, &fields(headers), Some(&fields(trailers)), &body, length, 8).0
}

#[test]
fn what_is_framed_is_read_again() {
    let framed = frame(b"abc").unwrap();
    assert_eq!(&framed[..], b"\0\0\0\0\x03abc");
    let ok = fields(&[("grpc-status", "0")]);
    let (status, message) = read(StatusCode::OK, &fields(&[KIND]), Some(&ok), &framed, 8, 8);
    assert_eq!((status.code, &message[..]), (GrpcCode::Ok, &b"abc"[..]));
}

#[test]
fn the_status_is_in_the_trailers_or_alone_in_the_headers() {
    let status = status_of(&[KIND], &[("grpc-status", "5"), ("grpc-message", "no%20caf%C3%A9")], b"");
    assert_eq!(status.to_string(), "NOT_FOUND: no café");
    let status = status_of(&[KIND, ("grpc-status", "16")], &[], b"");
    assert_eq!(status.to_string(), "UNAUTHENTICATED");
    assert_eq!(status_of(&[KIND], &[("grpc-status", "99")], b"").code, GrpcCode::Unknown);
    assert!(status_of(&[KIND], &[("grpc-status", "x")], b"").message.contains("is no number"));
}

#[test]
fn messages_that_are_not_one_whole_uncompressed_one_within_the_limit_are_refused() {
    let cases: [(Fields<'_>, &[u8], GrpcCode, &str); 6] = [
        (&[], b"", GrpcCode::Internal, "has no message"),
        (&[], b"\x01\0\0\0\x01a", GrpcCode::Internal, "marked as compressed"),
        (&[("grpc-encoding", "gzip")], b"\x01\0\0\0\x01a", GrpcCode::Unimplemented, "with gzip"),
        (&[], b"\0\0\0\0\x09123456789", GrpcCode::ResourceExhausted, "9 bytes, more than the limit of 8"),
        (&[], b"\0\0\0\0\x03ab", GrpcCode::Internal, "announced with 3 bytes, and 2 follow"),
        (&[], b"\0\0\0\0\x01a\0\0\0\0\x01a", GrpcCode::Internal, "one whole message"),
    ];
    for (headers, body, code, why) in cases {
        let headers: Vec<_> = [KIND].into_iter().chain(headers.iter().copied()).collect();
        let status = status_of(&headers, &[("grpc-status", "0")], body);
        assert_eq!(status.code, code, "{status}");
        assert!(status.message.contains(why), "{status}");
    }
}

#[test]
fn an_answer_without_a_status_has_the_code_that_clients_give_it() {
    let of = |status: u16, headers: Fields<'_>| {
        let status = StatusCode::from_u16(status).unwrap();
        read(status, &fields(headers), None, &Bytes::new(), 0, 8).0
    };
    for (status, code) in [
        (400, GrpcCode::Internal),
        (401, GrpcCode::Unauthenticated),
        (403, GrpcCode::PermissionDenied),
        (404, GrpcCode::Unimplemented),
        (429, GrpcCode::Unavailable),
        (503, GrpcCode::Unavailable),
        (500, GrpcCode::Unknown),
    ] {
        let found = of(status, &[]);
        assert_eq!(found.code, code, "{status}");
        assert!(found.message.contains(&status.to_string()), "{found}");
    }
    assert!(of(200, &[KIND]).message.contains("ends without a grpc-status"));
    assert!(
        of(200, &[("content-type", "text/html")]).message.contains("\"text/html\" is not application/grpc")
    );
}

#[test]
fn methods_that_are_not_there_or_not_unary_are_refused_with_what_there_is() {
    for (name, why) in [
        ("Check", "package.Service/Method"),
        ("grpc.health.v2.Health/Check", "known are grpc.health.v1.Health"),
        ("grpc.health.v1.Health/Look", "it has Check, Watch"),
        ("grpc.health.v1.Health/Watch", "only unary"),
    ] {
        let error = Descriptors::built_in().method(name).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_message_with_an_unknown_field_is_refused_by_its_name() {
    let check = Descriptors::built_in().method("/grpc.health.v1.Health/Check").unwrap();
    let error = check.encode(&json!({"servise": "x"})).unwrap_err().to_string();
    assert!(error.contains("grpc.health.v1.HealthCheckRequest") && error.contains("servise"), "{error}");
    let error = check.decode(b"\xff").unwrap_err().to_string();
    assert!(error.contains("HealthCheckResponse"), "{error}");
    assert_eq!(check.decode(b"").unwrap(), json!({"status": "UNKNOWN"}));
}

#[test]
fn what_is_no_whole_descriptor_set_is_refused_with_how_to_make_one() {
    let error = Descriptors::decode(b"not a set").unwrap_err().to_string();
    assert!(error.contains("--include_imports"), "{error}");
    assert!(Descriptors::decode(b"").unwrap_err().to_string().contains("no service"));
}
