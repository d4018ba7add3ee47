//! Splits a template into text and actions, with trim markers and comments resolved.
//! What stands inside an action is cut by the scanner.

use super::error::Fault;
use super::scanner::{Token, scan};

pub(super) const OPEN: &str = "{{";
pub(super) const CLOSE: &str = "}}";

/// A piece of the template at a byte of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lexeme<'a> {
    pub(super) at: usize,
    pub(super) kind: Kind<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// Text outside of actions, never empty.
    Text(&'a str),
    /// The start of an action.
    Open,
    Token(Token<'a>),
    /// The end of an action.
    Close,
}

pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The length of the closing delimiter at the start of `rest`, and whether it trims what follows.
pub(super) fn closes(rest: &str) -> Option<(usize, bool)> {
    if rest.starts_with(CLOSE) {
        return Some((CLOSE.len(), false));
    }
    let trims = rest.starts_with(is_space) && rest[1..].starts_with("-}}");
    trims.then_some((2 + CLOSE.len(), true))
}

/// All pieces of the template.
pub(super) fn lex(source: &str) -> Result<Vec<Lexeme<'_>>, Fault> {
    let mut lexemes = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let rest = &source[at..];
        let open = rest.find(OPEN);
        let trims_before = open.is_some_and(|open| trim_marker(&rest[open + OPEN.len()..]));
        let mut text = &rest[..open.unwrap_or(rest.len())];
        if trims_before {
            text = text.trim_end_matches(is_space);
        }
        if !text.is_empty() {
            lexemes.push(Lexeme { at, kind: Kind::Text(text) });
        }
        let Some(open) = open else { break };
        at = action(source, at + open, trims_before, &mut lexemes)?;
    }
    Ok(lexemes)
}

/// `-` and a blank, after an opening delimiter.
fn trim_marker(rest: &str) -> bool {
    rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_space))
}

/// Reads the action or comment at `start`; answers where the text after it begins.
fn action<'a>(
    source: &'a str,
    start: usize,
    trims_before: bool,
    lexemes: &mut Vec<Lexeme<'a>>,
) -> Result<usize, Fault> {
    let mut at = start + OPEN.len() + if trims_before { 2 } else { 0 };
    if source[at..].starts_with("/*") {
        let Some(end) = source[at..].find("*/") else { return Err(Fault::new(at, "unclosed comment")) };
        let after = at + end + 2;
        return match closes(&source[after..]) {
            Some((length, trims)) => Ok(after_action(source, after + length, trims)),
            None => Err(Fault::new(after, "comment ends before closing delimiter; expected \"}}\"")),
        };
    }
    lexemes.push(Lexeme { at: start, kind: Kind::Open });
    let mut open_parens = 0_usize;
    loop {
        let rest = &source[at..];
        if let Some((length, trims)) = closes(rest) {
            if open_parens > 0 {
                return Err(Fault::new(at, "unclosed left parenthesis; expected \")\""));
            }
            lexemes.push(Lexeme { at, kind: Kind::Close });
            return Ok(after_action(source, at + length, trims));
        }
        let (token, length) = scan(rest, at)?;
        if token == Token::OpenParen {
            open_parens += 1;
        } else if token == Token::CloseParen {
            open_parens =
                open_parens.checked_sub(1).ok_or_else(|| Fault::new(at, "unexpected right parenthesis"))?;
        }
        lexemes.push(Lexeme { at, kind: Kind::Token(token) });
        at += length;
    }
}

fn after_action(source: &str, end: usize, trims: bool) -> usize {
    if !trims {
        return end;
    }
    source.len() - source[end..].trim_start_matches(is_space).len()
}
