//! Whether the parts of a file fit together, beside its flows.

use crate::bases::targets;
use crate::code::FlowCode;
use crate::compile::Compiler;
use crate::feed::{format_of, rows};
use crate::judge::Rule;
use crate::loading::loading;
use crate::quantity::{length, rate};
use crate::spec::ProtocolSpec;
use crate::template::Text;
use crate::vars::RESERVED;

/// Whether a step calls a gRPC method.
pub(crate) fn calls(flows: &[FlowCode]) -> bool {
    flows.iter().any(|flow| flow.requests().chain(&flow.cleanup).any(|request| request.call.is_some()))
}

/// Checks what does not depend on the run, beside the flows.
pub(crate) fn common(compiler: &mut Compiler<'_>, flows: &[FlowCode]) -> Vec<Rule> {
    let spec = compiler.spec;
    if spec.name.trim().is_empty() {
        compiler.mistake("name", "it is empty");
    }
    for (name, source) in &spec.sources {
        if let Err((field, why)) = source.check() {
            compiler.mistake(format!("sources.{name}{field}"), why);
        }
    }
    for (name, feed) in &spec.feeds {
        match spec.sources.get(&feed.from) {
            None => {
                let known: Vec<&str> = spec.sources.keys().map(String::as_str).collect();
                let why = format!("there is no source {:?}; known are {}", feed.from, known.join(", "));
                compiler.mistake(format!("feeds.{name}.from"), why);
            }
            Some(source) if feed.format.is_none() && format_of(source.file_name()).is_none() => {
                compiler.mistake(format!("feeds.{name}"), "it needs a format: csv, json or lines");
            }
            Some(source) => {
                let format = feed.format.or_else(|| format_of(source.file_name()));
                if let (Some(text), Some(format)) = (&source.inline, format)
                    && let Err(why) = rows(text.as_bytes(), format)
                {
                    compiler.mistake(format!("feeds.{name}"), format!("the data of {:?}: {why}", feed.from));
                }
            }
        }
        if RESERVED.contains(&name.as_str()) {
            compiler.mistake(
                format!("feeds.{name}"),
                format!("{name:?} has a meaning already; a feed needs a name of its own"),
            );
        }
    }
    for (field, wrong) in [
        ("cleanup.rate", spec.cleanup.rate.as_deref().and_then(|text| rate(text).err())),
        ("cleanup.time", spec.cleanup.time.as_deref().and_then(|text| length(text).err())),
    ] {
        if let Some(why) = wrong {
            compiler.mistake(field, why);
        }
    }
    if spec.load.protocol == Some(ProtocolSpec::Http1) && calls(flows) {
        compiler.mistake("load.protocol", "gRPC needs http2, which is also what it is when left out");
    }
    let mut rules = Vec::new();
    for (n, text) in spec.judge.iter().enumerate() {
        match Rule::parse(text) {
            Ok(rule) if rule.flow().is_some_and(|flow| flows.iter().all(|known| known.name != flow)) => {
                let known: Vec<&str> = flows.iter().map(|flow| flow.name.as_str()).collect();
                let why = format!(
                    "there is no flow {:?}; known are {}",
                    rule.flow().unwrap_or_default(),
                    known.join(", ")
                );
                compiler.mistake(format!("judge[{n}]"), why);
            }
            Ok(rule) => rules.push(rule),
            Err(why) => compiler.mistake(format!("judge[{n}]"), why),
        }
    }
    for (n, text) in spec.load.primary_limits.iter().enumerate() {
        let why = match Rule::parse(text) {
            Ok(rule) if rule.is_limit() => continue,
            Ok(_) => format!("{text:?} is about neither errors nor a quantile of all requests"),
            Err(why) => why,
        };
        compiler.mistake(format!("load.primary-limits[{n}]"), why);
    }
    if let Text::Fixed(base) = compiler.run_text("base", &spec.base)
        && let Err(why) = targets(&base, spec.load.of)
    {
        compiler.mistake("base", why);
    }
    // Texts with templates can be judged only when a run fills them in.
    let without_templates = |code: Text, text: &str| match code {
        Text::Fixed(_) => Ok(text.to_owned()),
        Text::Template(_) => Err(String::new()),
    };
    let checked = loading(&spec.load, 0, None, |field, text| {
        without_templates(compiler.run_text(&format!("load.{field}"), text), text)
    });
    for (field, why) in checked.err().unwrap_or_default() {
        if !why.is_empty() {
            compiler.mistake(format!("load.{field}"), why);
        }
    }
    rules
}
