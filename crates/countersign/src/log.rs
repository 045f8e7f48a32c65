//! The log, on standard error: one event a line, as text or as JSON, each with the id of the request that it belongs to. What came
//! from outside cannot break a line or reach a terminal: control characters are written out. What is logged is decided where it
//! happens, and which of it is shown by the filter.

use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Starts the log of this process, with what `filter` lets through, and the access log where it is wanted.
pub(crate) fn start(filter: &str, format: LogFormat, access_log: bool) -> Result<()> {
    let mut shown = EnvFilter::try_new(filter).with_context(|| {
        format!("`--log {filter}` is not `LEVEL` or `TARGET=LEVEL` with commas")
    })?;
    if access_log {
        shown = shown.add_directive(format!("{}=info", server::ACCESS).parse()?);
    }
    tracing_subscriber::fmt()
        .with_env_filter(shown)
        .with_writer(std::io::stderr)
        .event_format(format)
        .init();
    Ok(())
}

impl<S, N> FormatEvent<S, N> for LogFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if !fields.others.contains_key("request")
            && let Some(id) = server::request_id()
        {
            fields
                .others
                .insert("request".to_owned(), Value::String(id.to_string()));
        }
        let time = format!("{:.3}", jiff::Timestamp::now());
        let metadata = event.metadata();
        match self {
            Self::Text => {
                write!(
                    writer,
                    "{time} {:<5} {}: {}",
                    metadata.level().as_str(),
                    metadata.target(),
                    fields.message
                )?;
                for (name, value) in &fields.others {
                    write!(writer, " {name}={}", short(value))?;
                }
                writeln!(writer)
            }
            Self::Json => {
                let mut line = Map::new();
                for (name, value) in [
                    ("time", time.as_str()),
                    ("level", metadata.level().as_str()),
                    ("target", metadata.target()),
                    ("message", fields.message.as_str()),
                ] {
                    line.insert(name.to_owned(), Value::String(value.to_owned()));
                }
                line.extend(fields.others);
                writeln!(writer, "{}", Value::Object(line))
            }
        }
    }
}

/// A value in a line of text: in quotes where it is not one plain word.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => text.clone(),
        other => other.to_string(),
    }
}

/// What an event says.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }

    fn add_text(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            self.message = visible(text);
        } else {
            self.add(field, Value::String(visible(text)));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add_text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_text(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }
}

/// A text without control characters, and without those that turn the direction of what follows them: each is written out.
fn visible(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            // Writing to a text does not fail.
            let _ = write!(clean, "{}", c.escape_default());
        } else {
            clean.push(c);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Page {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged(format: LogFormat, say: impl FnOnce()) -> String {
        let page = Page::default();
        let log = tracing_subscriber::fmt()
            .with_writer(page.clone())
            .event_format(format)
            .finish();
        tracing::subscriber::with_default(log, say);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn hostile() {
        tracing::info!(
            path = "/a\n2026-01-01 forged",
            status = 400,
            reason = Some("\u{1b}[31mred \u{202e}"),
            absent = None::<&str>,
            "no\r\nmore"
        );
    }

    #[test]
    fn a_line_of_text_is_one_line() {
        let text = logged(LogFormat::Text, hostile);
        let (_, rest) = text.split_once(" INFO  ").unwrap();
        assert_eq!(
            rest,
            "countersign::log::tests: no\\r\\nmore path=\"/a\\\\n2026-01-01 forged\" \
             reason=\"\\\\u{1b}[31mred \\\\u{202e}\" status=400\n"
        );
    }

    #[test]
    fn a_line_of_json_is_an_object() {
        let text = logged(LogFormat::Json, hostile);
        assert_eq!(text.lines().count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "no\\r\\nmore");
        assert_eq!(line["status"], 400);
        assert_eq!(line["path"], "/a\\n2026-01-01 forged");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
        assert!(line.get("absent").is_none());
        let time: jiff::Timestamp = line["time"].as_str().unwrap().parse().unwrap();
        assert!(time > jiff::Timestamp::UNIX_EPOCH);
    }
}
