//! One value under one verb of `printf`.
//! The format around it is read elsewhere; what a value looks like without a verb is in the value module.

use std::fmt::Write as _;

use super::value::Value;

/// Flags and numbers between the percent sign and the verb.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "the flags of the format language")]
pub(super) struct Layout {
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    /// `%#v`: as a Go program would write it.
    pub(super) go_syntax: bool,
    pub(super) zero: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

impl Layout {
    fn pad(self, text: &str, out: &mut String) {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        let blank = if self.zero && !self.minus { "0" } else { " " };
        if self.minus {
            out.push_str(text);
            out.push_str(&blank.repeat(missing));
        } else {
            out.push_str(&blank.repeat(missing));
            out.push_str(text);
        }
    }
}

/// Appends `value` as `verb` shows it.
pub(super) fn show(value: &Value, verb: char, layout: Layout, out: &mut String) -> Result<(), String> {
    if verb == 'T' {
        show_text(value.type_name(), 's', layout, out);
        return Ok(());
    }
    let fits = match value {
        Value::Nil => verb == 'v',
        Value::Bool(_) => matches!(verb, 't' | 'v'),
        Value::Int(_) | Value::Byte(_) => "vdboOxXcqU".contains(verb),
        Value::Float(_) => "veEfFgGbxX".contains(verb),
        Value::Text(_) => "vsqxX".contains(verb),
        Value::Map(_) => true,
    };
    if !fits {
        out.push_str("%!");
        out.push(verb);
        out.push('(');
        shown_with_type(value, layout, out)?;
        out.push(')');
        return Ok(());
    }
    match value {
        Value::Nil => layout.pad("<nil>", out),
        Value::Bool(value) => layout.pad(if *value { "true" } else { "false" }, out),
        Value::Int(number) => show_integer(*number, verb, layout, out),
        Value::Byte(byte) if layout.go_syntax => layout.pad(&format!("0x{byte:x}"), out),
        Value::Byte(byte) => show_integer(i64::from(*byte), verb, layout, out),
        Value::Float(number) => show_float(*number, verb, layout, out)?,
        Value::Text(text) => show_text(text, verb, layout, out),
        Value::Map(entries) => {
            let go_syntax = layout.go_syntax;
            out.push_str(if go_syntax { "map[string]string{" } else { "map[" });
            for (position, (key, value)) in entries.iter().enumerate() {
                if position > 0 {
                    out.push_str(if go_syntax { ", " } else { " " });
                }
                show(&Value::text(key), verb, layout, out)?;
                out.push(':');
                show(&Value::text(value), verb, layout, out)?;
            }
            out.push(if go_syntax { '}' } else { ']' });
        }
    }
    Ok(())
}

/// Appends `type=value`, as Go marks what does not fit its verb.
pub(super) fn shown_with_type(value: &Value, layout: Layout, out: &mut String) -> Result<(), String> {
    if matches!(value, Value::Nil) {
        out.push_str("<nil>");
        return Ok(());
    }
    out.push_str(value.type_name());
    out.push('=');
    show(value, 'v', layout, out)
}

// === text ===

fn show_text(text: &str, verb: char, layout: Layout, out: &mut String) {
    if matches!(verb, 'x' | 'X') {
        let bytes = &text.as_bytes()[..layout.precision.unwrap_or(text.len()).min(text.len())];
        let prefix = match (layout.sharp, verb) {
            (true, 'x') => "0x",
            (true, _) => "0X",
            (false, _) => "",
        };
        let hex: Vec<String> = bytes
            .iter()
            .map(|byte| if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") })
            .collect();
        let shown = match (hex.is_empty(), layout.space) {
            (true, _) => String::new(),
            (false, true) => format!("{prefix}{}", hex.join(&format!(" {prefix}"))),
            (false, false) => format!("{prefix}{}", hex.concat()),
        };
        return layout.pad(&shown, out);
    }
    let cut: String = text.chars().take(layout.precision.unwrap_or(usize::MAX)).collect();
    if verb != 'q' && !layout.go_syntax {
        return layout.pad(&cut, out);
    }
    let plain = |c: char| c == '\t' || !(c.is_ascii_control() || c == '`' || c == '\u{feff}');
    if layout.sharp && cut.chars().all(plain) {
        return layout.pad(&format!("`{cut}`"), out);
    }
    let mut quoted = String::from("\"");
    cut.chars().for_each(|c| push_quoted(&mut quoted, c, '"', layout.plus));
    quoted.push('"');
    layout.pad(&quoted, out);
}

fn push_quoted(out: &mut String, c: char, quote: char, only_ascii: bool) {
    let code = u32::from(c);
    // Writing to a string does not fail.
    match c {
        c if c == quote || c == '\\' => {
            out.push('\\');
            out.push(c);
        }
        c if (c.is_ascii() || !only_ascii) && is_printable(c) => out.push(c),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if c < ' ' || c == '\u{7f}' => _ = write!(out, "\\x{code:02x}"),
        _ if code < 0x1_0000 => _ = write!(out, "\\u{code:04x}"),
        _ => _ = write!(out, "\\U{code:08x}"),
    }
}

/// Whether the character has a shape of its own or is the ASCII blank.
pub(super) fn is_printable(c: char) -> bool {
    if matches!(c, '"' | '\'' | '\\') {
        return true;
    }
    // After another character, so that the standard library does not escape combining marks for being first.
    let text = String::from_iter(['a', c]);
    text.escape_debug().skip(1).eq([c])
}

// === numbers ===

fn show_integer(number: i64, verb: char, layout: Layout, out: &mut String) {
    let rune = || u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
    let magnitude = number.unsigned_abs();
    let digits = match verb {
        'b' => format!("{magnitude:b}"),
        'o' | 'O' => format!("{magnitude:o}"),
        'x' => format!("{magnitude:x}"),
        'X' => format!("{magnitude:X}"),
        'c' => return layout.pad(&rune().to_string(), out),
        'q' => {
            let mut quoted = String::from("'");
            push_quoted(&mut quoted, rune(), '\'', layout.plus);
            quoted.push('\'');
            return layout.pad(&quoted, out);
        }
        'U' => {
            // Go: the two's complement of a negative number, and zeros count as digits only from the precision.
            let least = layout.precision.unwrap_or(0).max(4);
            let mut shown = format!("U+{}", zero_extended(&format!("{:X}", number.cast_unsigned()), least));
            if layout.sharp && u32::try_from(number).ok().and_then(char::from_u32).is_some_and(is_printable) {
                _ = write!(shown, " '{}'", rune());
            }
            return Layout { zero: false, ..layout }.pad(&shown, out);
        }
        _ => magnitude.to_string(),
    };
    let sign = match (number < 0, layout.plus, layout.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    let least = match (layout.precision, layout.width) {
        // Go: precision 0 and value 0 means padding only.
        (Some(0), _) if number == 0 => return Layout { zero: false, ..layout }.pad("", out),
        (Some(precision), _) => precision,
        (None, Some(width)) if layout.zero && !layout.minus => width.saturating_sub(sign.len()),
        _ => 0,
    };
    let digits = zero_extended(&digits, least);
    let prefix = match verb {
        'O' if layout.sharp && !digits.starts_with('0') => "0o0",
        'O' => "0o",
        'b' if layout.sharp => "0b",
        'o' if layout.sharp && !digits.starts_with('0') => "0",
        'x' if layout.sharp => "0x",
        'X' if layout.sharp => "0X",
        _ => "",
    };
    Layout { zero: false, ..layout }.pad(&format!("{sign}{prefix}{digits}"), out);
}

fn zero_extended(digits: &str, least: usize) -> String {
    format!("{}{digits}", "0".repeat(least.saturating_sub(digits.len())))
}

fn show_float(number: f64, verb: char, layout: Layout, out: &mut String) -> Result<(), String> {
    let magnitude = number.abs();
    let unsigned = match verb {
        'b' | 'x' | 'X' => return Err(format!("%{verb} of a floating-point number is not supported")),
        _ if layout.sharp => return Err(format!("%#{verb} of a floating-point number is not supported")),
        'f' | 'F' => fixed(magnitude, layout.precision.unwrap_or(6)),
        'e' => scientific(magnitude, Some(layout.precision.unwrap_or(6))),
        'E' => scientific(magnitude, Some(layout.precision.unwrap_or(6))).to_uppercase(),
        'G' => general(magnitude, layout.precision).to_uppercase(),
        _ => general(magnitude, layout.precision),
    };
    let sign = match (number.is_sign_negative(), layout.plus, layout.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    let width = layout.width.unwrap_or(0);
    if !sign.is_empty() && layout.zero && !layout.minus {
        // Go: the sign stands before the zeros, and a blank counts as a sign that the zeros replace nothing of.
        out.push_str(sign);
        Layout { width: Some(width.saturating_sub(sign.len())), ..layout }.pad(&unsigned, out);
    } else {
        layout.pad(&format!("{sign}{unsigned}"), out);
    }
    Ok(())
}

/// The shortest text that reads back as the same number, `%v` in Go.
pub(super) fn shortest(number: f64) -> String {
    let sign = if number.is_sign_negative() { "-" } else { "" };
    format!("{sign}{}", general(number.abs(), None))
}

/// More digits than any number has after its point; the standard library takes no more than 65,535.
const MAX_DIGITS: usize = 1_100;

fn fixed(magnitude: f64, precision: usize) -> String {
    let exact = precision.min(MAX_DIGITS);
    format!("{magnitude:.exact$}{}", "0".repeat(precision - exact))
}

fn scientific(magnitude: f64, precision: Option<usize>) -> String {
    let shown = match precision {
        Some(precision) => format!("{magnitude:.exact$e}", exact = precision.min(MAX_DIGITS)),
        None => format!("{magnitude:e}"),
    };
    let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    let zeros = "0".repeat(precision.map_or(0, |precision| precision.saturating_sub(MAX_DIGITS)));
    // Go: the exponent has a sign and at least two digits.
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}{zeros}e{sign}{digits:0>2}")
}

/// `%g`: scientific for very small and very large numbers, else fixed; without trailing zeros.
fn general(magnitude: f64, precision: Option<usize>) -> String {
    let significant = precision.map(|precision| precision.clamp(1, MAX_DIGITS));
    let shown = scientific(magnitude, significant.map(|significant| significant - 1));
    let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    let mantissa =
        if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let power: i32 = exponent.parse().unwrap_or(0);
    let digits = i32::try_from(mantissa.chars().filter(char::is_ascii_digit).count()).unwrap_or(i32::MAX);
    // Go: %e from the precision on, which is 6 for the shortest form, or from fewer digits if the number has no more.
    let limit = match significant {
        None => 6,
        Some(significant) => {
            let significant = i32::try_from(significant).unwrap_or(i32::MAX);
            if significant > digits && digits > power { digits } else { significant }
        }
    };
    if power < -4 || power >= limit {
        return format!("{mantissa}e{exponent}");
    }
    let decimals = usize::try_from((digits - 1 - power).max(0)).unwrap_or(0);
    match significant {
        None => format!("{magnitude}"),
        Some(_) => fixed(magnitude, decimals),
    }
}
