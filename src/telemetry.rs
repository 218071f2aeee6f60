//! Logs and traces. Text on a terminal, JSON elsewhere, always to standard error; spans go out by OTLP when the standard
//! `OTEL_*` variables name a collector.

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
use crate::telemetry::once_a_minute::{Bounded, OnceAMinute};
pub use crate::telemetry::once_a_minute::{RequestSource, of_request, report};

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("`log.level` cannot be read: {0}")]
    Level(#[from] ParseError),
    #[error("`log.level` cannot be read: \"{0}\" is no level")]
    NoLevel(String),
    #[error("the OTLP exporter cannot be set up from the OTEL_* variables: {0}")]
    Otlp(#[from] ExporterBuildError),
    #[error("logging is set up already")]
    Twice,
}

/// Sends what is still waiting when it is dropped.
#[must_use = "spans are lost when this is dropped early"]
pub struct Telemetry(Option<SdkTracerProvider>);

/// To be called once, before the server starts.
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

/// Whether `log.level` can be read, without starting anything.
pub fn check_level(level: &str) -> Result<(), TelemetryError> {
    filter(level).map(drop)
}

/// It warns of a parameter of the database's URL that it does not know, with its value: of `pasword=…`, the password.
const SHOWS_DATABASE_URL: &str = "sqlx_postgres::options::parse=off";
/// What Postgres remarks where something is there already, as at every start.
const REMARKS: &str = "sqlx::postgres::notice=error";

/// A word by itself is a level. The filter would take any other for the name of a module, and a misspelt level would
/// silence the server.
fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let words = level.split(',').map(str::trim).filter(|word| !word.is_empty() && !word.contains(['=', '[']));
    match words.into_iter().find(|word| word.parse::<LevelFilter>().is_err()) {
        Some(word) => Err(TelemetryError::NoLevel(word.to_owned())),
        None => {
            // Before what the operator says, which then counts.
            let directives = format!("{REMARKS},{level}");
            Ok(EnvFilter::builder().parse(directives)?.add_directive(SHOWS_DATABASE_URL.parse()?))
        }
    }
}

fn log(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = OnceAMinute::of_the_program();
    let text = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    if text {
        let colours = std::io::stderr().is_terminal();
        let format = Bounded::new(fmt::format().with_target(false), lines);
        fmt::layer().with_ansi(colours).event_format(format).with_writer(std::io::stderr).boxed()
    } else {
        let json = fmt::layer().fmt_fields(JsonMembers).event_format(Bounded::new(JsonLine, lines));
        json.with_writer(std::io::stderr).boxed()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the OTEL_* variables are a standard of their own, read where they are used"
)]
fn collector_is_named() -> bool {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let disabled = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    !disabled && (set("OTEL_EXPORTER_OTLP_ENDPOINT") || set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
}

/// Endpoint, headers, timeouts and resource attributes come from the variables; the service has a name without them too.
fn otlp() -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_http().build()?;
    let resource = Resource::builder().with_service_name("grantor").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take() {
            // At this point there is nobody left to tell.
            let _ = provider.shutdown();
        }
    }
}
