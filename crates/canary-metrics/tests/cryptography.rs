//! What works before and after the process has chosen its cryptography. One test, because that choice is the process's.

use canary_metrics::{MetricError, MetricProviders, ProviderSpec};

#[test]
fn only_https_needs_cryptography_of_the_process() {
    let providers = MetricProviders::default();
    let plain = ProviderSpec::new("prometheus", "http://prometheus");
    let secure = ProviderSpec::new("prometheus", "https://prometheus");
    let unchecked = ProviderSpec { insecure_skip_verify: true, ..secure.clone() };

    assert!(providers.build(&plain).is_ok());
    for spec in [&secure, &unchecked] {
        let error = providers.build(spec).err();
        assert!(
            matches!(&error, Some(MetricError::Configuration(text)) if text.contains("CryptoProvider")),
            "{error:?}"
        );
    }

    rustls::crypto::ring::default_provider().install_default().unwrap();
    assert!(providers.build(&unchecked).is_ok());
    // A machine without certificates cannot check any, and says so.
    let checked = providers.build(&secure).err();
    assert!(matches!(&checked, None | Some(MetricError::Configuration(_))), "{checked:?}");
    assert!(providers.build(&plain).is_ok());
}
