//! A chat whose certificate nobody trusts is told nothing.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::io::Read;
use std::net::TcpListener;

use canary_core::{Alert, Severity};
use canary_notifiers::{NotifierSpec, Notifiers};

/// The address of a server with a certificate of its own making, and whether a message arrived there.
fn untrusted_server() -> (String, std::thread::JoinHandle<bool>) {
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
    let thread = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream =
            rustls::StreamOwned::new(rustls::ServerConnection::new(config.into()).unwrap(), socket);
        let mut request = [0; 4096];
        stream.read(&mut request).is_ok_and(|length| length > 0)
    });
    (address, thread)
}

#[tokio::test]
async fn no_chat_is_told_anything_whose_certificate_nobody_trusts() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for kind in ["slack", "msteams", "discord", "rocket", "gchat"] {
        let (address, server) = untrusted_server();
        let mut spec = NotifierSpec::new(kind, format!("{address}/services/hush"));
        spec.token = Some("hush-token".into());
        let notifier = Notifiers::new().build(&spec).unwrap();
        let alert = Alert::new("podinfo", "test", "Canary is waiting for approval.", Severity::Warn);
        let error = notifier.send(&alert).await.unwrap_err().to_string();
        assert!(error.contains("certificate") && !error.contains("hush"), "{kind}: {error}");
        assert!(!server.join().unwrap(), "{kind}: the message was sent");
    }
}
