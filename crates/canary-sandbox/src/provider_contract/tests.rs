//! The contract against a provider that keeps it, and against some that do not.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::{MetricError, MetricProvider};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// A provider that breaks one rule, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Habit {
    Good,
    NothingIsZero,
    EveryErrorIsNothing,
    WaitsForEver,
    ReadsAll,
    ShowsAll,
    AlwaysOnline,
}

#[derive(Clone)]
struct Subject(Habit);

struct Provider {
    habit: Habit,
    address: String,
    patience: Duration,
}

#[async_trait]
impl ProviderSubject for Subject {
    async fn provider(
        &self,
        address: &str,
        patience: Duration,
    ) -> Result<Arc<dyn MetricProvider>, MetricError> {
        let Some(address) = address.strip_prefix("http://") else {
            return Err(MetricError::Configuration("no TLS".into()));
        };
        Ok(Arc::new(Provider { habit: self.0, address: address.into(), patience }))
    }

    fn query(&self) -> String {
        "q".into()
    }

    fn answer(&self, content: &Content, _: &ContractRequest) -> Option<ContractReply> {
        let values = content.values();
        let text = |value: &Option<f64>| value.map_or("null".to_owned(), |value| value.to_string());
        Some(ContractReply::new("text/plain", values.iter().map(text).collect::<Vec<_>>().join(",")))
    }

    fn secrets(&self) -> Vec<String> {
        vec!["s3cr3t".into()]
    }
}

#[async_trait]
impl MetricProvider for Provider {
    async fn query(&self, _: &str) -> Result<Option<f64>, MetricError> {
        let patience = if self.habit == Habit::WaitsForEver { Duration::MAX } else { self.patience };
        let slow = |_| Err(MetricError::Unreachable("slow".into()));
        let answer = tokio::time::timeout(patience, self.ask()).await.unwrap_or_else(slow);
        match answer {
            Err(_) if self.habit == Habit::EveryErrorIsNothing => Ok(None),
            Ok(None) if self.habit == Habit::NothingIsZero => Ok(Some(0.0)),
            other => other,
        }
    }

    async fn check(&self) -> Result<(), MetricError> {
        if self.habit == Habit::AlwaysOnline { Ok(()) } else { self.ask().await.map(drop) }
    }
}

impl Provider {
    async fn ask(&self) -> Result<Option<f64>, MetricError> {
        let lost = |_| MetricError::Unreachable("lost".into());
        let mut stream = TcpStream::connect(&self.address).await.map_err(lost)?;
        stream.write_all(b"GET /q HTTP/1.1\r\nAuthorization: s3cr3t\r\n\r\n").await.map_err(lost)?;
        let mut answer = Vec::new();
        let limit = if self.habit == Habit::ReadsAll { u64::MAX } else { 1024 * 1024 };
        (&mut stream).take(limit).read_to_end(&mut answer).await.map_err(lost)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) =
            answer.split_once("\r\n\r\n").ok_or_else(|| MetricError::Unreachable("cut".into()))?;
        let text = if self.habit == Habit::ShowsAll { body } else { "the server said no" };
        match &head[9..12] {
            "200" => {}
            "401" | "403" => return Err(MetricError::Denied(text.into())),
            "404" => return Err(MetricError::Refused(text.into())),
            _ => return Err(MetricError::Unavailable(text.into())),
        }
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or_default();
        if length > 1024 * 1024 {
            return Err(MetricError::Unusable("huge".into()));
        }
        if body.len() < length {
            return Err(MetricError::Unreachable("cut off".into()));
        }
        match body.rsplit(',').next().unwrap_or_default() {
            "" | "null" => Ok(None),
            value => match value.parse::<f64>() {
                Ok(value) => Ok(Some(value).filter(|value| !value.is_nan())),
                Err(_) => Err(MetricError::Unusable("what?".into())),
            },
        }
    }
}

crate::provider_contract!(a_good_provider, Subject(Habit::Good));

#[test]
fn a_broken_provider_fails_the_cases_that_it_breaks() {
    for (habit, expected) in [
        (
            Habit::NothingIsZero,
            &["an_empty_answer_is_no_data", "not_a_number_is_no_data", "null_is_no_data"][..],
        ),
        (Habit::ReadsAll, &["a_huge_answer_is_not_read_to_its_end"][..]),
        (Habit::ShowsAll, &["errors_show_no_secrets"][..]),
        (Habit::AlwaysOnline, &["the_check_tells_good_from_bad"][..]),
    ] {
        let failed: Vec<_> = provider_failures(&Subject(habit)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(failed, expected, "{habit:?}");
    }
    let failed = provider_failures(&Subject(Habit::EveryErrorIsNothing));
    assert_eq!(failed.len(), 11, "{failed:?}");
    let why = provider_case("a_slow_answer_is_given_up", &Subject(Habit::WaitsForEver)).unwrap_err();
    assert!(why.contains("still waiting"), "{why}");
}

#[test]
fn a_case_that_does_not_exist_is_no_success() {
    assert!(provider_case("everything_is_fine", &Subject(Habit::Good)).is_err());
}
