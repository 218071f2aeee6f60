//! Logs and traces. Logs go to standard error, as text on a terminal and as JSON otherwise. Spans
//! are exported by OTLP if the standard `OTEL_*` variables name a collector.

mod json_line;
mod once_a_minute;

use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::LogFormat;
use crate::telemetry::json_line::{JsonLine, JsonMembers};
use crate::telemetry::once_a_minute::{Limited, LogLimiter};
pub use crate::telemetry::once_a_minute::{RequestSource, report, with_request_source};

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

/// Sets up logging and tracing. Must be called once, before the server starts.
pub fn start(level: &str, format: LogFormat) -> Result<Telemetry, TelemetryError> {
    let filter = filter(level)?;
    let provider = collector_is_named().then(otlp).transpose()?;
    let spans =
        provider.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("grantor")));
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
    let words = level.split(',').map(str::trim).filter(|word| !word.is_empty() && !word.contains(['=', '[']));
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
        let format = Limited::new(fmt::format().with_target(false), limiter);
        fmt::layer().with_ansi(colors).event_format(format).with_writer(std::io::stderr).boxed()
    } else {
        let json = fmt::layer().fmt_fields(JsonMembers).event_format(Limited::new(JsonLine, limiter));
        json.with_writer(std::io::stderr).boxed()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the OTEL_* variables are an external standard, read where they are used"
)]
fn collector_is_named() -> bool {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let disabled = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
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
