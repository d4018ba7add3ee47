//! Quantities as Kubernetes writes them: `250m`, `1.5Ki`, `2e3`.

/// The number that a quantity is.
pub(crate) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (amount, suffix) = text.split_at(digits);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024_f64.powi(2),
        "Gi" => 1024_f64.powi(3),
        "Ti" => 1024_f64.powi(4),
        "Pi" => 1024_f64.powi(5),
        "Ei" => 1024_f64.powi(6),
        // An exponent stands where a suffix does.
        _ if suffix.starts_with(['e', 'E']) && suffix[1..].parse::<i32>().is_ok() => {
            return text.parse().ok();
        }
        _ => return None,
    };
    let amount: f64 = amount.parse().ok()?;
    // Thousandths are divided, because 1e-3 is no binary number and 250 / 1000 is rounded but once.
    Some(if factor < 1.0 { amount / (1.0 / factor).round() } else { amount * factor })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn suffixes_are_kubernetes() {
        for (text, expected) in [
            ("250m", Some(0.25)),
            ("1500m", Some(1.5)),
            ("7", Some(7.0)),
            ("-1.5", Some(-1.5)),
            ("2k", Some(2_000.0)),
            ("1Ki", Some(1_024.0)),
            ("2e3", Some(2_000.0)),
            ("1E", Some(1e18)),
            ("100n", Some(1e-7)),
            ("", None),
            ("m", None),
            ("NaN", None),
            ("1x", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
