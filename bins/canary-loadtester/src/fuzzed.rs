//! What nobody would send, for what reads requests.

use std::time::Duration;

use canary_fuzz::Target;
use canary_scenario::{Logins, Scenario, Setting, SourceSpec};

use crate::hey::{Ceilings, Hey};
use crate::payload::Payload;
use crate::{judge, load, ngrinder, real_traffic};

#[test]
fn fuzz_commands() {
    const WORDS: &[&str] = &[
        "hey",
        "/hey",
        "-z",
        "-q",
        "-c",
        "-n",
        "-m",
        "-H",
        "-d",
        "-t",
        "-a",
        "-h2",
        "-host",
        "-disable-keepalive",
        "=",
        "--",
        "1m",
        "POST",
        "http://podinfo-canary.test:9898/",
        "https://[::1]:65535/x?y#z",
        "'",
        "\\",
        "$(",
        "\u{a0}",
        "1e9",
        "18446744073709551615",
        "4294967296",
        "errors < 1%",
        "p99.9 <= 1us",
        "requests >= 1e400",
    ];
    let _ = rustls::crypto::ring::default_provider().install_default();
    Target::new("commands").with_words(WORDS).run(|input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        if let Some(hey) = Hey::parse(text)
            && let Ok(plan) =
                hey.plan(Ceilings { connections: 100, rate: 1000.0, duration: Duration::from_secs(60) })
        {
            assert!(plan.limits.connections <= 100, "{} connections", plan.limits.connections);
        }
        let _ = judge::rules(text);
    });
}

#[test]
fn fuzz_payloads() {
    const WORDS: &[&str] = &[
        "name",
        "namespace",
        "phase",
        "checksum",
        "metadata",
        "type",
        "cmd",
        "hey",
        "load",
        "ngrinder",
        "server",
        "clone",
        "username",
        "passwd",
        "pollInterval",
        "prometheus",
        "query",
        "scrape",
        "window",
        "duration",
        "rate",
        "concurrency",
        "99999999999999999999h",
        "http://x",
    ];
    Target::new("payloads").with_words(WORDS).run(|input| {
        let Some(payload) = Payload::read(input) else { return };
        let _ = (payload.canary(), payload.is_set("logCmdOutput"));
        let _ = (ngrinder::Test::of(&payload).is_ok(), real_traffic::Source::of(&payload).is_ok());
        for key in ["window", "duration", "timeout", "scrape"] {
            if let Ok(Some(duration)) = load::duration(&payload, key) {
                assert!(duration > Duration::ZERO || payload.get(key).is_some());
            }
        }
    });
}

/// A base, and behind lines of `---` what is laid over it.
#[test]
fn fuzz_scenarios() {
    const WORDS: &[&str] = &[
        "\n---\n",
        "$patch: replace",
        "$patch: delete",
        "name: ",
        "load: ",
        "flows:\n- ",
        "steps: ",
        "cleanup: ",
        "null",
        "~",
        "1.10",
        "007",
        "0x1F",
        "1e3",
        ".inf",
        "yes",
        "!!str ",
        "&a ",
        "*a",
        "<<: *a",
        "|\n  ",
        "{{ user.item }}",
        "{% for a in range(9) %}",
        "of: each",
        "primary-limits: [errors < 5%]",
        "git:https://a.test/b//c?ref=d",
        "@sha256:",
        "https://user:pass@a.test",
        "{\"auths\": ",
    ];
    let shown = |scenario: &Scenario| serde_json::to_value(scenario.spec()).unwrap_or_default();
    Target::new("scenarios").with_words(WORDS).run(|input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        let _ = (SourceSpec::of_references(text).is_ok(), Logins::read(text).is_ok());
        let files: Vec<(String, String)> = text
            .split("\n---\n")
            .enumerate()
            .map(|(n, text)| (format!("{n}.yaml"), text.to_owned()))
            .collect();
        let Some((name, base)) = files.first() else { return };
        for scenario in [Scenario::parse(name, base), Scenario::layered(&files)].into_iter().flatten() {
            let _ = scenario.prepare(&Setting::default(), &std::collections::BTreeMap::new());
            // What changes nothing, changes nothing; and what files come to is a file of its own.
            let same = [(name.clone(), scenario.text().to_owned()), ("same".to_owned(), "{}".to_owned())];
            match Scenario::layered(&same) {
                Ok(same) => assert_eq!(shown(&same), shown(&scenario), "{}", same.text()),
                Err(mistakes) => assert!(mistakes.to_string().contains("depth"), "{mistakes}"),
            }
        }
    });
}
