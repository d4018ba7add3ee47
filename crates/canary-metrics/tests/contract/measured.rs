//! What each backend's answer says of its samples, beside the value.

use canary_sandbox::Content;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

/// Asks a server that answers so.
async fn measured(subject: &Subject, content: &Content) -> canary_core::Measurement {
    let server = MockServer::start().await;
    let reply = (subject.answer)(content).unwrap();
    let reply = ResponseTemplate::new(200).set_body_raw(reply.body, &reply.content_type);
    Mock::given(any()).respond_with(reply).mount(&server).await;
    let provider = subject.provider(&server.uri(), Duration::from_secs(5)).await.unwrap();
    provider.measure(subject.query).await.unwrap()
}

const KEY: &[(&str, &str)] = &[
    ("datadog_api_key", "a"),
    ("datadog_application_key", "b"),
    ("newrelic_account_id", "1"),
    ("newrelic_query_key", "q"),
    ("username", "me"),
    ("password", "p"),
    ("dynatrace_token", "t"),
    ("aws_access_key_id", "AKIDEXAMPLE"),
    ("aws_secret_access_key", "key"),
];

#[tokio::test]
async fn answers_say_how_many_samples_there_are_and_how_old_the_one_that_counts_is() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let of = |kind, answer| Subject { kind, query: "q", secret: KEY, answer, several: Several::First };
    let cluster = |kind, query, answer| Subject { kind, query, answer, ..NOTHING };
    let database = Subject { secret: &[("database", "d")], ..of("influxdb", answers::influxql) };
    let flux = Subject { secret: &[("token", "t"), ("org", "o")], ..of("influxdb", answers::flux) };
    // Series, samples, whether the age is known.
    for (subject, one, several) in [
        (of("prometheus", answers::prometheus), (Some(1), None, false), (Some(2), None, false)),
        (of("datadog", answers::datadog), (Some(1), Some(1), true), (Some(2), Some(1), true)),
        (of("newrelic", answers::newrelic), (None, None, false), (None, None, false)),
        (of("graphite", answers::graphite), (Some(1), Some(1), true), (Some(2), Some(2), true)),
        (flux, (None, Some(1), true), (None, Some(2), true)),
        (database, (Some(1), Some(1), true), (Some(2), Some(1), true)),
        (of("dynatrace", answers::dynatrace), (Some(1), Some(1), true), (Some(2), Some(1), true)),
        (
            Subject {
                query: r#"[{"id": "e1", "expression": "m1"}]"#,
                ..of("cloudwatch", answers::cloudwatch)
            },
            (Some(1), Some(1), true),
            (Some(2), Some(1), true),
        ),
        (
            cluster("cluster", "shop/requests", answers::external_metrics),
            (Some(1), None, true),
            (Some(2), None, true),
        ),
    ] {
        for (content, expected) in [(Content::Value(7.5), one), (Content::Several(vec![1.0, 2.0]), several)] {
            if subject.kind == "newrelic" && matches!(content, Content::Several(_)) {
                continue;
            }
            let measured = measured(&subject, &content).await;
            let samples = measured.samples;
            let told = (samples.series, samples.count, samples.age.is_some());
            assert_eq!(told, expected, "{} {content:?}", subject.kind);
            // All these answers were written down long ago.
            assert!(samples.age.is_none_or(|age| age.as_secs() > 3600), "{} {samples:?}", subject.kind);
        }
        let nothing = measured(&subject, &Content::Empty).await;
        assert_eq!((nothing.value, nothing.samples.age), (None, None), "{}", subject.kind);
    }
    let keptn = cluster("keptn", "keptnmetric/shop/requests", answers::keptn);
    assert!(measured(&keptn, &Content::Value(1.0)).await.samples.age.is_some());
}
