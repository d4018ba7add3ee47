//! CloudWatch as `moto` has it: what its own client library stores is what a template finds.
//!
//! `MOTO_SERVER` names the program: `pip install 'moto' flask flask-cors`, then `<venv>/bin/moto_server`.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::process::Command;

use canary_metrics::{MetricError, MetricProviders, ProviderSpec};
use canary_tests::{Running, free_port, program, wait_for};

const QUERY: &str = r#"[
    {"Id": "e1", "Expression": "m1", "Label": "errors"},
    {"Id": "m1", "ReturnData": true, "MetricStat": {
        "Metric": {"Namespace": "Shop", "MetricName": "NAME", "Dimensions": [{"Name": "app", "Value": "podinfo"}]},
        "Period": 60, "Stat": "Sum", "Unit": "Count"}}
]"#;

/// Stores a metric, through the query protocol that all of Amazon's tools spoke before the one under test.
async fn put(address: &str, value: f64) {
    let form = format!(
        "Action=PutMetricData&Version=2010-08-01&Namespace=Shop&MetricData.member.1.MetricName=Errors\
         &MetricData.member.1.Value={value}&MetricData.member.1.Unit=Count\
         &MetricData.member.1.Dimensions.member.1.Name=app&MetricData.member.1.Dimensions.member.1.Value=podinfo"
    );
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-central-1/monitoring/aws4_request, SignedHeaders=host, Signature=0";
    let answer = reqwest::Client::new()
        .post(address)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", authorization)
        .body(form)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

#[tokio::test]
async fn a_template_finds_what_was_stored() {
    let how = "pip install moto flask flask-cors, then <venv>/bin/moto_server";
    let Some(server) = program("MOTO_SERVER", how) else { return };
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let port = free_port().unwrap();
    let _running =
        Running::start(Command::new(server).args(["-H", "127.0.0.1", "-p", &port.to_string()])).unwrap();
    let address = format!("http://127.0.0.1:{port}");
    let mut spec = ProviderSpec::new("cloudwatch", &address);
    spec.region = "eu-central-1".into();
    spec.interval = Some("1m".into());
    let entry = |key: &str, value: &str| (key.to_owned(), value.as_bytes().to_vec());
    spec.secret =
        Some([entry("aws_access_key_id", "AKIDEXAMPLE"), entry("aws_secret_access_key", "key")].into());
    let provider = MetricProviders::default().build(&spec).unwrap();

    let error = provider.check().await;
    assert!(error.is_ok() || matches!(error, Err(MetricError::Unreachable(_))), "{error:?}");
    wait_for("moto", async || provider.check().await.ok()).await;
    assert_eq!(provider.query(&QUERY.replace("NAME", "Errors")).await, Ok(None));
    put(&address, 12.5).await;
    // The window ends with the last whole second.
    let query = QUERY.replace("NAME", "Errors");
    let found = wait_for("the value", async || provider.query(&query).await.unwrap()).await;
    assert!((found - 12.5).abs() < f64::EPSILON, "{found}");
    assert_eq!(provider.query(&QUERY.replace("NAME", "Eror")).await, Ok(None));
    let refused = provider.query(r#"[{"Id": "e1"}]"#).await;
    assert!(matches!(refused, Err(_) | Ok(None)), "{refused:?}");
}
