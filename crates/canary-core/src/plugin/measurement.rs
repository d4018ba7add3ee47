//! What a metric backend gave, and what is known of the samples behind it.

use std::fmt;
use std::time::Duration;

/// The answer to one query.
///
/// ```
/// use std::time::Duration;
/// use canary_core::{Measurement, Samples};
///
/// let mut samples = Samples::default();
/// (samples.series, samples.count) = (Some(1), Some(12));
/// samples.age = Some(Duration::from_secs(14));
/// let measured = Measurement::from(Some(97.5)).with(samples);
/// assert_eq!(measured.value, Some(97.5));
/// assert_eq!(measured.samples.to_string(), "1 series, 12 samples, 14s old");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Measurement {
    /// The value, or `None` when the backend has none.
    pub value: Option<f64>,
    /// What is behind it.
    pub samples: Samples,
}

impl From<Option<f64>> for Measurement {
    fn from(value: Option<f64>) -> Self {
        Self { value, samples: Samples::default() }
    }
}

impl Measurement {
    /// The same, with what is known of its samples.
    #[must_use]
    pub fn with(self, samples: Samples) -> Self {
        Self { samples, ..self }
    }
}

/// Samples behind a value; what is `None` is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Samples {
    /// Time series.
    pub series: Option<u64>,
    /// Samples that have a value.
    pub count: Option<u64>,
    /// Age of the sample that counted when the answer came; of several that make one value, the newest one's.
    pub age: Option<Duration>,
}

impl Samples {
    /// These, and from `other` what they do not know.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            series: self.series.or(other.series),
            count: self.count.or(other.count),
            age: self.age.or(other.age),
        }
    }
}

/// Part of a sentence; nothing where nothing is known.
impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count =
            self.count.map(|count| format!("{count} {}", if count == 1 { "sample" } else { "samples" }));
        let parts = [
            self.series.map(|series| format!("{series} series")),
            count,
            self.age.map(|age| format!("{}s old", age.as_secs())),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}
