//! Builds the tree of a template: blocks, definitions, and which variables exist where.
//! What stands inside an action is read by the pipeline module.

mod cursor;
mod pipeline;

use std::collections::BTreeMap;

use super::error::{Fault, quoted};
use super::lexer::{Kind, Lexeme, lex};
use super::literal;
use super::scanner::Token;
use super::syntax::{Block, Branch, Node};

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
