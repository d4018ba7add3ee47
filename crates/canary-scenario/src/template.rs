//! Texts with `{{ … }}` in them. They see the values that they are given: no files, no environment, no other templates.

mod blocks;

use std::borrow::Cow;
use std::collections::BTreeSet;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

/// What one rendering may cost: ends loops without end.
const FUEL: u64 = 50_000;
/// Names that templates have by themselves.
const BUILT_IN: [&str; 4] = ["range", "dict", "namespace", "loop"];

/// The templates of a scenario.
pub(crate) struct Templates(Environment<'static>);

/// A text, with the work that can be done before the run done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Fixed(String),
    /// The name of a template.
    Template(String),
}

impl Default for Templates {
    fn default() -> Self {
        let mut environment = Environment::new();
        // A misspelt name must not become nothing.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        Self(environment)
    }
}

impl Templates {
    /// Reads a text that stands at `field`.
    ///
    /// # Errors
    /// What is wrong with the template.
    pub(crate) fn add(&mut self, field: &str, text: &str) -> Result<Text, String> {
        if !["{{", "{%", "{#"].iter().any(|open| text.contains(open)) {
            return Ok(Text::Fixed(text.to_owned()));
        }
        blocks::check(text).map_err(|why| format!("the template cannot be read: {why}"))?;
        self.0
            .add_template_owned(field.to_owned(), text.to_owned())
            .map_err(|error| format!("the template {text:?} cannot be read: {}", detail(&error)))?;
        Ok(Text::Template(field.to_owned()))
    }

    /// The names that a text needs, such as `user.item`.
    pub(crate) fn needs(&self, text: &Text) -> BTreeSet<String> {
        let Text::Template(name) = text else { return BTreeSet::new() };
        let Ok(template) = self.0.get_template(name) else { return BTreeSet::new() };
        template
            .undeclared_variables(true)
            .into_iter()
            .filter(|name| !BUILT_IN.contains(&root(name)))
            .collect()
    }

    /// The templates that stand at a field or below it.
    pub(crate) fn below(&self, field: &str) -> impl Iterator<Item = Text> {
        let all = self.0.templates().map(|(name, _)| name.to_owned()).filter(|name| name.starts_with(field));
        all.map(Text::Template).collect::<Vec<_>>().into_iter()
    }

    /// The text with those values.
    ///
    /// # Errors
    /// Which value is missing, or what else went wrong.
    pub(crate) fn render<'a>(&self, text: &'a Text, values: &Value) -> Result<Cow<'a, str>, String> {
        match text {
            Text::Fixed(text) => Ok(Cow::Borrowed(text)),
            Text::Template(name) => {
                let template = self.0.get_template(name).map_err(|error| detail(&error))?;
                template.render(values.clone()).map(Cow::Owned).map_err(|error| detail(&error))
            }
        }
    }

    /// The value of what stands between one pair of braces; a number stays one.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub(crate) fn value(&self, expression: &str, values: &Value) -> Result<serde_json::Value, String> {
        let expression =
            self.0.compile_expression_owned(expression.to_owned()).map_err(|error| detail(&error))?;
        let value = expression.eval(values.clone()).map_err(|error| detail(&error))?;
        if value.is_undefined() {
            return Err("it needs a value that is not there".to_owned());
        }
        serde_json::to_value(&value).map_err(|error| error.to_string())
    }

    /// What stands between the braces of a text that is nothing but that.
    pub(crate) fn sole_expression(text: &str) -> Option<&str> {
        let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
        (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%")).then(|| inner.trim())
    }
}

/// For templates, what serde knows.
pub(crate) fn value_of(value: impl serde::Serialize) -> Value {
    Value::from(Serde(value))
}

/// The first part of a name.
pub(crate) fn root(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn detail(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too long".to_owned(),
        (ErrorKind::UndefinedError, _) => "it needs a value that is not there".to_owned(),
        (kind, None) => kind.to_string(),
        (_, Some(detail)) => detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str, values: &serde_json::Value) -> Result<String, String> {
        let mut templates = Templates::default();
        let text = templates.add("here", text)?;
        templates.render(&text, &value_of(values)).map(Cow::into_owned)
    }

    #[test]
    fn values_are_filled_in_and_nothing_is_escaped() {
        let values = serde_json::json!({"user": {"item": "a&b"}, "n": 3});
        assert_eq!(render("/items/{{ user.item }}?n={{ n }}", &values), Ok("/items/a&b?n=3".into()));
        assert_eq!(render("/items/{{ user.item | urlencode }}", &values), Ok("/items/a%26b".into()));
        assert_eq!(render("plain", &values), Ok("plain".into()));
    }

    #[test]
    fn a_value_that_is_not_there_is_an_error_and_so_is_a_loop_without_end() {
        let none = serde_json::json!({});
        assert_eq!(render("{{ id }}", &none), Err("it needs a value that is not there".into()));
        assert!(render("{{ id", &none).unwrap_err().contains("cannot be read"));
        let long = "{% for a in range(90000) %}{% for b in range(90000) %}x{% endfor %}{% endfor %}";
        assert_eq!(render(long, &none), Err("it takes too long".into()));
    }

    /// On a stack as small as those of threads are.
    #[test]
    fn an_expression_as_long_as_it_may_be_does_not_use_up_a_stack() {
        let none = serde_json::json!({"a": 1});
        for part in ["-", "not ", "1-", "a|string|", "a.a.", "a[a]", "(", "[", "a~"] {
            let long = part.repeat((blocks::MOST - 4) / part.len());
            let _ = render(&format!("{{{{{long}1}}}}"), &none);
            let _ = Templates::default().value(&format!("{long}1"), &value_of(&none));
        }
        assert!(
            render(&format!("{{{{ {}1 }}}}", "- ".repeat(5000)), &none).unwrap_err().contains("500 letters")
        );
    }

    #[test]
    fn templates_read_no_files_and_no_other_templates() {
        for text in ["{% include '/etc/passwd' %}", "{% import 'x' as x %}", "{% extends 'x' %}"] {
            assert!(render(text, &serde_json::json!({})).is_err(), "{text}");
        }
        assert!(render("{{ env('HOME') }}", &serde_json::json!({})).is_err());
    }

    #[test]
    fn the_names_that_a_text_needs_are_known_before_the_run() {
        let mut templates = Templates::default();
        let text = templates
            .add("here", "{{ user.item }}{% for n in range(3) %}{{ id }}{{ n }}{% endfor %}")
            .unwrap();
        assert_eq!(templates.needs(&text).into_iter().collect::<Vec<_>>(), ["id", "user.item"]);
    }

    #[test]
    fn what_is_nothing_but_an_expression_keeps_its_type() {
        let templates = Templates::default();
        let values = value_of(serde_json::json!({"n": 3, "text": "4"}));
        assert_eq!(Templates::sole_expression("{{ n }}"), Some("n"));
        assert_eq!(Templates::sole_expression("{{ a }}{{ b }}"), None);
        assert_eq!(templates.value("n", &values), Ok(3.into()));
        assert_eq!(templates.value("text | int", &values), Ok(4.into()));
        assert!(templates.value("other", &values).is_err());
    }
}
