//! How long to wait before another attempt. Not how often to try, which is the hook's setting.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::StatusCode;
use reqwest::header::{AsHeaderName, DATE, HeaderMap, RETRY_AFTER};

/// The longest wait between attempts that the client chooses by itself.
const LONGEST: Duration = Duration::from_secs(30);

/// The longest wait that a server can ask for: the canary stands still meanwhile.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// Lets time pass; tests replace it, since a paused clock jumps over answers that are under way on real sockets.
#[async_trait]
pub(crate) trait Patience: Send + Sync {
    async fn wait(&self, time: Duration);
}

/// Waits on tokio's clock.
pub(crate) struct Sleep;

#[async_trait]
impl Patience for Sleep {
    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// The wait after the `attempt`th attempt: 1 s, 2 s, 4 s and so on.
pub(crate) fn backoff(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(5);
    Duration::from_secs(1 << doublings).min(LONGEST)
}

/// The wait that a server asks for by `Retry-After`, if its status is one that may ask. A date is read relative to the
/// answer's own `Date`, so that neither clock needs to be right.
pub(crate) fn asked(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let wait = if let Ok(seconds) = text(headers, RETRY_AFTER)?.parse() {
        Duration::from_secs(seconds)
    } else {
        let (until, now) = (date(headers, RETRY_AFTER)?, date(headers, DATE)?);
        Duration::try_from(until.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(LONGEST_ASKED))
}

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn date(headers: &HeaderMap, name: impl AsHeaderName) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text(headers, name)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn waits_double_up_to_thirty_seconds() {
        let waits: Vec<u64> = [1, 2, 3, 4, 5, 6, 7, u32::MAX].map(|n| backoff(n).as_secs()).into();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn a_busy_server_says_how_long_to_wait() {
        let now = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        for (pairs, expected) in [
            (vec![("retry-after", "7")], Some(7)),
            (vec![("retry-after", "0")], Some(0)),
            (vec![("retry-after", "86400")], Some(60)),
            (vec![("retry-after", "99999999999999999999999")], None),
            (vec![("retry-after", "-1")], None),
            (vec![("retry-after", "soon"), now], None),
            (vec![("retry-after", "Wed, 21 Oct 2026 07:28:12 GMT"), now], Some(12)),
            (vec![("retry-after", "Wed, 21 Oct 2026 07:27:00 GMT"), now], Some(0)),
            (vec![("retry-after", "Fri, 21 Oct 2033 07:28:00 GMT"), now], Some(60)),
            (vec![("retry-after", "Wed, 21 Oct 2026 07:28:12 GMT")], None),
            (vec![], None),
        ] {
            for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
                assert_eq!(asked(status, &headers(&pairs)), expected.map(Duration::from_secs), "{pairs:?}");
            }
        }
    }

    #[test]
    fn only_a_busy_server_is_listened_to() {
        assert_eq!(asked(StatusCode::INTERNAL_SERVER_ERROR, &headers(&[("retry-after", "7")])), None);
    }
}
