//! A program without a crypto provider. In a file of its own, since a provider is installed for a whole process.

use canary_notifiers::{NotifierSpec, Notifiers};

#[test]
fn a_missing_crypto_provider_is_an_error_until_one_is_installed() {
    let notifiers = Notifiers::new();
    for kind in notifiers.names() {
        let error =
            notifiers.build(&NotifierSpec::new(kind, "http://chat.test/secret")).err().unwrap().to_string();
        assert!(error.starts_with(&format!("{kind}: no TLS crypto provider is installed")), "{error}");
    }

    rustls::crypto::ring::default_provider().install_default().unwrap();

    for kind in notifiers.names() {
        assert!(notifiers.build(&NotifierSpec::new(kind, "http://chat.test/secret")).is_ok());
    }
}
