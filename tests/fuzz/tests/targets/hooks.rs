//! Answers of hooks.

use std::time::Duration;

use canary_core::{HookAnswer, HookCall, HookPayload, Hooks as _};
use canary_fuzz::Target;
use canary_webhooks::WebhookClient;

use super::answers::{Answer, Server, first_line};

/// Most that is read of an answer.
const MOST: usize = 64 * 1024;

/// The first line of an input is status and heads.
#[test]
fn fuzz_hooks() {
    const WORDS: &[&str] = &[
        "200",
        "201",
        "204",
        "301",
        "307",
        "404",
        "429",
        "500",
        "503",
        "location=/",
        "location=http://169.254.169.254/",
        "location=http://[::1",
        "retry-after=1e9",
        "content-encoding=gzip",
    ];
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    let client = WebhookClient::new();
    let mut call = HookCall::new("gate", format!("{}/", server.address), HookPayload::default());
    call.timeout = Ok(Duration::from_millis(300));
    Target::new("hooks").with_words(WORDS).run(|input| {
        let (line, body) = first_line(input);
        let answer = Answer::read(&line, body);
        let status = answer.status;
        server.say(answer);
        match runtime.block_on(client.call(&call)) {
            HookAnswer::Passed => assert!(matches!(status, 200..=202), "{status} opened a gate"),
            HookAnswer::Failed(text) => assert!(text.len() <= 3 * MOST, "a text of {} bytes", text.len()),
        }
    });
}
