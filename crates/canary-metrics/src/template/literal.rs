//! String, character and number literals as Go writes them.
//! Not here: where a literal ends, which the scanner knows.

use super::error::quoted;
use super::value::Value;

/// The text of a string literal, both quotes included.
pub(super) fn string(literal: &str) -> Result<String, String> {
    if let Some(raw) = literal.strip_prefix('`') {
        // Go: carriage returns are discarded from raw strings.
        return Ok(raw.strip_suffix('`').unwrap_or(raw).replace('\r', ""));
    }
    let inner = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(literal);
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let (piece, after) =
            unescape(rest, '"').ok_or_else(|| format!("invalid escape in {}", quoted(literal)))?;
        match piece {
            Piece::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Piece::Byte(byte) => bytes.push(byte),
        }
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", quoted(literal)))
}

/// The number of a character literal, both quotes included.
pub(super) fn character(literal: &str) -> Result<Value, String> {
    let malformed = || format!("malformed character constant {}", quoted(literal));
    let inner = literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).ok_or_else(malformed)?;
    match unescape(inner, '\'') {
        Some((Piece::Char(c), "")) => Ok(Value::Int(i64::from(u32::from(c)))),
        Some((Piece::Byte(byte), "")) => Ok(Value::Int(i64::from(byte))),
        _ => Err(malformed()),
    }
}

enum Piece {
    Char(char),
    Byte(u8),
}

fn unescape(text: &str, quote: char) -> Option<(Piece, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first != '\\' {
        return (first != quote).then_some((Piece::Char(first), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let digits = |count: usize, radix: u32, from: usize| -> Option<(u32, &str)> {
        let (digits, after) = text[from..].split_at_checked(count)?;
        let number = digits.chars().try_fold(0_u32, |sum, c| Some(sum * radix + c.to_digit(radix)?))?;
        Some((number, after))
    };
    let plain = match escape {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => '\\',
        c if c == quote => quote,
        'x' => {
            return digits(2, 16, 2).and_then(|(n, after)| Some((Piece::Byte(u8::try_from(n).ok()?), after)));
        }
        '0'..='7' => {
            return digits(3, 8, 1).and_then(|(n, after)| Some((Piece::Byte(u8::try_from(n).ok()?), after)));
        }
        'u' => return digits(4, 16, 2).and_then(|(n, after)| Some((Piece::Char(char::from_u32(n)?), after))),
        'U' => {
            let (digits, after) = text[2..].split_at_checked(8)?;
            let number = u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?;
            return Some((Piece::Char(char::from_u32(number)?), after));
        }
        _ => return None,
    };
    Some((Piece::Char(plain), rest))
}

/// The value of a number literal.
pub(super) fn number(literal: &str) -> Result<Value, String> {
    let bad = || format!("bad number syntax: {}", quoted(literal));
    let lower = literal.to_ascii_lowercase();
    if lower.ends_with('i') {
        return Err(format!("complex numbers are not supported: {}", quoted(literal)));
    }
    let (negative, unsigned) = match lower.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, lower.strip_prefix('+').unwrap_or(&lower)),
    };
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x', ..] => (16, &unsigned[2..]),
        [b'0', b'o', ..] => (8, &unsigned[2..]),
        [b'0', b'b', ..] => (2, &unsigned[2..]),
        _ => (10, unsigned),
    };
    if !underscores_separate_digits(digits, radix != 10) {
        return Err(bad());
    }
    let digits = digits.replace('_', "");
    let is_float = digits.contains(['.', 'p']) || (radix == 10 && digits.contains('e'));
    if is_float {
        if radix != 10 {
            return Err(format!("hexadecimal floating-point numbers are not supported: {}", quoted(literal)));
        }
        let value: f64 = digits.parse().map_err(|_| bad())?;
        let value = if negative { -value } else { value };
        return if value.is_finite() { Ok(Value::Float(value)) } else { Err(bad()) };
    }
    // Go: a leading zero without a letter still means octal.
    let radix = if radix == 10 && digits.len() > 1 && digits.starts_with('0') { 8 } else { radix };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(bad());
    }
    let overflow = || format!("integer overflow: {}", quoted(literal));
    let magnitude = i128::from_str_radix(&digits, radix).map_err(|_| overflow())?;
    i64::try_from(if negative { -magnitude } else { magnitude }).map(Value::Int).map_err(|_| overflow())
}

/// Underscores stand between digits, or between the prefix of the base and a digit.
fn underscores_separate_digits(digits: &str, has_prefix: bool) -> bool {
    let mut before_is_digit = has_prefix;
    let mut chars = digits.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '_' && !(before_is_digit && chars.peek().is_some_and(char::is_ascii_hexdigit)) {
            return false;
        }
        before_is_digit = c.is_ascii_hexdigit();
    }
    true
}
