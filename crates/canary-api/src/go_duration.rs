//! Durations as Go writes them, which is how users write them in canaries: `1m30s`, `10ms`, `1.5h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const MICROSECOND: i64 = 1_000;
const MILLISECOND: i64 = 1_000 * MICROSECOND;
const SECOND: i64 = 1_000 * MILLISECOND;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// A signed number of nanoseconds, 292 years at most either way.
///
/// ```
/// use canary_api::GoDuration;
/// let d: GoDuration = "1m30s".parse().unwrap();
/// assert_eq!((d.whole_seconds(), d.to_string()), (90, "1m30s".to_string()));
/// assert_eq!("1500ms".parse::<GoDuration>().unwrap().to_string(), "1.5s");
/// assert!("90 seconds".parse::<GoDuration>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(i64);

impl GoDuration {
    /// From a number of nanoseconds.
    pub fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The number of nanoseconds.
    pub fn as_nanos(self) -> i64 {
        self.0
    }

    /// The number of seconds, without a fraction.
    pub fn whole_seconds(self) -> i64 {
        self.0 / SECOND
    }

    /// The same time; zero when this one is negative.
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration such as 30s, 1m30s or 500ms")]
pub struct NotADuration(pub String);

impl FromStr for GoDuration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map(Self).ok_or_else(|| NotADuration(text.to_owned()))
    }
}

/// An optional sign, then `0` or one or more numbers with a unit.
fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        total = total.checked_add(nanos(number, unit_of(unit)?)?)?;
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

fn unit_of(name: &str) -> Option<i64> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" | "μs" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// `1.5` of a unit. Digits of the fraction beyond a billionth of it do not count.
fn nanos(number: &str, unit: i64) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || whole.len() > 20 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits = &fraction[..fraction.len().min(18)];
    let part: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let scale = 10_i128.pow(u32::try_from(digits.len()).ok()?);
    Some(whole * i128::from(unit) + part * i128::from(unit) / scale)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let (second, minute, hour) = (SECOND.unsigned_abs(), MINUTE.unsigned_abs(), HOUR.unsigned_abs());
        if n == 0 {
            return f.write_str("0s");
        }
        if n < second {
            let (unit, name) = match n {
                n if n < MICROSECOND.unsigned_abs() => (1, "ns"),
                n if n < MILLISECOND.unsigned_abs() => (MICROSECOND.unsigned_abs(), "µs"),
                _ => (MILLISECOND.unsigned_abs(), "ms"),
            };
            return write!(f, "{}{name}", decimal(n, unit));
        }
        if n >= hour {
            write!(f, "{}h", n / hour)?;
        }
        if n >= minute {
            write!(f, "{}m", n % hour / minute)?;
        }
        write!(f, "{}s", decimal(n % minute, second))
    }
}

/// `n / unit` without trailing zeros.
fn decimal(n: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", n / unit, n % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_go_reads_them() {
        let table: &[(&str, Option<i64>)] = &[
            ("0", Some(0)),
            ("-0", Some(0)),
            ("1m30s", Some(90 * SECOND)),
            ("10ms", Some(10 * MILLISECOND)),
            ("1.5h", Some(90 * MINUTE)),
            (".5s", Some(SECOND / 2)),
            ("1.s", Some(SECOND)),
            ("+5s", Some(5 * SECOND)),
            ("-5s", Some(-5 * SECOND)),
            ("1h1m1s1ms1us1ns", Some(HOUR + MINUTE + SECOND + MILLISECOND + MICROSECOND + 1)),
            ("3µs", Some(3 * MICROSECOND)),
            ("0.1234567891s", Some(123_456_789)),
            ("2562047h47m16.854775807s", Some(i64::MAX)),
            ("2562048h", None),
            ("99999999999999999999999999h", None),
            ("", None),
            ("-", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("1..5s", None),
            ("90sx", None),
            ("1 m", None),
            ("5seconds", None),
            ("1d", None),
            ("５s", None),
        ];
        for (text, nanos) in table {
            assert_eq!(text.parse::<GoDuration>().ok().map(GoDuration::as_nanos), *nanos, "{text:?}");
        }
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for text in ["0s", "1ns", "1.5µs", "2ms", "1.5s", "59.999s", "1m0s", "1m30s", "1h0m0s", "-2h0m0.5s"]
        {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_negative_duration_is_no_time() {
        assert_eq!("-5s".parse::<GoDuration>().unwrap().to_std(), Duration::ZERO);
    }
}
