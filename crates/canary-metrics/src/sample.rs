//! One sample as JSON backends write it: a number, a number in quotes, or null.

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

#[cfg(test)]
mod tests {
    use super::Sample;

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
