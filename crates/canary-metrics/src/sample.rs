//! One sample as JSON backends write it: a number, a number in quotes, or null. And how old one is.

use std::time::Duration;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A value or none. NaN is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample(Option<f64>);

impl Sample {
    /// The number, unless there is none.
    pub(crate) fn number(self) -> Option<f64> {
        self.0.filter(|number| !number.is_nan())
    }
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self(None)),
            Value::Number(number) => Ok(Self(number.as_f64())),
            Value::String(text) => match text.parse() {
                Ok(number) => Ok(Self(Some(number))),
                Err(_) => Err(D::Error::custom(format!("{text:?} is not a number"))),
            },
            other @ (Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                Err(D::Error::custom(format!("{other} is not a number")))
            }
        }
    }
}

/// How old a sample of that time is now; 0 for one of the future, which another clock made.
pub(crate) fn age(taken: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(taken)).unwrap_or_default()
}

/// The same of a time in seconds since 1970.
pub(crate) fn age_of_seconds(seconds: f64) -> Option<Duration> {
    // The clock of a backend that counts in something else would make no age.
    let taken = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(taken).ok().map(age)
}

/// How many there are.
pub(crate) fn count<T>(all: impl IntoIterator<Item = T>) -> Option<u64> {
    u64::try_from(all.into_iter().count()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{Sample, age, age_of_seconds};

    #[test]
    fn a_sample_of_the_future_has_no_age_below_zero() {
        assert_eq!(age(Timestamp::MAX), Duration::ZERO);
        assert!(age_of_seconds(1.7e9).unwrap() > Duration::from_secs(3600));
        assert_eq!(age_of_seconds(1.7e18), None, "these were nanoseconds");
        assert_eq!(age_of_seconds(f64::NAN), None);
    }

    #[test]
    fn numbers_may_stand_in_quotes_and_null_is_none() {
        let read = |text: &str| serde_json::from_str::<Sample>(text).map(Sample::number).ok();
        for (text, expected) in [
            ("1.5", Some(Some(1.5))),
            ("0", Some(Some(0.0))),
            ("\"2e3\"", Some(Some(2_000.0))),
            ("\"+Inf\"", Some(Some(f64::INFINITY))),
            ("\"Infinity\"", Some(Some(f64::INFINITY))),
            ("\"NaN\"", Some(None)),
            ("null", Some(None)),
            ("\"many\"", None),
            ("[1]", None),
            ("true", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
