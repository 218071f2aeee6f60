//! Formats a log line as one flat JSON object: the time, the level, the fields of the event, then
//! the fields of the spans around it.
//!
//! `tracing-subscriber` has such a format, but it parses the fields of each span again for every
//! event. Here the fields of a span are formatted once, as JSON members, and copied.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

pub struct JsonLine;

impl<S> FormatEvent<S, JsonMembers> for JsonLine
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonMembers>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        write!(line, "\",\"level\":\"{}\"", event.metadata().level())?;
        context.format_fields(line.by_ref(), event)?;
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(members) = span.extensions().get::<FormattedFields<JsonMembers>>() {
                line.write_str(&members.fields)?;
            }
        }
        writeln!(line, ",\"target\":\"{}\"}}", event.metadata().target())
    }
}

/// Formats each field as `,"name":value`.
pub struct JsonMembers;

impl<'writer> FormatFields<'writer> for JsonMembers {
    fn format_fields<R: RecordFields>(&self, line: Writer<'writer>, fields: R) -> fmt::Result {
        let mut members = Members { line, outcome: Ok(()) };
        fields.record(&mut members);
        members.outcome
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

struct Members<'writer> {
    line: Writer<'writer>,
    outcome: fmt::Result,
}

impl Members<'_> {
    fn bare(&mut self, field: &Field, value: impl fmt::Display) {
        let member = write!(self.line, ",\"{}\":{value}", field.name());
        self.outcome = self.outcome.and(member);
    }

    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let member = write!(self.line, ",\"{}\":\"", field.name())
            .and_then(|()| write!(Escaped(&mut self.line), "{value}"))
            .and_then(|()| self.line.write_char('"'));
        self.outcome = self.outcome.and(member);
    }
}

impl Visit for Members<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }
}

/// Escapes text for a JSON string (RFC 8259 section 7), so that nothing that a client sends can end
/// the line or the string, or color a terminal.
struct Escaped<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c.is_control()) {
            let (clean, special) = rest.split_at(at);
            self.0.write_str(clean)?;
            let mut chars = special.chars();
            match chars.next() {
                Some(quoted @ ('"' | '\\')) => write!(self.0, "\\{quoted}")?,
                Some(control) => write!(self.0, "\\u{:04x}", u32::from(control))?,
                None => {}
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("is not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(work: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().fmt_fields(JsonMembers).event_format(JsonLine);
        let subscriber = tracing_subscriber::registry().with(layer.with_writer(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, work);
        let text = String::from_utf8(lines.0.lock().expect("is not poisoned").clone()).expect("is text");
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }

    #[test]
    fn a_line_has_the_fields_of_the_event_and_of_the_spans_around_it() {
        let mut lines = logged(|| {
            let outer = tracing::info_span!("request", request.id = "abc", route = tracing::field::Empty).entered();
            outer.record("route", "/a");
            tracing::warn!(count = 3, good = true, name = "x", "it happened");
        });

        let timestamp = lines[0]["timestamp"].take();
        assert!(timestamp.as_str().is_some_and(|text| text.ends_with('Z')), "{timestamp}");
        assert_eq!(
            lines,
            [json!({
                "timestamp": null,
                "level": "WARN",
                "message": "it happened",
                "count": 3,
                "good": true,
                "name": "x",
                "request.id": "abc",
                "route": "/a",
                "target": "grantor::telemetry::json_line::tests",
            })]
        );
    }

    #[test]
    fn client_input_cannot_forge_a_line() {
        let hostile = "a\"}\n{\"level\":\"ERROR\"}\u{1b}[31m\\\u{85}é";

        let lines = logged(|| tracing::info!(name = hostile, "registered"));

        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["name"], hostile);
    }
}
