//! Reads pipelines: declarations, commands, and the terms that they are made of.
//! What they compute is the renderer's.

use super::super::error::{Fault, quoted};
use super::super::functions::Function;
use super::super::lexer::Kind;
use super::super::literal;
use super::super::scanner::Token;
use super::super::syntax::{Command, Operand, Pipeline, Term};
use super::super::value::Value;
use super::Parser;

impl Parser<'_> {
    /// A pipeline up to and with its end.
    pub(super) fn pipeline(&mut self, context: &str, end: Kind<'_>) -> Result<Pipeline, Fault> {
        self.skip_space();
        let at = self.here();
        let (variables, assigns) = self.declaration(context)?;
        let mut commands: Vec<Command> = Vec::new();
        loop {
            self.skip_space();
            if self.take(end) {
                break;
            }
            let command = self.command(context)?;
            let is_value = matches!(command.first.term, Term::Literal(_) | Term::Dot | Term::Nil);
            if is_value && !commands.is_empty() {
                let stage = commands.len() + 1;
                let problem =
                    format!("non executable command in pipeline stage {stage}; expected a function");
                return Err(Fault::new(command.first.at, problem));
            }
            commands.push(command);
        }
        if commands.is_empty() {
            return Err(Fault::new(at, format!("missing value for {context}")));
        }
        Ok(Pipeline { at, variables, assigns, commands })
    }

    /// `$x :=`, `$x =` or, in a range, `$x, $y :=`.
    fn declaration(&mut self, context: &str) -> Result<(Vec<String>, bool), Fault> {
        let mut names: Vec<String> = Vec::new();
        while let Some(Kind::Token(Token::Variable(name))) = self.peek() {
            let before = self.next;
            self.next += 1;
            if self.take(Kind::Token(Token::Declare)) || self.take(Kind::Token(Token::Assign)) {
                let assigns = self.lexemes[self.next - 1].kind == Kind::Token(Token::Assign);
                names.push(name.to_owned());
                self.variables.extend(names.iter().cloned());
                return Ok((names, assigns));
            }
            if !self.take(Kind::Token(Token::Comma)) {
                self.next = before;
                break;
            }
            names.push(name.to_owned());
            if context != "range" || names.len() > 1 {
                return Err(Fault::new(self.here(), format!("too many declarations in {context}")));
            }
            self.skip_space();
            if !matches!(self.peek(), Some(Kind::Token(Token::Variable(_)))) {
                return Err(self.unexpected("range", "a second variable"));
            }
        }
        if names.is_empty() { Ok((names, false)) } else { Err(self.unexpected("range", "\":=\"")) }
    }

    fn command(&mut self, context: &str) -> Result<Command, Fault> {
        let first = self.operand()?.ok_or_else(|| self.unexpected(context, "a value or a function"))?;
        let mut command = Command { first, arguments: Vec::new() };
        loop {
            match self.peek() {
                Some(Kind::Token(Token::Space)) => self.skip_space(),
                Some(Kind::Token(Token::Pipe)) => {
                    self.next += 1;
                    return Ok(command);
                }
                Some(Kind::Close | Kind::Token(Token::CloseParen)) => return Ok(command),
                _ => return Err(self.unexpected("operand", "a blank, \"|\", \")\" or \"}}\"")),
            }
            if let Some(operand) = self.operand()? {
                command.arguments.push(operand);
            }
        }
    }

    /// A term and the fields that follow it without a blank.
    fn operand(&mut self) -> Result<Option<Operand>, Fault> {
        let Some(mut operand) = self.term()? else { return Ok(None) };
        let mut fields = Vec::new();
        let at = self.here();
        while let Some(Kind::Token(Token::Field(name))) = self.peek() {
            self.next += 1;
            fields.push(name.to_owned());
        }
        if fields.is_empty() {
            return Ok(Some(operand));
        }
        match &mut operand.term {
            Term::Field(names) | Term::Variable(_, names) => names.append(&mut fields),
            Term::Literal(_) | Term::Nil | Term::Dot => {
                return Err(Fault::new(at, "unexpected field after a value that has none"));
            }
            Term::Function(_) | Term::Parenthesized(_) | Term::Chain(..) => {
                operand = Operand { at: operand.at, term: Term::Chain(Box::new(operand), fields) };
            }
        }
        Ok(Some(operand))
    }

    fn term(&mut self) -> Result<Option<Operand>, Fault> {
        let at = self.here();
        let Some(Kind::Token(token)) = self.peek() else { return Ok(None) };
        let wrong = |problem: String| Fault::new(at, problem);
        let term = match token {
            Token::Dot => Term::Dot,
            Token::Word("nil") => Term::Nil,
            Token::Word(word @ ("true" | "false")) => Term::Literal(Value::Bool(word == "true")),
            Token::Word(
                "if" | "else" | "end" | "range" | "with" | "define" | "template" | "block" | "break"
                | "continue",
            )
            | Token::Space
            | Token::Declare
            | Token::Assign
            | Token::Pipe
            | Token::Comma
            | Token::CloseParen
            | Token::Other(_) => return Ok(None),
            Token::Word(word) => Term::Function(Function::named(word).ok_or_else(|| {
                wrong(format!("function {} not defined; known are: {}", quoted(word), Function::names()))
            })?),
            Token::Field(name) => Term::Field(vec![name.to_owned()]),
            Token::Variable(name) if self.variables.iter().any(|known| known == name) => {
                Term::Variable(name.to_owned(), Vec::new())
            }
            Token::Variable(name) => return Err(wrong(format!("undefined variable {}", quoted(name)))),
            Token::Number(text) => Term::Literal(literal::number(text).map_err(wrong)?),
            Token::Character(text) => Term::Literal(literal::character(text).map_err(wrong)?),
            Token::String(text) => Term::Literal(Value::text(literal::string(text).map_err(wrong)?)),
            Token::OpenParen => {
                self.next += 1;
                self.deeper()?;
                let pipeline = self.pipeline("parenthesized pipeline", Kind::Token(Token::CloseParen))?;
                self.depth -= 1;
                return Ok(Some(Operand { at, term: Term::Parenthesized(Box::new(pipeline)) }));
            }
        };
        self.next += 1;
        Ok(Some(Operand { at, term }))
    }
}
