//! Rates, lengths of time and sizes as they are written in a scenario.

use std::time::Duration;

use jiff::SignedDuration;

/// A rate in requests per second, such as `200/s`, `600/m` or `50`.
///
/// # Errors
/// What a rate looks like.
pub fn rate(text: &str) -> Result<f64, String> {
    let (number, seconds) = match text.split_once('/') {
        None => (text, 1.0),
        Some((number, unit)) => match unit.trim() {
            "s" => (number, 1.0),
            "m" | "min" => (number, 60.0),
            "h" => (number, 3600.0),
            _ => ("", 1.0),
        },
    };
    let rate = number.trim().parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate >= 0.0);
    rate.map(|rate| rate / seconds)
        .ok_or_else(|| format!("{text:?} is no rate; rates are such as 200/s or 600/m"))
}

/// A length of time, such as `500ms`, `30s` or `1m30s`.
///
/// # Errors
/// What a length looks like.
pub fn length(text: &str) -> Result<Duration, String> {
    let parsed =
        text.trim().parse::<SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok());
    // A number alone may mean anything.
    let has_unit = text.trim_end().ends_with(|last: char| last.is_ascii_alphabetic());
    parsed
        .filter(|_| has_unit)
        .ok_or_else(|| format!("{text:?} is no length of time; it takes one such as 500ms, 30s or 1m30s"))
}

/// A length, or a range of them such as `1s..3s`.
pub(crate) fn range(text: &str) -> Result<(Duration, Duration), String> {
    let Some((from, to)) = text.split_once("..") else { return length(text).map(|length| (length, length)) };
    let (from, to) = (length(from)?, length(to)?);
    if from > to {
        return Err(format!("{text:?} ends before it begins; the shorter time comes first, such as 1s..3s"));
    }
    Ok((from, to))
}

/// A share such as `3%`, from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let share = number.filter(|number| (0.0..=100.0).contains(number)).map(|number| number / 100.0);
    share.ok_or_else(|| format!("{text:?} is no share; shares are such as 0.1%"))
}

/// A size in bytes, such as `16MiB`.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim().trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match text.trim()[digits.len()..].trim() {
        "" | "B" => Some(1),
        "KiB" | "Ki" => Some(1 << 10),
        "MiB" | "Mi" => Some(1 << 20),
        "kB" | "k" => Some(1000),
        "MB" | "M" => Some(1_000_000),
        _ => None,
    };
    let size =
        digits.parse::<usize>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    size.ok_or_else(|| format!("{text:?} is no size; sizes are such as 16MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_lengths_shares_and_sizes_are_read_with_their_units() {
        assert_eq!((rate("200/s"), rate("600/m"), rate("2.5")), (Ok(200.0), Ok(10.0), Ok(2.5)));
        assert_eq!(length("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(length("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(range("1s..3s"), Ok((Duration::from_secs(1), Duration::from_secs(3))));
        assert_eq!(share("0.1%").map(|share| (share * 1e6).round()), Ok(1000.0));
        assert_eq!((size("16MiB"), size("1000")), (Ok(16 << 20), Ok(1000)));
    }

    #[test]
    fn what_is_none_says_what_would_be() {
        assert!(rate("fast").unwrap_err().contains("200/s"));
        assert!(rate("5/d").is_err() && rate("-1/s").is_err() && rate("NaN").is_err());
        assert!(length("5").unwrap_err().contains("30s"));
        assert!(length("-5s").is_err());
        assert!(range("3s..1s").unwrap_err().contains("shorter"));
        assert!(share("101%").is_err() && share("1").is_err());
        assert!(size("16 parsecs").unwrap_err().contains("16MiB"));
    }
}
