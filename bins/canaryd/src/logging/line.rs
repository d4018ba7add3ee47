//! One event, one line: `ts`, `level`, `msg`, `canary`, then whatever else the event and its spans say.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::Encoding;

/// Writes lines.
pub(super) struct LogLines<W> {
    encoding: Encoding,
    now: fn() -> Timestamp,
    out: W,
}

impl<W> LogLines<W> {
    pub(super) fn new(encoding: Encoding, now: fn() -> Timestamp, out: W) -> Self {
        Self { encoding, now, out }
    }
}

impl<S, W> Layer<S> for LogLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.0.extend(of_span.0.clone());
            }
        }
        event.record(&mut fields);
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        let mut line = fields.line(self.encoding, (self.now)(), &level);
        line.push('\n');
        // There is nowhere to report that the log cannot be written.
        let _ = self.out.make_writer().write_all(line.as_bytes());
    }
}

/// What an event or a span says, by name.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn line(mut self, encoding: Encoding, now: Timestamp, level: &str) -> String {
        let message = self.0.remove("message").map(text).unwrap_or_default();
        let named = (self.0.remove("canary.name"), self.0.remove("canary.namespace"));
        let canary = match (self.0.remove("canary"), named) {
            (Some(canary), _) => Some(text(canary)),
            (None, (Some(name), Some(namespace))) => Some(format!("{}.{}", text(name), text(namespace))),
            (None, _) => None,
        };
        let now = format!("{now:.3}");
        match encoding {
            Encoding::Json => {
                let head = [
                    ("ts", Some(now)),
                    ("level", Some(level.to_owned())),
                    ("msg", Some(message)),
                    ("canary", canary),
                ];
                let head =
                    head.into_iter().filter_map(|(key, value)| Some((key.to_owned(), Value::String(value?))));
                // Written by hand, as a JSON map would put the keys in alphabetical order.
                let pairs = head.chain(self.0).map(|(key, value)| format!("{}:{value}", Value::String(key)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
            }
            Encoding::Console => {
                let mut line = format!("{now}\t{level}\t{message}");
                if let Some(canary) = canary {
                    self.0.insert("canary".to_owned(), Value::String(canary));
                }
                if !self.0.is_empty() {
                    // Writing to a string does not fail.
                    let _ = write!(line, "\t{}", Value::Object(self.0));
                }
                line.replace('\n', "\\n")
            }
        }
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

/// An error and its causes on one line. Some libraries repeat a cause in their own text; here it stands once.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.ends_with(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    text
}

fn text(value: Value) -> String {
    if let Value::String(text) = value { text } else { value.to_string() }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, with_causes(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(encoding: Encoding, events: impl FnOnce()) -> String {
        let kept = Kept::default();
        let out = kept.clone();
        let now = || Timestamp::from_millisecond(1_234).unwrap();
        let lines = LogLines::new(encoding, now, move || out.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), events);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn advance() {
        let span =
            tracing::info_span!("tick", canary.name = "podinfo", canary.namespace = "test", weight = 10);
        let _entered = span.entered();
        tracing::info!(weight = 20, "advance");
    }

    #[test]
    fn json_lines_have_flaggers_keys_first_and_the_innermost_value_of_each_field() {
        let expected = concat!(
            r#"{"ts":"1970-01-01T00:00:01.234Z","level":"info","msg":"advance","canary":"podinfo.test","weight":20}"#,
            "\n"
        );
        assert_eq!(logged(Encoding::Json, advance), expected);
    }

    #[test]
    fn console_lines_show_the_same_for_people() {
        let expected =
            "1970-01-01T00:00:01.234Z\tinfo\tadvance\t{\"canary\":\"podinfo.test\",\"weight\":20}\n";
        assert_eq!(logged(Encoding::Console, advance), expected);
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        #[derive(Debug)]
        struct Outer(io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cannot \"save\"")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let outer = Outer(io::Error::other("disk\nfull"));
        let line = logged(Encoding::Json, || tracing::warn!(error = &outer as &dyn Error, "failed"));
        assert!(line.contains(r#""error":"cannot \"save\": disk\nfull""#), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
    }
}
