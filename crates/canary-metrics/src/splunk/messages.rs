//! What a running program tells, until it ends.

use canary_core::{Measurement, MetricError, Samples};
use serde::Deserialize;

use super::frame::{self, Datum, Frame};
use crate::sample::{age_of_seconds, count};

/// All that was told so far.
#[derive(Default)]
pub(super) struct Conversation {
    data: Vec<Datum>,
}

/// Whether more is to come.
#[derive(Debug, PartialEq)]
pub(super) enum Turn {
    More,
    End,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    event: String,
    #[serde(default)]
    message: Option<serde_json::Value>,
    #[serde(default)]
    error: Option<serde_json::Value>,
    #[serde(default)]
    error_type: Option<String>,
    #[serde(default)]
    abort_info: Option<serde_json::Value>,
}

impl Conversation {
    /// Hears a text message.
    pub(super) fn text(&mut self, text: &str) -> Result<Turn, MetricError> {
        let told: Told = serde_json::from_str(text)
            .map_err(|error| MetricError::Unusable(format!("a message of Splunk is not JSON: {error}")))?;
        match (told.kind.as_str(), told.event.as_str()) {
            ("error", _) => Err(told.failure()),
            ("control-message", "END_OF_CHANNEL") => Ok(Turn::End),
            ("control-message", "CHANNEL_ABORT") => match &told.abort_info {
                // Flagger takes an abort for an end; one that says why, before any value, is an error.
                Some(reason) if self.data.is_empty() => {
                    Err(MetricError::Refused(format!("Splunk aborted the program: {reason}")))
                }
                _ => Ok(Turn::End),
            },
            _ => Ok(Turn::More),
        }
    }

    /// Hears a binary message.
    pub(super) fn data(&mut self, bytes: &[u8]) -> Result<Turn, MetricError> {
        let unusable =
            |problem: &str| MetricError::Unusable(format!("Splunk's answer cannot be read: {problem}"));
        match frame::read(bytes).map_err(unusable)? {
            Frame::Data(data) => {
                self.data.extend(data);
                Ok(Turn::More)
            }
            Frame::Text(text) => {
                let text = std::str::from_utf8(text).map_err(|_| unusable("a message is not text"))?;
                self.text(text)
            }
            Frame::Other => Ok(Turn::More),
        }
    }

    /// The last value, if all are of one time series.
    pub(super) fn value(&self) -> Result<Measurement, MetricError> {
        let mut samples = Samples::default();
        samples.count = count(&self.data);
        let Some(last) = self.data.last() else { return Ok(Measurement::default().with(samples)) };
        if self.data.iter().any(|datum| datum.series != last.series) {
            return Err(MetricError::Unusable(
                "query returned multiple values; expected a program that publishes one time series".into(),
            ));
        }
        samples.series = Some(1);
        samples.age = age_of_seconds(last.seconds);
        Ok(Measurement::from(Some(last.value).filter(|value| !value.is_nan())).with(samples))
    }
}

impl Told {
    fn failure(&self) -> MetricError {
        let part = |value: &Option<serde_json::Value>| match value {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let kind = self.error_type.as_deref().unwrap_or_default();
        let text =
            format!("Splunk refused the program: {} {kind} {}", part(&self.error), part(&self.message));
        // The number is HTTP's.
        match self.error.as_ref().and_then(serde_json::Value::as_u64) {
            Some(401 | 403) => MetricError::Denied(text),
            Some(429 | 500..=599) => MetricError::Unavailable(text),
            _ => MetricError::Refused(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_ends_by_itself_or_by_an_abort() {
        let hear = |text: &str| Conversation::default().text(text);
        for (text, turn) in [
            (r#"{"type":"authenticated"}"#, Turn::More),
            (r#"{"type":"control-message","event":"STREAM_START"}"#, Turn::More),
            (r#"{"type":"metadata","tsId":"AAAA"}"#, Turn::More),
            (r#"{"type":"control-message","event":"END_OF_CHANNEL"}"#, Turn::End),
            (r#"{"type":"control-message","event":"CHANNEL_ABORT"}"#, Turn::End),
        ] {
            assert_eq!(hear(text), Ok(turn), "{text}");
        }
        assert!(matches!(hear(r#"{"type":"error","error":401,"message":"x"}"#), Err(MetricError::Denied(_))));
        assert!(matches!(
            hear(r#"{"type":"error","error":400,"message":"x"}"#),
            Err(MetricError::Refused(_))
        ));
        assert!(matches!(hear("<html>"), Err(MetricError::Unusable(_))));
    }

    #[test]
    fn the_last_value_of_one_series_counts() {
        let of = |data: &[(u64, f64)]| {
            let data = data
                .iter()
                .map(|(series, value)| Datum { series: *series, value: *value, seconds: 1.7e9 })
                .collect();
            Conversation { data }.value().map(|measured| measured.value)
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[(1, 1.0), (1, 2.0)]), Ok(Some(2.0)));
        assert_eq!(of(&[(1, 1.0), (1, f64::NAN)]), Ok(None));
        assert!(matches!(of(&[(1, 1.0), (2, 2.0)]), Err(MetricError::Unusable(_))));
    }
}
