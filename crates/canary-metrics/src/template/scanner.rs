//! Where the tokens of one action end.
//! Works on the text that is left, and knows nothing of what may follow what.

use super::error::{Fault, quoted};
use super::lexer::{CLOSE, closes, is_space};

/// One token of an action, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Space,
    Declare,
    Assign,
    Pipe,
    Comma,
    OpenParen,
    CloseParen,
    Dot,
    /// The name after the dot.
    Field(&'a str),
    /// `$` or `$name`.
    Variable(&'a str),
    /// A keyword or the name of a function.
    Word(&'a str),
    Number(&'a str),
    /// Both quotes included.
    String(&'a str),
    /// Both quotes included.
    Character(&'a str),
    /// Any other printable character.
    Other(char),
}

/// The first token of `rest`, which starts at byte `at` and is not empty, and its length.
pub(super) fn scan(rest: &str, at: usize) -> Result<(Token<'_>, usize), Fault> {
    let fail = |problem: String| Err(Fault::new(at, problem));
    let Some(first) = rest.chars().next() else { return fail("unclosed action; expected \"}}\"".into()) };
    let one = |token| Ok((token, 1));
    match first {
        c if is_space(c) => {
            let length = rest.len() - rest.trim_start_matches(is_space).len();
            // The last blank may belong to a closing trim marker.
            let marker = length > 1 && closes(&rest[length - 1..]).is_some();
            Ok((Token::Space, if marker { length - 1 } else { length }))
        }
        '=' => one(Token::Assign),
        ':' if rest.starts_with(":=") => Ok((Token::Declare, 2)),
        ':' => fail("expected \":=\" after \":\"".into()),
        '|' => one(Token::Pipe),
        ',' => one(Token::Comma),
        '(' => one(Token::OpenParen),
        ')' => one(Token::CloseParen),
        '"' | '\'' => {
            let Some(length) = quoted_length(rest, first) else {
                let what = if first == '"' { "quoted string" } else { "character constant" };
                return fail(format!("unterminated {what}"));
            };
            let literal = &rest[..length];
            Ok((if first == '"' { Token::String(literal) } else { Token::Character(literal) }, length))
        }
        '`' => match rest[1..].find('`') {
            Some(end) => Ok((Token::String(&rest[..end + 2]), end + 2)),
            None => fail("unterminated raw quoted string".into()),
        },
        '$' => {
            let length = 1 + name_length(&rest[1..]);
            terminated(rest, length, at)?;
            Ok((Token::Variable(&rest[..length]), length))
        }
        '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            let length = 1 + name_length(&rest[1..]);
            terminated(rest, length, at)?;
            Ok((if length == 1 { Token::Dot } else { Token::Field(&rest[1..length]) }, length))
        }
        '.' | '+' | '-' | '0'..='9' => {
            let length = number_length(rest);
            if rest[length..].starts_with(is_name_char)
                || !rest[..length].contains(|c: char| c.is_ascii_digit())
            {
                let end = length + name_length(&rest[length..]);
                return fail(format!("bad number syntax: {}", quoted(&rest[..end])));
            }
            Ok((Token::Number(&rest[..length]), length))
        }
        c if is_name_char(c) => {
            let length = name_length(rest);
            terminated(rest, length, at)?;
            Ok((Token::Word(&rest[..length]), length))
        }
        c if c.is_ascii_graphic() => one(Token::Other(c)),
        c => fail(format!("unrecognized character {c:?} in action")),
    }
}

fn is_name_char(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn name_length(text: &str) -> usize {
    text.len() - text.trim_start_matches(is_name_char).len()
}

/// A name ends at a blank, at the end of the action, or at a character that can follow a name.
fn terminated(rest: &str, length: usize, at: usize) -> Result<(), Fault> {
    let after = &rest[length..];
    match after.chars().next() {
        None | Some('.' | ',' | '|' | ':' | '(' | ')') => Ok(()),
        Some(c) if is_space(c) || after.starts_with(CLOSE) => Ok(()),
        Some(c) => {
            Err(Fault::new(at + length, format!("bad character {c:?} after {}", quoted(&rest[..length]))))
        }
    }
}

fn quoted_length(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                None | Some((_, '\n')) => return None,
                Some(_) => {}
            },
            '\n' => return None,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let skip = |from: usize, allowed: &[u8]| {
        from + bytes[from..].iter().take_while(|byte| allowed.contains(&byte.to_ascii_lowercase())).count()
    };
    let mut end = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let mut digits: &[u8] = b"0123456789_";
    if bytes.get(end) == Some(&b'0') {
        match bytes.get(end + 1).map(u8::to_ascii_lowercase) {
            Some(b'x') => digits = b"0123456789abcdef_",
            Some(b'o') => digits = b"01234567_",
            Some(b'b') => digits = b"01_",
            _ => {}
        }
        if digits != b"0123456789_" {
            end += 2;
        }
    }
    end = skip(end, digits);
    if bytes.get(end) == Some(&b'.') {
        end = skip(end + 1, digits);
    }
    let exponent = if digits.contains(&b'f') { b'p' } else { b'e' };
    if digits.len() > 10 && bytes.get(end).map(u8::to_ascii_lowercase) == Some(exponent) {
        end += 1;
        end += usize::from(matches!(bytes.get(end), Some(b'+' | b'-')));
        end = skip(end, b"0123456789_");
    }
    end + usize::from(bytes.get(end) == Some(&b'i'))
}
