//! A program without a crypto provider. In a file of its own, since a provider is installed for a whole process.

use canary_core::{HookAnswer, HookCall, HookPayload, Hooks};
use canary_webhooks::WebhookClient;
use wiremock::{MockServer, ResponseTemplate, matchers::any};

#[tokio::test]
async fn a_missing_crypto_provider_fails_the_hook_until_one_is_installed() {
    let server = MockServer::start().await;
    wiremock::Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let client = WebhookClient::new();
    for disable_tls in [false, true] {
        let mut call = HookCall::new("gate", server.uri(), HookPayload::default());
        call.disable_tls = disable_tls;
        let HookAnswer::Failed(text) = client.call(&call).await else { panic!("passed") };
        assert!(text.contains("no TLS crypto provider is installed"), "{text}");
    }

    rustls::crypto::ring::default_provider().install_default().unwrap();

    let call = HookCall::new("gate", server.uri(), HookPayload::default());
    assert_eq!(client.call(&call).await, HookAnswer::Passed);
}
