//! What works before and after the process has chosen its cryptography, and whom providers trust then. One test, because
//! that choice is the process's.

#![allow(clippy::unwrap_used, reason = "the lint knows no functions beside the tests of a test file")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use canary_metrics::{MetricError, MetricProviders, ProviderSpec};

/// Answers one query over TLS with a certificate that nobody trusts; whether a request arrived.
fn untrusted_server() -> (String, JoinHandle<bool>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let connection = rustls::ServerConnection::new(config.into()).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, socket);
        let mut request = [0; 4096];
        let arrived = stream.read(&mut request).is_ok_and(|length| length > 0);
        let body = r#"{"data":{"result":[{"metric":{},"value":[1,"1"]}]}}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        // The client may be gone by now; what it made of the answer is what the test looks at.
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
        let _ = stream.flush();
        arrived
    });
    (address, server)
}

#[tokio::test]
async fn https_needs_cryptography_of_the_process_and_a_trusted_certificate() {
    let providers = MetricProviders::default();
    let plain = ProviderSpec::new("prometheus", "http://prometheus");
    let secure = ProviderSpec::new("prometheus", "https://prometheus");

    assert!(providers.build(&plain).is_ok());
    for insecure_skip_verify in [false, true] {
        let error = providers.build(&ProviderSpec { insecure_skip_verify, ..secure.clone() }).err();
        assert!(
            matches!(&error, Some(MetricError::Configuration(text)) if text.contains("CryptoProvider")),
            "{error:?}"
        );
    }

    rustls::crypto::ring::default_provider().install_default().unwrap();
    assert!(providers.build(&plain).is_ok());

    let (address, server) = untrusted_server();
    let unchecked = ProviderSpec { address, insecure_skip_verify: true, ..secure.clone() };
    assert_eq!(providers.build(&unchecked).unwrap().check().await, Ok(()));
    assert!(server.join().unwrap());

    let (address, server) = untrusted_server();
    match providers.build(&ProviderSpec { address, ..secure }) {
        Ok(provider) => {
            let error = provider.check().await;
            assert!(
                matches!(&error, Err(MetricError::Unreachable(text)) if text.contains("certificate")),
                "{error:?}"
            );
            assert!(!server.join().unwrap(), "the query must not be sent");
        }
        // A machine without certificates of its own cannot check any, and says so.
        Err(error) => assert!(matches!(&error, MetricError::Configuration(_)), "{error:?}"),
    }
}
