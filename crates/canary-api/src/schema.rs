//! One description per field: what it may hold, what happens when it is absent, and what it means.
//!
//! From it come the schema in the CRD, the check of an object that was read, and the field reference.

mod check;
mod emit;
mod reference;

pub(crate) use check::check;
pub(crate) use emit::properties;
pub(crate) use reference::rows;

use serde_json::Value;

/// A field, or an element of a list or a map.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // independent marks, each set by a method of its own
pub(crate) struct Node {
    pub(crate) doc: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Filled in by the API server, and by the check.
    pub(crate) default: Option<Value>,
    /// What the controller uses when the field is absent.
    pub(crate) assumed: &'static str,
    /// What an error says would be right, where the kind alone says too little.
    pub(crate) expected: &'static str,
    pub(crate) limits: Limits,
    pub(crate) alternatives: Vec<Branch>,
    /// None of the alternatives is fine too.
    pub(crate) or_none: bool,
    /// A CEL rule and its message.
    pub(crate) rule: Option<(&'static str, &'static str)>,
    /// Passed on as written: neither checked nor pruned.
    pub(crate) verbatim: bool,
    /// May hold a secret: errors do not show it.
    pub(crate) hidden: bool,
    /// The API server knows the choices; the check leaves them to whoever uses the value.
    pub(crate) open: bool,
}

/// What a field may hold.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Text,
    Flag,
    Number,
    /// `number` in the schema, but only whole ones make sense.
    Whole {
        small: bool,
    },
    /// `integer` in the schema.
    Integer {
        small: bool,
    },
    Choice(&'static [&'static str]),
    PortOrName,
    List(Box<Node>),
    Map(Box<Node>),
    Object(Vec<(&'static str, Node)>),
}

/// What the API server checks besides the kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) pattern: Option<&'static str>,
    pub(crate) format: Option<&'static str>,
    pub(crate) length: Option<(Option<i64>, i64)>,
    pub(crate) range: Option<(f64, Option<f64>)>,
    pub(crate) max_items: Option<i64>,
}

/// One of several sets of fields of which exactly one must be there.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) fields: &'static [&'static str],
    /// In that field, exactly one of those must be there too.
    pub(crate) within: Option<(&'static str, &'static [&'static str])>,
}

impl Node {
    fn new(doc: &'static str, kind: Kind) -> Self {
        Self {
            doc,
            kind,
            required: false,
            default: None,
            assumed: "",
            expected: "",
            limits: Limits::default(),
            alternatives: Vec::new(),
            or_none: false,
            rule: None,
            verbatim: false,
            hidden: false,
            open: false,
        }
    }

    pub(crate) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    pub(crate) fn assumed(mut self, text: &'static str) -> Self {
        self.assumed = text;
        self
    }

    pub(crate) fn expects(mut self, text: &'static str) -> Self {
        self.expected = text;
        self
    }

    pub(crate) fn pattern(mut self, regex: &'static str) -> Self {
        self.limits.pattern = Some(regex);
        self
    }

    pub(crate) fn format(mut self, name: &'static str) -> Self {
        self.limits.format = Some(name);
        self
    }

    pub(crate) fn length(mut self, min: Option<i64>, max: i64) -> Self {
        self.limits.length = Some((min, max));
        self
    }

    pub(crate) fn range(mut self, min: f64, max: Option<f64>) -> Self {
        self.limits.range = Some((min, max));
        self
    }

    pub(crate) fn max_items(mut self, count: i64) -> Self {
        self.limits.max_items = Some(count);
        self
    }

    pub(crate) fn exactly_one_of(mut self, branches: &[&'static [&'static str]]) -> Self {
        self.alternatives = branches.iter().map(|fields| Branch { fields, within: None }).collect();
        self
    }

    pub(crate) fn at_most_one_of(mut self, branches: &[&'static [&'static str]]) -> Self {
        self.or_none = true;
        self.exactly_one_of(branches)
    }

    /// In the branch of `field`, exactly one of `fields` inside it must be there.
    pub(crate) fn within(mut self, field: &'static str, fields: &'static [&'static str]) -> Self {
        for branch in self.alternatives.iter_mut().filter(|b| b.fields.contains(&field)) {
            branch.within = Some((field, fields));
        }
        self
    }

    pub(crate) fn rule(mut self, cel: &'static str, message: &'static str) -> Self {
        self.rule = Some((cel, message));
        self
    }

    pub(crate) fn verbatim(mut self) -> Self {
        self.verbatim = true;
        self
    }

    pub(crate) fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(crate) fn open(mut self) -> Self {
        self.open = true;
        self
    }
}

pub(crate) fn text(doc: &'static str) -> Node {
    Node::new(doc, Kind::Text)
}

pub(crate) fn flag(doc: &'static str) -> Node {
    Node::new(doc, Kind::Flag)
}

pub(crate) fn number(doc: &'static str) -> Node {
    Node::new(doc, Kind::Number)
}

/// A `number` that must be whole and fit 64 bits.
pub(crate) fn whole(doc: &'static str) -> Node {
    Node::new(doc, Kind::Whole { small: false })
}

/// A `number` that must be whole and fit 32 bits.
pub(crate) fn small_whole(doc: &'static str) -> Node {
    Node::new(doc, Kind::Whole { small: true })
}

pub(crate) fn integer(doc: &'static str) -> Node {
    Node::new(doc, Kind::Integer { small: false })
}

pub(crate) fn small_integer(doc: &'static str) -> Node {
    Node::new(doc, Kind::Integer { small: true })
}

pub(crate) fn choice(doc: &'static str, values: &'static [&'static str]) -> Node {
    Node::new(doc, Kind::Choice(values))
}

pub(crate) fn port_or_name(doc: &'static str) -> Node {
    Node::new(doc, Kind::PortOrName)
}

pub(crate) fn list(doc: &'static str, item: Node) -> Node {
    Node::new(doc, Kind::List(Box::new(item)))
}

pub(crate) fn map(doc: &'static str, value: Node) -> Node {
    Node::new(doc, Kind::Map(Box::new(value)))
}

pub(crate) fn object<const N: usize>(doc: &'static str, fields: [(&'static str, Node); N]) -> Node {
    Node::new(doc, Kind::Object(fields.into()))
}

/// A list of texts.
pub(crate) fn texts(doc: &'static str) -> Node {
    list(doc, text(""))
}

/// A map of texts by text.
pub(crate) fn text_map(doc: &'static str) -> Node {
    map(doc, text(""))
}
