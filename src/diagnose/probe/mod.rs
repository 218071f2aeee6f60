//! Sends requests as clients do, for `grantor selftest` and `grantor doctor`.

mod cors;
mod difference;
mod html;
mod metadata;

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

pub use crate::diagnose::probe::cors::{ORIGIN, preflight};
pub use crate::diagnose::probe::difference::difference;
pub use crate::diagnose::probe::html::unescaped;
pub use crate::diagnose::probe::metadata::{faults, faults_as_openid, text};
use crate::outgoing::{Bounds, Fetched, Method, Outgoing, OutgoingError, Request};

/// Hosted Claude uses the same timeout for discovery, registration and tokens.
const BOUNDS: Bounds = Bounds { bytes: 1024 * 1024, time: Duration::from_secs(10) };

/// A fault, and the clients that it affects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub message: String,
    pub affects: &'static str,
}

impl Fault {
    pub fn new(message: impl Into<String>, affects: &'static str) -> Self {
        Self { message: message.into(), affects }
    }
}

pub const ALL_CLIENTS: &str = "every client: Claude, Cursor, VS Code, Codex, Inspector";

/// Escapes a text to one line without control sequences.
pub fn one_line(text: &str) -> String {
    text.escape_debug().to_string().replace("\\'", "'")
}

#[derive(Clone)]
pub struct Probe(Outgoing);

/// A response with any status.
pub struct Response {
    pub status: u16,
    pub body: Bytes,
    fetched: Fetched,
}

impl Probe {
    pub fn for_operator() -> Self {
        Self(Outgoing::for_operator())
    }

    pub async fn get(
        &self,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response, OutgoingError> {
        self.send(Request { method: Method::Get, url, headers, body: "" }).await
    }

    pub async fn options(
        &self,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response, OutgoingError> {
        self.send(Request { method: Method::Options, url, headers, body: "" }).await
    }

    pub async fn post_json(&self, url: &str, body: &Value) -> Result<Response, OutgoingError> {
        let headers = &[
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        self.send(Request { method: Method::Post, url, headers, body: &body.to_string() }).await
    }

    pub async fn post_form(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        pairs: &[(&str, &str)],
    ) -> Result<Response, OutgoingError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let form = ("content-type", "application/x-www-form-urlencoded");
        let headers: Vec<_> = [form].into_iter().chain(headers.iter().copied()).collect();
        self.send(Request { method: Method::Post, url, headers: &headers, body: &body }).await
    }

    /// Omits headers without a value, such as the cookies of a browser that has none.
    async fn send(&self, request: Request<'_>) -> Result<Response, OutgoingError> {
        let headers: Vec<_> =
            request.headers.iter().copied().filter(|(_, value)| !value.is_empty()).collect();
        let fetched = self.0.send(Request { headers: &headers, ..request }, BOUNDS).await?;
        Ok(Response { status: fetched.status, body: fetched.body.clone(), fetched })
    }
}

impl Response {
    pub fn header(&self, name: &str) -> Option<String> {
        self.fetched.header(name)
    }

    pub fn header_lines(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fetched.header_lines(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether the body and the content type are JSON, because clients check both.
    pub fn is_json(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default();
        kind.starts_with("application/json") && self.json().is_some()
    }

    pub fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }

    /// The `error` member of an OAuth error.
    pub fn error(&self) -> Option<String> {
        self.json()?.get("error")?.as_str().map(str::to_owned)
    }

    /// The status and the beginning of the body on one line. For a page, only its title.
    pub fn summary(&self) -> String {
        let status = self.status;
        let text = self.text();
        if let Some(location) = self.header("location") {
            return format!("{status} to {}", location.escape_debug());
        }
        if html::is_page(&self.header("content-type").unwrap_or_default(), &text) {
            return match html::title(&text) {
                Some(title) => format!("{status} with the page \"{}\"", one_line(&title)),
                None => format!("{status} with a page that has no title"),
            };
        }
        let text: String =
            text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect();
        if text.is_empty() {
            format!("{status}")
        } else {
            format!("{status}: {}", text.escape_debug())
        }
    }
}
