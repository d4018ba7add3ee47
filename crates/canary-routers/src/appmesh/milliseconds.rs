//! Durations as users write them in canaries (`1m30s`, `1.5s`, `250ms`), in the unit of App Mesh.

const HOUR: i64 = 3_600_000_000_000;

/// Whole milliseconds; `None` for a text that is no duration, or one below nothing.
pub(super) fn milliseconds(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanoseconds: i64 = 0;
    loop {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        nanoseconds = nanoseconds.checked_add(of_unit(number, unit)?)?;
        if after.is_empty() {
            return Some(nanoseconds / 1_000_000);
        }
        rest = after;
    }
}

fn of_unit(number: &str, unit: &str) -> Option<i64> {
    let unit: i64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => HOUR / 60,
        "h" => HOUR,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Six digits: millionths of an hour are still less than the millisecond that counts.
    let part: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let valid = fraction.bytes().all(|digit| digit.is_ascii_digit());
    if valid { whole.checked_mul(unit)?.checked_add(unit / 1_000 * part / 1_000) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_all_units() {
        let cases = [
            ("15s", Some(15_000)),
            ("1m30s", Some(90_000)),
            ("1.5s", Some(1_500)),
            (".5s", Some(500)),
            ("1.s", Some(1_000)),
            ("250ms", Some(250)),
            ("1h1m1s1ms", Some(3_661_001)),
            ("1500us", Some(1)),
            ("3µs", Some(0)),
            ("+2s", Some(2_000)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("-1s", None),
            ("", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("1..5s", None),
            ("1 m", None),
            ("1d", None),
            ("99999999h", None),
        ];
        for (text, expected) in cases {
            assert_eq!(milliseconds(text), expected, "{text:?}");
        }
    }
}
