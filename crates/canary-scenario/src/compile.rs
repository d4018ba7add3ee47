//! From the written scenario to what runs: every text is read, and every name that a template needs must be known.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use canary_load::Descriptors;

use crate::check::Check;
use crate::code::{BodyCode, FlowCode, JsonCode, RequestCode, StepCode};
use crate::feed::{columns, format_of};
use crate::quantity::range;
use crate::selector::Selector;
use crate::spec::{FlowSpec, FormatSpec, ScenarioFile, StepSpec};
use crate::template::{Templates, Text, root};
use crate::vars::RESERVED;

/// What is known of a canary.
pub(crate) const CANARY: [&str; 4] = ["name", "namespace", "service", "port"];

/// Collects what is wrong while it reads.
pub(crate) struct Compiler<'a> {
    pub(crate) spec: &'a ScenarioFile,
    pub(crate) templates: Templates,
    /// The content of its sources, when it is about to run.
    pub(crate) data: Option<&'a BTreeMap<String, Bytes>>,
    /// Sources that were read as descriptors.
    pub(crate) described: BTreeMap<String, Descriptors>,
    /// Field, and what is wrong with it.
    pub(crate) mistakes: Vec<(String, String)>,
}

/// The names that the templates of a flow may use so far, and those feeds that they use.
pub(crate) struct Scope {
    captured: BTreeSet<String>,
    feeds: BTreeSet<String>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(spec: &'a ScenarioFile) -> Self {
        Self {
            spec,
            templates: Templates::default(),
            data: None,
            described: BTreeMap::new(),
            mistakes: Vec::new(),
        }
    }

    pub(crate) fn mistake(&mut self, field: impl Into<String>, why: impl Into<String>) {
        self.mistakes.push((field.into(), why.into()));
    }

    /// The flows, as far as they can be read.
    pub(crate) fn flows(&mut self) -> Vec<FlowCode> {
        if self.spec.flows.is_empty() {
            self.mistake("flows", "it has no flow; it takes at least one");
        } else if self.spec.flows.iter().all(|flow| flow.weight <= 0.0) {
            self.mistake("flows", "no flow has a weight above 0");
        }
        let mut names = BTreeSet::new();
        let spec = self.spec;
        let mut flows = Vec::with_capacity(spec.flows.len());
        for (n, flow) in spec.flows.iter().enumerate() {
            if !names.insert(flow.name.as_str()) {
                self.mistake(
                    format!("flows[{n}].name"),
                    format!("{:?} is the name of another flow already", flow.name),
                );
            }
            if !flow.weight.is_finite() || flow.weight < 0.0 {
                self.mistake(
                    format!("flows[{n}].weight"),
                    format!("it is {}; it takes a number of at least 0", flow.weight),
                );
            }
            flows.push(self.flow(n, flow));
        }
        flows
    }

    fn flow(&mut self, n: usize, flow: &FlowSpec) -> FlowCode {
        let mut scope = Scope { captured: BTreeSet::new(), feeds: BTreeSet::new() };
        let (mut steps, mut number) = (Vec::new(), 0);
        for (m, step) in flow.steps.iter().enumerate() {
            let field = format!("flows[{n}].steps[{m}]");
            match self.step(&field, step, number, &mut scope) {
                Some(StepCode::Request(request)) => {
                    if !flow.writes && request.changes() {
                        let or = if request.call.is_some() { ", or the step read-only: true" } else { "" };
                        let why = format!(
                            "it sends {}, which may change something; the flow has to say writes: true{or}",
                            request.method
                        );
                        self.mistake(format!("{field}.{}", request.method.to_lowercase()), why);
                    }
                    number += 1;
                    steps.push(StepCode::Request(request));
                }
                Some(pause @ StepCode::Pause(..)) => steps.push(pause),
                None => {}
            }
        }
        if number == 0 && self.mistakes.is_empty() {
            self.mistake(format!("flows[{n}].steps"), "it has no request; it takes at least one");
        }
        if !flow.cleanup.is_empty() && !flow.writes {
            self.mistake(
                format!("flows[{n}].cleanup"),
                "only a flow with writes: true has something to clean up",
            );
        }
        let mut cleanup = Vec::new();
        for (m, step) in flow.cleanup.iter().enumerate() {
            let field = format!("flows[{n}].cleanup[{m}]");
            match self.step(&field, step, m, &mut scope) {
                Some(StepCode::Request(request)) => cleanup.push(*request),
                Some(StepCode::Pause(..)) => {
                    self.mistake(field, "a clean-up has no pauses; its rate is that of cleanup.rate");
                }
                None => {}
            }
        }
        let mut needs: BTreeSet<String> =
            cleanup.iter().flat_map(RequestCode::texts).flat_map(|text| self.templates.needs(text)).collect();
        for (m, step) in flow.cleanup.iter().enumerate() {
            for (part, json) in [("json", &step.json), ("message", &step.message)] {
                if json.is_some() {
                    needs.extend(self.json_needs(&format!("flows[{n}].cleanup[{m}].{part}")));
                }
            }
        }
        FlowCode {
            cleanup_needs: needs
                .into_iter()
                .filter(|name| !["params", "canary", "run"].contains(&root(name)))
                .collect(),
            name: flow.name.clone(),
            weight: flow.weight,
            steps,
            cleanup,
            cleanup_at: flow.cleanup_at,
            feeds: scope.feeds.into_iter().collect(),
        }
    }

    fn step(&mut self, field: &str, step: &StepSpec, number: usize, scope: &mut Scope) -> Option<StepCode> {
        let methods = [
            ("GET", "get", &step.get),
            ("POST", "post", &step.post),
            ("PUT", "put", &step.put),
            ("PATCH", "patch", &step.patch),
            ("DELETE", "delete", &step.delete),
            ("HEAD", "head", &step.head),
            ("gRPC", "grpc", &step.grpc),
        ];
        let mut given =
            methods.iter().filter_map(|(method, key, path)| path.as_ref().map(|path| (*method, *key, path)));
        match (given.next(), given.next(), &step.pause) {
            (None, _, Some(pause)) => match range(pause) {
                Ok((from, to)) => Some(StepCode::Pause(from, to)),
                Err(why) => {
                    self.mistake(format!("{field}.pause"), why);
                    None
                }
            },
            (Some((method, key, path)), None, None) => Some(StepCode::Request(Box::new(self.request(
                field,
                step,
                (method, key, path.as_str()),
                number,
                scope,
            )))),
            _ => {
                self.mistake(
                    field,
                    "it takes exactly one of get, post, put, patch, delete, head, grpc and pause",
                );
                None
            }
        }
    }

    fn request(
        &mut self,
        field: &str,
        step: &StepSpec,
        (method, key, path): (&'static str, &str, &str),
        number: usize,
        scope: &mut Scope,
    ) -> RequestCode {
        let path_code = self.text(&format!("{field}.{key}"), path, scope);
        let mut headers = Vec::new();
        for (name, value) in &step.headers {
            let field = format!("{field}.headers.{name}");
            if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                self.mistake(&field, format!("{name:?} is no name of a header"));
            }
            headers.push((name.clone(), self.text(&field, value, scope)));
        }
        let call = self.call(field, step, scope);
        let body = if call.is_some() { BodyCode::None } else { self.body(field, step, scope) };
        let mut checks = Vec::new();
        for (n, check) in step.check.iter().enumerate() {
            match Check::parse(check) {
                Ok(code) => {
                    self.fits(&format!("{field}.check[{n}]"), &code, call.is_some());
                    checks.push((check.clone(), code));
                }
                Err(why) => self.mistake(format!("{field}.check[{n}]"), why),
            }
        }
        let mut captures = Vec::new();
        for (name, capture) in &step.capture {
            let field = format!("{field}.capture.{name}");
            if RESERVED.contains(&name.as_str()) || self.spec.feeds.contains_key(name) {
                self.mistake(
                    &field,
                    format!("{name:?} has a meaning already; a capture needs a name of its own"),
                );
            }
            match Selector::of_capture(capture) {
                Ok(selector) => captures.push((name.clone(), selector)),
                Err(why) => self.mistake(&field, why),
            }
            scope.captured.insert(name.clone());
        }
        let name = step.name.clone().unwrap_or_else(|| format!("{method} {path}"));
        RequestCode { number, name, method, path: path_code, headers, body, call, captures, checks }
    }

    fn body(&mut self, field: &str, step: &StepSpec, scope: &mut Scope) -> BodyCode {
        match (&step.json, &step.form, &step.body) {
            (None, None, None) => BodyCode::None,
            (Some(json), None, None) => BodyCode::Json(self.json(&format!("{field}.json"), json, scope)),
            (None, Some(form), None) => {
                let fields = form.iter();
                BodyCode::Form(
                    fields
                        .map(|(name, text)| {
                            (name.clone(), self.text(&format!("{field}.form.{name}"), text, scope))
                        })
                        .collect(),
                )
            }
            (None, None, Some(text)) => BodyCode::Text(self.text(&format!("{field}.body"), text, scope)),
            _ => {
                self.mistake(field, "it takes at most one of json, form and body");
                BodyCode::None
            }
        }
    }

    pub(crate) fn json(&mut self, field: &str, json: &serde_json::Value, scope: &mut Scope) -> JsonCode {
        use serde_json::Value;
        match json {
            Value::String(text) => match (self.text(field, text, scope), Templates::sole_expression(text)) {
                (Text::Fixed(text), _) => JsonCode::Fixed(text.into()),
                (Text::Template(_), Some(expression)) => JsonCode::Expression(expression.to_owned()),
                (template @ Text::Template(_), None) => JsonCode::Text(template),
            },
            Value::Array(items) => {
                let items: Vec<_> = items
                    .iter()
                    .enumerate()
                    .map(|(n, item)| self.json(&format!("{field}[{n}]"), item, scope))
                    .collect();
                if items.iter().all(|item| matches!(item, JsonCode::Fixed(_))) {
                    return JsonCode::Fixed(json.clone());
                }
                JsonCode::List(items)
            }
            Value::Object(map) => {
                let fields: Vec<_> = map
                    .iter()
                    .map(|(name, item)| (name.clone(), self.json(&format!("{field}.{name}"), item, scope)))
                    .collect();
                if fields.iter().all(|(_, item)| matches!(item, JsonCode::Fixed(_))) {
                    return JsonCode::Fixed(json.clone());
                }
                JsonCode::Map(fields)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => JsonCode::Fixed(json.clone()),
        }
    }

    /// The names that the templates of a JSON body need.
    fn json_needs(&self, field: &str) -> BTreeSet<String> {
        self.templates.below(field).flat_map(|text| self.templates.needs(&text)).collect()
    }

    /// A text whose template may use feeds and captures.
    fn text(&mut self, field: &str, text: &str, scope: &mut Scope) -> Text {
        let code = self.common_text(field, text);
        for name in self.templates.needs(&code) {
            if self.spec.feeds.contains_key(root(&name)) {
                scope.feeds.insert(root(&name).to_owned());
                if let Some(why) = self.no_column(&name) {
                    self.mistake(field, why);
                }
            } else if !scope.captured.contains(root(&name))
                && let Some(why) = self.unknown(&name, &scope.captured)
            {
                self.mistake(field, why);
            }
        }
        code
    }

    /// A text whose template is read once for the whole run.
    pub(crate) fn run_text(&mut self, field: &str, text: &str) -> Text {
        let code = self.common_text(field, text);
        for name in self.templates.needs(&code) {
            if self.spec.feeds.contains_key(root(&name)) || ["visit", "uuid"].contains(&root(&name)) {
                self.mistake(
                    field,
                    format!("{name} is another for each user; here it takes params, canary and run"),
                );
            } else if let Some(why) = self.unknown(&name, &BTreeSet::new()) {
                self.mistake(field, why);
            }
        }
        code
    }

    fn common_text(&mut self, field: &str, text: &str) -> Text {
        match self.templates.add(field, text) {
            Ok(code) => code,
            Err(why) => {
                self.mistake(field, why);
                Text::Fixed(text.to_owned())
            }
        }
    }

    /// Why a name is none of the columns of a feed whose rows stand in the file, if it is none.
    fn no_column(&self, name: &str) -> Option<String> {
        let (feed, rest) = name.split_once('.')?;
        let spec = self.spec.feeds.get(feed)?;
        let source = self.spec.sources.get(&spec.from)?;
        let format = spec.format.or_else(|| format_of(source.file_name()));
        let text = source.inline.as_ref().filter(|_| format == Some(FormatSpec::Csv))?;
        let columns = columns(text.as_bytes()).filter(|columns| !columns.contains(root(rest)))?;
        let columns = Vec::from_iter(columns).join(", ");
        Some(format!("{name} is not known; the columns of {:?} are {columns}", spec.from))
    }

    /// Why a name cannot be used, if it cannot.
    fn unknown(&self, name: &str, captured: &BTreeSet<String>) -> Option<String> {
        let (first, rest) = name.split_once('.').unwrap_or((name, ""));
        let known = |of: &str, names: Vec<&str>| {
            let here = if names.is_empty() {
                "there are none".to_owned()
            } else {
                format!("known are {}", names.join(", "))
            };
            Some(format!("{name} is not known; of {of} {here}"))
        };
        match first {
            "params" if rest.is_empty() || self.spec.params.contains_key(root(rest)) => None,
            "params" => known("params", self.spec.params.keys().map(String::as_str).collect()),
            "canary" if rest.is_empty() || CANARY.contains(&rest) => None,
            "canary" => known("canary", CANARY.to_vec()),
            "run" | "visit" if rest.is_empty() || rest == "id" => None,
            "uuid" if rest.is_empty() => None,
            _ => {
                let all: BTreeSet<&str> = RESERVED
                    .into_iter()
                    .chain(self.spec.feeds.keys().map(String::as_str))
                    .chain(captured.iter().map(String::as_str))
                    .collect();
                Some(format!(
                    "{name} is not known here; known are {}. What a step captures is known to the steps after it",
                    all.into_iter().collect::<Vec<_>>().join(", ")
                ))
            }
        }
    }
}
