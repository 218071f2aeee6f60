//! Logs and traces. Logs go to standard error, as text on a terminal and as JSON otherwise. Spans
//! are exported by OTLP if the standard `OTEL_*` variables name a collector.

pub mod current_request;
mod log_limiter;

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::LogFormat;
use crate::telemetry::current_request::WithRequest;
pub use crate::telemetry::log_limiter::report;
use crate::telemetry::log_limiter::{Limited, LogLimiter};

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("`log.level` is not valid: {0}")]
    Level(#[from] ParseError),
    #[error("`log.level` is not valid: \"{0}\" is not a level")]
    NoLevel(String),
    #[error("the OTLP exporter cannot be set up from the OTEL_* variables: {0}")]
    Otlp(#[from] ExporterBuildError),
    #[error("logging is already set up")]
    Twice,
}

/// Exports the remaining spans when it is dropped.
#[must_use = "spans are lost when this is dropped early"]
pub struct Telemetry(Option<SdkTracerProvider>);

/// Whether a collector receives the spans of this process.
static EXPORTS_SPANS: AtomicBool = AtomicBool::new(false);

pub fn spans_are_exported() -> bool {
    EXPORTS_SPANS.load(Ordering::Relaxed)
}

/// Sets up logging and tracing. Must be called once, before the server starts.
pub fn start(level: &str, format: LogFormat) -> Result<Telemetry, TelemetryError> {
    let filter = filter(level)?;
    let provider = collector_is_named().then(otlp).transpose()?;
    EXPORTS_SPANS.store(provider.is_some(), Ordering::Relaxed);
    let spans = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("grantor")));
    tracing_subscriber::registry()
        .with(log(format))
        .with(spans)
        .with(filter)
        .try_init()
        .map_err(|_| TelemetryError::Twice)?;
    Ok(Telemetry(provider))
}

/// Checks that `log.level` is valid, without starting anything.
pub fn check_level(level: &str) -> Result<(), TelemetryError> {
    filter(level).map(drop)
}

/// sqlx warns about unknown parameters of the database URL and logs their values: for `pasword=…`,
/// that would be the password.
const HIDE_DATABASE_URL: &str = "sqlx_postgres::options::parse=off";
/// Hides the Postgres notices about existing objects, which come at every start.
const HIDE_NOTICES: &str = "sqlx::postgres::notice=error";

/// A directive without `=` or `[` must be a level. `EnvFilter` would read any other word as a
/// module name, so a misspelled level would silence the server.
fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let words = level
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty() && !word.contains(['=', '[']));
    match words.into_iter().find(|word| word.parse::<LevelFilter>().is_err()) {
        Some(word) => Err(TelemetryError::NoLevel(word.to_owned())),
        None => {
            // The operator's directives come later, so they take precedence.
            let directives = format!("{HIDE_NOTICES},{level}");
            Ok(EnvFilter::builder().parse(directives)?.add_directive(HIDE_DATABASE_URL.parse()?))
        }
    }
}

fn log(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let limiter = LogLimiter::global();
    let text = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    if text {
        let colors = std::io::stderr().is_terminal();
        let format = WithRequest::as_text(fmt::format().with_target(false).with_ansi(colors));
        let format = Limited::new(format, limiter);
        fmt::layer().with_ansi(colors).event_format(format).with_writer(std::io::stderr).boxed()
    } else {
        let format = Limited::new(json(), limiter);
        fmt::layer()
            .with_ansi(false)
            .fmt_fields(JsonFields::new())
            .event_format(format)
            .with_writer(std::io::stderr)
            .boxed()
    }
}

/// One object per line: the fields of the event, and in `span` those of the request.
fn json() -> EscapedJson {
    let event =
        fmt::format().json().flatten_event(true).with_current_span(false).with_span_list(false);
    EscapedJson(WithRequest::as_json(event))
}

/// JSON in which DEL and the C1 controls are escaped too. RFC 8259 requires that only for the
/// controls below U+0020, but some terminals obey U+009B like an escape sequence.
struct EscapedJson(WithRequest<Format<Json>>);

impl<S, N> FormatEvent<S, N> for EscapedJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let mut rest = line.as_str();
        while let Some(at) = rest.find(is_obeyed_by_terminals) {
            let (clean, from_control) = rest.split_at(at);
            let mut chars = from_control.chars();
            let control = chars.next().unwrap_or_default();
            write!(writer, "{clean}\\u{:04x}", u32::from(control))?;
            rest = chars.as_str();
        }
        writer.write_str(rest)
    }
}

/// Such a character can only be in a JSON string, where it can be escaped.
const fn is_obeyed_by_terminals(character: char) -> bool {
    matches!(character, '\u{7f}'..='\u{9f}')
}

#[expect(
    clippy::disallowed_methods,
    reason = "the OTEL_* variables are an external standard, read where they are used"
)]
fn collector_is_named() -> bool {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let disabled =
        std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    !disabled && (set("OTEL_EXPORTER_OTLP_ENDPOINT") || set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
}

/// Endpoint, headers, timeouts and resource attributes come from the variables. The service name is
/// set here in case they do not set it.
fn otlp() -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_http().build()?;
    let resource = Resource::builder().with_service_name("grantor").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take() {
            // Logging is shut down here, so an error cannot be reported.
            let _ = provider.shutdown();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;
    use crate::random::{Random, RequestIds};
    use crate::telemetry::current_request::{CurrentRequest, SpanName};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("is not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(work: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let layer =
            fmt::layer().with_ansi(false).fmt_fields(JsonFields::new()).event_format(json());
        let subscriber =
            tracing_subscriber::registry().with(layer.with_writer(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, work);
        let bytes = written.0.lock().expect("is not poisoned").clone();
        String::from_utf8(bytes).expect("is text")
    }

    fn request(route: &'static str) -> CurrentRequest {
        let address = "192.0.2.1".parse().expect("an address");
        let id = RequestIds::new(&Random::seeded(1)).next();
        let (method, name) = ("GET", SpanName::Request);
        CurrentRequest { id, method, route, address, name }
    }

    fn parsed(text: &str) -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }

    #[test]
    fn a_line_has_the_fields_of_the_event_and_of_the_request() {
        let text = written(|| {
            request("/a").sync_scope(|| {
                tracing::warn!(count = 3, good = true, name = "x", "it happened");
            });
        });

        let mut lines = parsed(&text);
        let timestamp = lines[0]["timestamp"].take();
        assert!(timestamp.as_str().is_some_and(|text| text.ends_with('Z')), "{timestamp}");
        assert_eq!(
            lines,
            [serde_json::json!({
                "timestamp": null,
                "level": "WARN",
                "message": "it happened",
                "count": 3,
                "good": true,
                "name": "x",
                "target": "grantor::telemetry::tests",
                "span": {
                    "name": "request",
                    "request.id": request("/a").id.as_str(),
                    "method": "GET",
                    "route": "/a",
                    "address": "192.0.2.1",
                },
            })]
        );
    }

    #[test]
    fn client_input_cannot_forge_a_line_or_color_a_terminal() {
        let hostile = "a\"}\n{\"level\":\"ERROR\"}\u{1b}[31m\\\u{7f}\u{85}\u{9b}31m\u{a0}é";

        let text = written(|| {
            request("/a").sync_scope(|| {
                tracing::info!(name = hostile, error = %hostile, "registered");
            });
        });

        let lines = parsed(&text);
        assert_eq!(lines.len(), 1);
        assert_eq!([&lines[0]["name"], &lines[0]["error"]], [hostile; 2]);
        let without_end = text.strip_suffix('\n').expect("a line");
        assert!(!without_end.chars().any(char::is_control), "{text:?}");
    }
}
