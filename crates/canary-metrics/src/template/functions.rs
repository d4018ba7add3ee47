//! The functions that a template may call, by name.
//! `and` and `or` are in the renderer, because they do not evaluate all of their arguments.

use super::comparison::{equal, less, non_nil};
use super::error::quoted;
use super::printf::sprintf;
use super::value::Value;
use super::{comparison, escaping};

/// What a name in a template stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Function {
    /// A value of the model, by its name.
    Model(&'static str),
    And,
    Or,
    Builtin(&'static Builtin),
}

/// A function over evaluated arguments.
#[derive(Debug)]
pub(super) struct Builtin {
    pub(super) name: &'static str,
    pub(super) at_least: usize,
    pub(super) at_most: Option<usize>,
    pub(super) run: fn(&[Value]) -> Result<Value, String>,
}

const MODEL: [&str; 8] =
    ["ingress", "interval", "name", "namespace", "route", "service", "target", "variables"];

const fn builtin(
    name: &'static str,
    at_least: usize,
    at_most: Option<usize>,
    run: fn(&[Value]) -> Result<Value, String>,
) -> Builtin {
    Builtin { name, at_least, at_most, run }
}

static BUILTINS: [Builtin; 17] = [
    builtin("call", 1, None, call),
    builtin("eq", 1, None, |args| equal(&args[0], &args[1..]).map(Value::Bool)),
    builtin("ge", 2, Some(2), |args| comparison::at_least(&args[0], &args[1]).map(Value::Bool)),
    builtin("gt", 2, Some(2), |args| comparison::greater(&args[0], &args[1]).map(Value::Bool)),
    builtin("html", 0, None, |args| Ok(Value::text(escaping::html(&escaping::joined(args))))),
    builtin("index", 1, None, index),
    builtin("js", 0, None, |args| Ok(Value::text(escaping::js(&escaping::joined(args))))),
    builtin("le", 2, Some(2), |args| comparison::at_most(&args[0], &args[1]).map(Value::Bool)),
    builtin("len", 1, Some(1), len),
    builtin("lt", 2, Some(2), |args| less(&args[0], &args[1]).map(Value::Bool)),
    builtin("ne", 2, Some(2), |args| equal(&args[0], &args[1..]).map(|same| Value::Bool(!same))),
    builtin("not", 1, Some(1), |args| Ok(Value::Bool(!args[0].is_true()))),
    builtin("print", 0, None, |args| Ok(Value::text(print(args)))),
    builtin("printf", 1, None, printf),
    builtin("println", 0, None, |args| Ok(Value::text(println(args)))),
    builtin("slice", 1, None, slice),
    builtin("urlquery", 0, None, |args| Ok(Value::text(escaping::url_query(&escaping::joined(args))))),
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "and" => Some(Self::And),
            "or" => Some(Self::Or),
            _ => MODEL
                .iter()
                .find(|known| **known == name)
                .map(|known| Self::Model(known))
                .or_else(|| BUILTINS.iter().find(|builtin| builtin.name == name).map(Self::Builtin)),
        }
    }

    /// The functions of the model, for an error message.
    pub(super) fn names() -> String {
        MODEL.join(", ")
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Model(name) => name,
            Self::And => "and",
            Self::Or => "or",
            Self::Builtin(builtin) => builtin.name,
        }
    }

    /// Checks the number of arguments.
    pub(super) fn accepts(self, count: usize) -> Result<(), String> {
        let (at_least, at_most) = match self {
            Self::Model(_) => (0, Some(0)),
            Self::And | Self::Or => (1, None),
            Self::Builtin(builtin) => (builtin.at_least, builtin.at_most),
        };
        let wrong = count < at_least || at_most.is_some_and(|most| count > most);
        if !wrong {
            return Ok(());
        }
        let want =
            if at_most == Some(at_least) { at_least.to_string() } else { format!("at least {at_least}") };
        Err(format!("wrong number of arguments for {}: want {want}, got {count}", self.name()))
    }
}

/// Go's `fmt.Sprint`: a blank between two values of which neither is a string.
pub(super) fn print(args: &[Value]) -> String {
    let mut out = String::new();
    let mut after_text = true;
    for (position, arg) in args.iter().enumerate() {
        let is_text = matches!(arg, Value::Text(_));
        if position > 0 && !is_text && !after_text {
            out.push(' ');
        }
        arg.print_to(&mut out);
        after_text = is_text;
    }
    out
}

fn println(args: &[Value]) -> String {
    let mut out = String::new();
    for (position, arg) in args.iter().enumerate() {
        if position > 0 {
            out.push(' ');
        }
        arg.print_to(&mut out);
    }
    out.push('\n');
    out
}

fn printf(args: &[Value]) -> Result<Value, String> {
    match args {
        [Value::Text(format), rest @ ..] => sprintf(format, rest).map(Value::text),
        [other, ..] => Err(format!("the format of printf has type {}; expected a string", other.type_name())),
        [] => Err("printf has no format".into()),
    }
}

fn len(args: &[Value]) -> Result<Value, String> {
    let length = match &args[0] {
        Value::Text(text) => text.len(),
        Value::Map(entries) => entries.len(),
        other @ (Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Byte(_) | Value::Float(_)) => {
            return Err(format!("len of type {}", other.type_name()));
        }
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(args: &[Value]) -> Result<Value, String> {
    let mut item = non_nil(&args[0], "index of untyped nil")?.clone();
    for key in &args[1..] {
        item = match (&item, key) {
            // Go: a key that a map does not have is its zero value here, and an error as a field.
            (Value::Map(entries), Value::Text(key)) => {
                Value::text(entries.get(&**key).map(String::as_str).unwrap_or_default())
            }
            (Value::Map(_), other) => {
                return Err(format!(
                    "a key of the variables has type {}; expected a string",
                    other.type_name()
                ));
            }
            (Value::Text(text), key) => {
                let at = position(key, text.len())?;
                let byte = text.as_bytes().get(at).ok_or_else(|| format!("index out of range: {at}"))?;
                Value::Byte(*byte)
            }
            (other, _) => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(item)
}

fn slice(args: &[Value]) -> Result<Value, String> {
    let Value::Text(text) = non_nil(&args[0], "slice of untyped nil")? else {
        return Err(format!("can't slice item of type {}", args[0].type_name()));
    };
    let bounds = &args[1..];
    if bounds.len() > 2 {
        return Err("cannot slice a string with more than two indexes".into());
    }
    let from = bounds.first().map_or(Ok(0), |bound| position(bound, text.len()))?;
    let to = bounds.get(1).map_or(Ok(text.len()), |bound| position(bound, text.len()))?;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    text.get(from..to)
        .map(Value::text)
        .ok_or_else(|| format!("slice {from}:{to} cuts a character of {} in two", quoted(text)))
}

/// An index from 0 to `length`.
fn position(index: &Value, length: usize) -> Result<usize, String> {
    let number = match index {
        Value::Int(number) => *number,
        Value::Byte(number) => i64::from(*number),
        other @ (Value::Nil | Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::Map(_)) => {
            return Err(format!("cannot index with type {}; expected a whole number", other.type_name()));
        }
    };
    usize::try_from(number)
        .ok()
        .filter(|number| *number <= length)
        .ok_or_else(|| format!("index out of range: {number}"))
}

fn call(args: &[Value]) -> Result<Value, String> {
    // No value of a query template is a function, so there is nothing that could be called.
    Err(format!("call of a value of type {}; expected a function", args[0].type_name()))
}
