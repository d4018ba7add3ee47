//! Builds the tree of a template: blocks, definitions, and which variables exist where.
//! Pipelines are read here too; what they compute is the renderer's.

use std::collections::BTreeMap;

use super::MAX_DEPTH;
use super::error::{Fault, quoted};
use super::functions::Function;
use super::lexer::{Kind, Lexeme, lex};
use super::literal;
use super::scanner::Token;
use super::syntax::{Block, Branch, Command, Node, Operand, Pipeline, Term};
use super::value::Value;

/// A template and the templates that it defines.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub(super) main: Block,
    pub(super) defined: BTreeMap<String, Block>,
}

pub(super) fn parse(source: &str) -> Result<Parsed, Fault> {
    let mut parser = Parser {
        lexemes: lex(source)?,
        next: 0,
        end: source.len(),
        depth: 0,
        loops: 0,
        variables: vec!["$".to_owned()],
        defined: BTreeMap::new(),
    };
    let main = parser.top_level()?;
    Ok(Parsed { main, defined: parser.defined })
}

struct Parser<'a> {
    lexemes: Vec<Lexeme<'a>>,
    next: usize,
    /// Length of the source: where an unexpected end is.
    end: usize,
    depth: usize,
    /// Ranges around this place.
    loops: usize,
    /// Names in scope, innermost last.
    variables: Vec<String>,
    defined: BTreeMap<String, Block>,
}

/// What ended a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Terminator {
    End,
    Else,
    /// `else if` or `else with`; the keyword is still to be read.
    ElseWith(&'static str),
}

// === tokens ===

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Kind<'a>> {
        self.lexemes.get(self.next).map(|lexeme| lexeme.kind)
    }

    fn here(&self) -> usize {
        self.lexemes.get(self.next).map_or(self.end, |lexeme| lexeme.at)
    }

    fn skip_space(&mut self) {
        while self.peek() == Some(Kind::Token(Token::Space)) {
            self.next += 1;
        }
    }

    fn peek_word(&mut self) -> Option<&'a str> {
        self.skip_space();
        match self.peek() {
            Some(Kind::Token(Token::Word(word))) => Some(word),
            _ => None,
        }
    }

    fn take(&mut self, kind: Kind<'_>) -> bool {
        self.skip_space();
        let found = self.peek() == Some(kind);
        self.next += usize::from(found);
        found
    }

    fn unexpected(&self, context: &str, expected: &str) -> Fault {
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

    fn close(&mut self, context: &str) -> Result<(), Fault> {
        if self.take(Kind::Close) { Ok(()) } else { Err(self.unexpected(context, "\"}}\"")) }
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::new(self.here(), format!("nested more than {MAX_DEPTH} levels deep")));
        }
        Ok(())
    }
}

// === blocks ===

impl Parser<'_> {
    fn top_level(&mut self) -> Result<Block, Fault> {
        let mut block = Block::new();
        while self.peek().is_some() {
            let at = self.here();
            let start = self.next;
            if self.take(Kind::Open) && self.peek_word() == Some("define") {
                self.next += 1;
                self.define(at)?;
                continue;
            }
            self.next = start;
            let (nodes, terminator) = self.block(true)?;
            block.extend(nodes);
            if terminator.is_some() {
                return Err(Fault::new(at, "unexpected {{end}} or {{else}}; there is no open block here"));
            }
        }
        Ok(block)
    }

    /// Nodes up to the `end` or `else` that closes the block, or to the next `define` or the end of the template at the top.
    fn block(&mut self, top: bool) -> Result<(Block, Option<Terminator>), Fault> {
        let mut nodes = Block::new();
        loop {
            match self.peek() {
                None if top => return Ok((nodes, None)),
                None => return Err(self.unexpected("block", "{{end}}")),
                Some(Kind::Text(text)) => {
                    self.next += 1;
                    nodes.push(Node::Text(text.to_owned()));
                }
                Some(Kind::Open) => {
                    let start = self.next;
                    self.next += 1;
                    match self.peek_word() {
                        Some("define") if top => {
                            self.next = start;
                            return Ok((nodes, None));
                        }
                        Some("end") => {
                            self.next += 1;
                            self.close("end")?;
                            return Ok((nodes, Some(Terminator::End)));
                        }
                        Some("else") => {
                            self.next += 1;
                            return Ok((nodes, Some(self.otherwise()?)));
                        }
                        word => nodes.push(self.action(word)?),
                    }
                }
                Some(Kind::Token(_) | Kind::Close) => {
                    return Err(self.unexpected("template", "text or \"{{\""));
                }
            }
        }
    }

    fn otherwise(&mut self) -> Result<Terminator, Fault> {
        match self.peek_word() {
            Some("if") => Ok(Terminator::ElseWith("if")),
            Some("with") => Ok(Terminator::ElseWith("with")),
            _ => self.close("else").map(|()| Terminator::Else),
        }
    }

    /// One action; `word` is its first word, not yet taken.
    fn action(&mut self, word: Option<&str>) -> Result<Node, Fault> {
        let at = self.here();
        match word {
            Some("if") => self.branch("if").map(Node::If),
            Some("with") => self.branch("with").map(Node::With),
            Some("range") => self.branch("range").map(Node::Range),
            Some("template") => {
                self.next += 1;
                let name = self.template_name("template clause")?;
                self.skip_space();
                let argument = if self.take(Kind::Close) {
                    None
                } else {
                    Some(self.pipeline("template clause", Kind::Close)?)
                };
                Ok(Node::Call { at, name, argument })
            }
            Some("block") => {
                self.next += 1;
                let name = self.template_name("block clause")?;
                let argument = self.pipeline("block clause", Kind::Close)?;
                self.definition(at, &name)?;
                Ok(Node::Call { at, name, argument: Some(argument) })
            }
            Some(keyword @ ("break" | "continue")) => {
                self.next += 1;
                self.close(keyword)?;
                if self.loops == 0 {
                    return Err(Fault::new(at, format!("{{{{{keyword}}}}} outside {{{{range}}}}")));
                }
                Ok(if keyword == "break" { Node::Break } else { Node::Continue })
            }
            // Go: variables stay until the end of the block around the action.
            _ => self.pipeline("command", Kind::Close).map(Node::Action),
        }
    }

    fn branch(&mut self, keyword: &'static str) -> Result<Branch, Fault> {
        self.next += 1;
        self.deeper()?;
        let scope = self.variables.len();
        let pipeline = self.pipeline(keyword, Kind::Close)?;
        self.loops += usize::from(keyword == "range");
        let (body, terminator) = self.block(false)?;
        self.loops -= usize::from(keyword == "range");
        let otherwise = match terminator {
            Some(Terminator::Else) => {
                let at = self.here();
                let (block, terminator) = self.block(false)?;
                if terminator != Some(Terminator::End) {
                    return Err(Fault::new(at, "expected {{end}}; found a second {{else}}"));
                }
                block
            }
            Some(Terminator::ElseWith("if")) if keyword == "if" => vec![Node::If(self.branch("if")?)],
            Some(Terminator::ElseWith("with")) if keyword == "with" => vec![Node::With(self.branch("with")?)],
            Some(Terminator::ElseWith(_)) => return Err(self.unexpected("else", "\"}}\"")),
            Some(Terminator::End) | None => Block::new(),
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(Branch { pipeline, body, otherwise })
    }

    fn define(&mut self, at: usize) -> Result<(), Fault> {
        let name = self.template_name("define clause")?;
        self.close("define clause")?;
        self.definition(at, &name)
    }

    /// The body of a definition: it sees no variable but `$`, and no loop.
    fn definition(&mut self, at: usize, name: &str) -> Result<(), Fault> {
        self.deeper()?;
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let loops = std::mem::take(&mut self.loops);
        let (block, terminator) = self.block(false)?;
        if terminator != Some(Terminator::End) {
            return Err(Fault::new(
                at,
                format!("expected {{{{end}}}} of template {}; found {{{{else}}}}", quoted(name)),
            ));
        }
        (self.variables, self.loops) = (variables, loops);
        self.depth -= 1;
        // Go: an empty definition gives way to a full one, and two full ones are an error.
        let empty = |block: &Block| {
            block.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
        };
        match self.defined.get(name) {
            Some(earlier) if !empty(earlier) => {
                if !empty(&block) {
                    return Err(Fault::new(at, format!("multiple definition of template {}", quoted(name))));
                }
            }
            _ => {
                self.defined.insert(name.to_owned(), block);
            }
        }
        Ok(())
    }

    fn template_name(&mut self, context: &str) -> Result<String, Fault> {
        self.skip_space();
        let at = self.here();
        let Some(Kind::Token(Token::String(text))) = self.peek() else {
            return Err(self.unexpected(context, "the name of a template in quotes"));
        };
        self.next += 1;
        literal::string(text).map_err(|problem| Fault::new(at, problem))
    }
}

// === pipelines ===

impl Parser<'_> {
    /// A pipeline up to and with its end.
    fn pipeline(&mut self, context: &str, end: Kind<'_>) -> Result<Pipeline, Fault> {
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
