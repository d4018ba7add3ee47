//! Walks the tree of a template and writes the query.
//! Every step is counted, so that a template ends however it is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{Fault, quoted};
use super::functions::Function;
use super::parser::Parsed;
use super::syntax::{Block, Branch, Command, Node, Operand, Pipeline, Term};
use super::value::Value;
use super::{MAX_DEPTH, MAX_TEXT, MAX_WORK};
use crate::QueryModel;

pub(super) fn render(parsed: &Parsed, model: &QueryModel) -> Result<String, Fault> {
    let mut renderer = Renderer {
        defined: &parsed.defined,
        model,
        map: Arc::new(model.variables.clone()),
        out: String::new(),
        variables: vec![("$", Value::Nil)],
        depth: 0,
        work: 0,
    };
    renderer.block(&parsed.main, &Value::Nil)?;
    Ok(renderer.out)
}

struct Renderer<'a> {
    defined: &'a BTreeMap<String, Block>,
    model: &'a QueryModel,
    /// The variables of the model, shared by all values that show them.
    map: Arc<BTreeMap<String, String>>,
    out: String,
    /// Innermost last.
    variables: Vec<(&'a str, Value)>,
    depth: usize,
    work: usize,
}

/// How a block ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Through,
    Break,
    Continue,
}

// === blocks ===

impl<'a> Renderer<'a> {
    fn block(&mut self, block: &'a Block, dot: &Value) -> Result<Flow, Fault> {
        for node in block {
            let flow = match node {
                Node::Text(text) => {
                    self.work(0, text.len())?;
                    self.out.push_str(text);
                    Flow::Through
                }
                Node::Action(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if pipeline.variables.is_empty() {
                        self.work(pipeline.at, value.size())?;
                        value.write_to(&mut self.out);
                    }
                    Flow::Through
                }
                Node::If(branch) => self.branch(branch, dot, false)?,
                Node::With(branch) => self.branch(branch, dot, true)?,
                Node::Range(branch) => self.range(branch, dot)?,
                Node::Call { at, name, argument } => {
                    self.call(*at, name, argument.as_ref(), dot)?;
                    Flow::Through
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if self.out.len() > MAX_TEXT {
                return Err(Fault::new(0, format!("the query is longer than {MAX_TEXT} bytes")));
            }
            if flow != Flow::Through {
                return Ok(flow);
            }
        }
        Ok(Flow::Through)
    }

    fn branch(&mut self, branch: &'a Branch, dot: &Value, moves_dot: bool) -> Result<Flow, Fault> {
        self.deeper(branch.pipeline.at)?;
        let scope = self.variables.len();
        let value = self.pipeline(&branch.pipeline, dot)?;
        let flow = match (value.is_true(), moves_dot) {
            (true, true) => self.block(&branch.body, &value),
            (true, false) => self.block(&branch.body, dot),
            (false, _) => self.block(&branch.otherwise, dot),
        }?;
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(flow)
    }

    fn range(&mut self, branch: &'a Branch, dot: &Value) -> Result<Flow, Fault> {
        let at = branch.pipeline.at;
        self.deeper(at)?;
        let scope = self.variables.len();
        let over = self.pipeline(&branch.pipeline, dot)?;
        let mut entered = false;
        match &over {
            Value::Map(entries) => {
                for (key, value) in entries.iter() {
                    entered = true;
                    if self.iteration(branch, &Value::text(key), &Value::text(value))? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Int(_) | Value::Byte(_) if branch.pipeline.variables.len() > 1 => {
                return Err(Fault::new(at, "can't range over a number with more than one variable"));
            }
            Value::Int(end) => {
                for number in 0..*end {
                    entered = true;
                    if self.iteration(branch, &Value::Nil, &Value::Int(number))? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Byte(end) => {
                for number in 0..*end {
                    entered = true;
                    if self.iteration(branch, &Value::Nil, &Value::Byte(number))? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Nil => {}
            other @ (Value::Bool(_) | Value::Float(_) | Value::Text(_)) => {
                return Err(Fault::new(at, format!("range can't iterate over a {}", other.type_name())));
            }
        }
        let flow = if entered { Flow::Through } else { self.block(&branch.otherwise, dot)? };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(flow)
    }

    fn iteration(&mut self, branch: &'a Branch, key: &Value, element: &Value) -> Result<Flow, Fault> {
        let pipeline = &branch.pipeline;
        self.work(pipeline.at, key.size() + element.size())?;
        let scope = self.variables.len();
        let values = match pipeline.variables.as_slice() {
            [_, _] => vec![key.clone(), element.clone()],
            [_] => vec![element.clone()],
            _ => Vec::new(),
        };
        for (offset, (name, value)) in pipeline.variables.iter().zip(values).enumerate() {
            if pipeline.assigns {
                self.assign(pipeline.at, name, value)?;
            } else {
                // The pipeline declared them, at the end of the scope.
                let slot = scope - pipeline.variables.len() + offset;
                self.variables[slot].1 = value;
            }
        }
        let flow = self.block(&branch.body, element)?;
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn call(
        &mut self,
        at: usize,
        name: &str,
        argument: Option<&'a Pipeline>,
        dot: &Value,
    ) -> Result<(), Fault> {
        self.deeper(at)?;
        self.work(at, 1)?;
        let Some(block) = self.defined.get(name) else {
            return Err(Fault::new(at, format!("template {} not defined", quoted(name))));
        };
        let dot = match argument {
            Some(pipeline) => self.pipeline(pipeline, dot)?,
            None => Value::Nil,
        };
        let outer = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        self.block(block, &dot)?;
        self.variables = outer;
        self.depth -= 1;
        Ok(())
    }
}

// === bounds and variables ===

impl Renderer<'_> {
    fn deeper(&mut self, at: usize) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::new(at, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        Ok(())
    }

    fn work(&mut self, at: usize, steps: usize) -> Result<(), Fault> {
        self.work = self.work.saturating_add(steps);
        if self.work > MAX_WORK {
            return Err(Fault::new(at, format!("the template takes more than {MAX_WORK} steps")));
        }
        Ok(())
    }

    fn assign(&mut self, at: usize, name: &str, value: Value) -> Result<(), Fault> {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some(slot) => {
                slot.1 = value;
                Ok(())
            }
            None => Err(Fault::new(at, format!("undefined variable {}; expected \":=\"", quoted(name)))),
        }
    }

    fn variable(&self, at: usize, name: &str) -> Result<Value, Fault> {
        let found = self.variables.iter().rev().find(|(known, _)| *known == name);
        found
            .map(|(_, value)| value.clone())
            .ok_or_else(|| Fault::new(at, format!("undefined variable {}", quoted(name))))
    }
}

// === pipelines ===

impl<'a> Renderer<'a> {
    fn pipeline(&mut self, pipeline: &'a Pipeline, dot: &Value) -> Result<Value, Fault> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.unwrap_or(Value::Nil);
        for name in &pipeline.variables {
            if pipeline.assigns {
                self.assign(pipeline.at, name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    /// A command; `piped` is what the command before it answered and becomes the last argument.
    fn command(&mut self, command: &'a Command, dot: &Value, piped: Option<Value>) -> Result<Value, Fault> {
        let Operand { at, term } = &command.first;
        self.work(*at, 1)?;
        let has_arguments = !command.arguments.is_empty() || piped.is_some();
        match term {
            Term::Function(function) => self.function(*at, *function, &command.arguments, dot, piped),
            Term::Nil => Err(Fault::new(*at, "nil is not a command")),
            Term::Field(names) | Term::Chain(_, names) if has_arguments => {
                let last = names.last().map(String::as_str).unwrap_or_default();
                Err(Fault::new(*at, format!("{} is not a method but has arguments", quoted(last))))
            }
            _ if has_arguments => {
                Err(Fault::new(*at, "can't give arguments to a value that is not a function"))
            }
            Term::Dot
            | Term::Literal(_)
            | Term::Field(_)
            | Term::Variable(..)
            | Term::Parenthesized(_)
            | Term::Chain(..) => self.operand(&command.first, dot),
        }
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Value) -> Result<Value, Fault> {
        let at = operand.at;
        self.work(at, 1)?;
        match &operand.term {
            Term::Dot => Ok(dot.clone()),
            Term::Nil => Ok(Value::Nil),
            Term::Literal(value) => Ok(value.clone()),
            Term::Field(names) => self.fields(at, dot.clone(), names),
            Term::Variable(name, names) => {
                let value = self.variable(at, name)?;
                self.fields(at, value, names)
            }
            Term::Function(function) => self.function(at, *function, &[], dot, None),
            Term::Parenthesized(pipeline) => {
                self.deeper(at)?;
                let value = self.pipeline(pipeline, dot)?;
                self.depth -= 1;
                Ok(value)
            }
            Term::Chain(inner, names) => {
                let value = self.operand(inner, dot)?;
                self.fields(at, value, names)
            }
        }
    }

    fn fields(&mut self, at: usize, value: Value, names: &[String]) -> Result<Value, Fault> {
        let mut value = value;
        for name in names {
            let problem = match &value {
                Value::Map(entries) => match entries.get(name) {
                    Some(found) => {
                        self.work(at, found.len())?;
                        value = Value::text(found);
                        continue;
                    }
                    None => format!("map has no entry for key {}", quoted(name)),
                },
                Value::Nil => format!("nil data; no entry for key {}", quoted(name)),
                other @ (Value::Bool(_)
                | Value::Int(_)
                | Value::Byte(_)
                | Value::Float(_)
                | Value::Text(_)) => {
                    format!("can't evaluate field {} in type {}", quoted(name), other.type_name())
                }
            };
            return Err(Fault::new(at, problem));
        }
        Ok(value)
    }

    fn function(
        &mut self,
        at: usize,
        function: Function,
        arguments: &'a [Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, Fault> {
        let wrong = |problem: String| Fault::new(at, problem);
        function.accepts(arguments.len() + usize::from(piped.is_some())).map_err(wrong)?;
        let builtin = match function {
            Function::Model(name) => {
                let value = self.model_value(name);
                self.work(at, value.size())?;
                return Ok(value);
            }
            Function::And | Function::Or => {
                // Go: the first value that decides is the answer, and those after it are not evaluated.
                let decides = |value: &Value| value.is_true() == matches!(function, Function::Or);
                let mut last = Value::Nil;
                for argument in arguments {
                    last = self.operand(argument, dot)?;
                    if decides(&last) {
                        return Ok(last);
                    }
                }
                return Ok(piped.unwrap_or(last));
            }
            Function::Builtin(builtin) => builtin,
        };
        let mut values = Vec::with_capacity(arguments.len() + 1);
        for argument in arguments {
            let value = self.operand(argument, dot)?;
            self.work(at, value.size())?;
            values.push(value);
        }
        if let Some(value) = piped {
            self.work(at, value.size())?;
            values.push(value);
        }
        let answer =
            (builtin.run)(&values).map_err(|problem| wrong(format!("{}: {problem}", builtin.name)))?;
        let size = answer.size();
        self.work(at, size)?;
        if size > MAX_TEXT && matches!(answer, Value::Text(_)) {
            return Err(wrong(format!("{} writes more than {MAX_TEXT} bytes", builtin.name)));
        }
        Ok(answer)
    }

    fn model_value(&self, name: &str) -> Value {
        match name {
            "name" => Value::text(&self.model.name),
            "namespace" => Value::text(&self.model.namespace),
            "target" => Value::text(&self.model.target),
            "service" => Value::text(&self.model.service),
            "ingress" => Value::text(&self.model.ingress),
            "route" => Value::text(&self.model.route),
            "interval" => Value::text(&self.model.interval),
            _ => Value::Map(Arc::clone(&self.map)),
        }
    }
}
