//! Where the parser is in the template, and what it says when something else stands there.
//! Knows tokens, not grammar.

use super::super::MAX_DEPTH;
use super::super::error::{Fault, quoted};
use super::super::lexer::Kind;
use super::super::scanner::Token;
use super::Parser;

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> Option<Kind<'a>> {
        self.lexemes.get(self.next).map(|lexeme| lexeme.kind)
    }

    pub(super) fn here(&self) -> usize {
        self.lexemes.get(self.next).map_or(self.end, |lexeme| lexeme.at)
    }

    pub(super) fn skip_space(&mut self) {
        while self.peek() == Some(Kind::Token(Token::Space)) {
            self.next += 1;
        }
    }

    pub(super) fn peek_word(&mut self) -> Option<&'a str> {
        self.skip_space();
        match self.peek() {
            Some(Kind::Token(Token::Word(word))) => Some(word),
            _ => None,
        }
    }

    pub(super) fn take(&mut self, kind: Kind<'_>) -> bool {
        self.skip_space();
        let found = self.peek() == Some(kind);
        self.next += usize::from(found);
        found
    }

    pub(super) fn unexpected(&self, context: &str, expected: &str) -> Fault {
        let found = match self.peek() {
            None => "end of template".to_owned(),
            Some(Kind::Text(_)) => "text".to_owned(),
            Some(Kind::Open) => "\"{{\"".to_owned(),
            Some(Kind::Close) => "\"}}\"".to_owned(),
            Some(Kind::Token(token)) => match token {
                Token::Space => "blank".to_owned(),
                Token::Declare => "\":=\"".to_owned(),
                Token::Assign => "\"=\"".to_owned(),
                Token::Pipe => "\"|\"".to_owned(),
                Token::Comma => "\",\"".to_owned(),
                Token::OpenParen => "\"(\"".to_owned(),
                Token::CloseParen => "\")\"".to_owned(),
                Token::Dot => "\".\"".to_owned(),
                Token::Field(name) => quoted(&format!(".{name}")),
                Token::Variable(text)
                | Token::Word(text)
                | Token::Number(text)
                | Token::String(text)
                | Token::Character(text) => quoted(text),
                Token::Other(c) => format!("{c:?}"),
            },
        };
        Fault::new(self.here(), format!("unexpected {found} in {context}; expected {expected}"))
    }

    pub(super) fn close(&mut self, context: &str) -> Result<(), Fault> {
        if self.take(Kind::Close) { Ok(()) } else { Err(self.unexpected(context, "\"}}\"")) }
    }

    pub(super) fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::new(self.here(), format!("nested more than {MAX_DEPTH} levels deep")));
        }
        Ok(())
    }
}
