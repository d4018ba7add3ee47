//! Quantities in the form in which a server stores them: `1000m` is `1`, `0.5` is `500m`, `1024Mi` is `1Gi`.

use serde_json::Value;

/// Decimal suffixes with their exponent.
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Rewrites one quantity; what is no quantity stays.
pub(super) fn canonical(value: &mut Value) {
    let text = match &*value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return,
    };
    *value = rewrite(&text).unwrap_or(text).into();
}

/// Rewrites every quantity of a map such as `limits`.
pub(super) fn canonical_map(map: &mut Value) {
    for value in map.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        canonical(value);
    }
}

fn rewrite(text: &str) -> Option<String> {
    let split =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    if let Some(power) = BINARY.iter().position(|b| *b == suffix) {
        let mut power = power;
        let mut count: i128 = number.parse().ok()?;
        while count != 0 && count % 1024 == 0 && power + 1 < BINARY.len() {
            count /= 1024;
            power += 1;
        }
        return Some(format!("{count}{}", BINARY[power]));
    }
    let (_, mut exponent) = *DECIMAL.iter().find(|(s, _)| *s == suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut count: i128 = format!("{whole}{fraction}").parse().ok()?;
    exponent -= i32::try_from(fraction.len()).ok()?;
    if count == 0 {
        return Some("0".into());
    }
    while count % 10 == 0 {
        count /= 10;
        exponent += 1;
    }
    while exponent % 3 != 0 {
        count *= 10;
        exponent -= 1;
    }
    let (suffix, _) = DECIMAL.iter().find(|(_, e)| *e == exponent)?;
    Some(format!("{count}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::rewrite;

    #[test]
    fn quantities_get_their_canonical_form() {
        for (from, to) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("100m", "100m"),
            ("10000", "10k"),
            ("1.5", "1500m"),
            ("512Mi", "512Mi"),
            ("0", "0"),
        ] {
            assert_eq!(rewrite(from).as_deref(), Some(to));
        }
        assert_eq!(rewrite("much"), None);
    }
}
