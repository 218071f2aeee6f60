//! The request that a task handles. Every log line of the task shows it.
//!
//! A span would show it too, but it costs as much as all other middleware together, because its
//! fields are formatted for every request, whether or not a line is logged. So there is a span only
//! if spans are exported.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde::Serialize;
use tokio::task::futures::TaskLocalFuture;
use tracing::{Event, Span, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::random::RequestId;
use crate::telemetry::spans_are_exported;

/// Serializes to the `span` member of a JSON line.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CurrentRequest {
    #[serde(rename = "request.id")]
    pub id: RequestId,
    pub method: &'static str,
    pub route: &'static str,
    pub address: IpAddr,
    pub name: SpanName,
}

/// The name of the only span.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanName {
    #[default]
    Request,
}

tokio::task_local! {
    static CURRENT: CurrentRequest;
}

impl CurrentRequest {
    /// Runs the handler of the request.
    pub fn scope<F: Future>(self, handler: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self, handler)
    }

    #[cfg(test)]
    pub fn sync_scope<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }

    /// The request of this task, if it handles one.
    pub fn with<T>(read: impl FnOnce(&Self) -> T) -> Option<T> {
        CURRENT.try_with(read).ok()
    }

    /// A disabled span, unless spans are exported.
    pub fn span(&self) -> Span {
        if !spans_are_exported() {
            return Span::none();
        }
        tracing::info_span!(
            "request",
            request.id = self.id.as_str(),
            method = self.method,
            route = self.route,
            address = %self.address,
        )
    }
}

/// Formats a line with `inner` and adds the current request to it.
pub struct WithRequest<F> {
    inner: F,
    add: fn(&mut String, &CurrentRequest),
}

impl<F> WithRequest<F> {
    pub const fn as_text(inner: F) -> Self {
        Self { inner, add: add_as_text }
    }

    pub const fn as_json(inner: F) -> Self {
        Self { inner, add: add_as_json }
    }
}

impl<S, N, F> FormatEvent<S, N> for WithRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        CurrentRequest::with(|request| (self.add)(&mut line, request));
        writer.write_str(&line)
    }
}

fn add_as_text(line: &mut String, request: &CurrentRequest) {
    let CurrentRequest { id, method, route, address, .. } = request;
    line.truncate(line.trim_end_matches('\n').len());
    // Writing into a String does not fail.
    let _ = writeln!(line, " request.id={id} method={method} route={route} address={address}");
}

/// The line is an object, so a member can be added before its closing brace.
fn add_as_json(line: &mut String, request: &CurrentRequest) {
    if let (Some(open), Ok(request)) = (line.strip_suffix("}\n"), serde_json::to_string(request)) {
        line.truncate(open.len());
        // Writing into a String does not fail.
        let _ = writeln!(line, ",\"span\":{request}}}");
    }
}
