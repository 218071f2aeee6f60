//! Reads request bodies with limits on size, time and media type.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;

use crate::config::Config;
use crate::limits::intake::{Arrival, Arriving, IntakeError};

pub const JSON: &str = "application/json";
pub const JSON_API: &str = "application/vnd.api+json";
pub const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {max} bytes")]
    TooLarge { max: usize },
    #[error("the body is not sent as {name}: set the header Content-Type: {0}", name = name_of(.0))]
    ContentType(&'static str),
    #[error("the body is compressed: send it without Content-Encoding")]
    ContentEncoding,
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the body is incomplete")]
    Broken,
    #[error("too many request bodies are still arriving; retry in a second")]
    TooManyPending,
    #[error("the server is at its limit of concurrent requests; retry in a second")]
    Busy,
}

impl From<IntakeError> for BodyError {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::TooManyPending => Self::TooManyPending,
            IntakeError::Busy => Self::Busy,
        }
    }
}

/// The limits on one request body.
#[derive(Clone, Copy, Debug)]
pub struct BodyBounds {
    pub max_bytes: usize,
    pub timeout: Duration,
}

impl BodyBounds {
    pub fn of(config: &Config) -> Self {
        Self { max_bytes: config.http.max_body_bytes, timeout: config.http.header_timeout }
    }

    /// The same limits with the time that is left after `passed`.
    pub fn after(self, passed: Duration) -> Self {
        Self { timeout: self.timeout.saturating_sub(passed), ..self }
    }
}

/// Reads a body whose media type is one of `types`. Media types are compared without case and
/// parameters (RFC 9110 section 8.3.1). A body of another type is refused before it is read, which
/// keeps browser forms out of JSON endpoints.
pub async fn read(
    mut request: Request,
    types: &[&'static str],
    bounds: BodyBounds,
) -> Result<Bytes, BodyError> {
    check_kind(request.headers(), types)?;
    if content_length(request.headers()).is_some_and(|length| length > bounds.max_bytes as u64) {
        return Err(BodyError::TooLarge { max: bounds.max_bytes });
    }
    let mut arriving = Arriving::new(request.extensions_mut().remove::<Arrival>());
    let collecting = collect(request.into_body(), bounds.max_bytes, &mut arriving);
    let bytes = tokio::time::timeout(bounds.timeout, collecting)
        .await
        .unwrap_or(Err(BodyError::TooSlow))?;
    arriving.finish()?;
    Ok(bytes)
}

/// Copies a body that arrives in pieces into one buffer: each piece, however small, keeps a whole
/// read buffer alive.
async fn collect(body: Body, max: usize, arriving: &mut Arriving) -> Result<Bytes, BodyError> {
    let mut body = Limited::new(body, max);
    let mut bytes = BytesMut::new();
    loop {
        let frame = match body.frame().now_or_never() {
            Some(frame) => frame,
            None => {
                arriving.wait(bytes.len())?;
                body.frame().await
            }
        };
        let Some(frame) = frame else { return Ok(bytes.freeze()) };
        let Ok(data) = frame.map_err(|cause| broken(&*cause, max))?.into_data() else { continue };
        arriving.add(data.len())?;
        if bytes.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        bytes.extend_from_slice(&data);
    }
}

fn broken(cause: &(dyn std::error::Error + Send + Sync + 'static), max: usize) -> BodyError {
    if cause.is::<LengthLimitError>() { BodyError::TooLarge { max } } else { BodyError::Broken }
}

/// Whether `Content-Type` is `kind`, without case and parameters.
pub fn is_sent_as(headers: &HeaderMap, kind: &str) -> bool {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(kind)
}

fn check_kind(headers: &HeaderMap, types: &[&'static str]) -> Result<(), BodyError> {
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or_default());
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(BodyError::ContentEncoding);
    }
    match types.iter().any(|accepted| is_sent_as(headers, accepted)) {
        true => Ok(()),
        false => Err(BodyError::ContentType(types.first().copied().unwrap_or(JSON))),
    }
}

fn name_of(kind: &str) -> &'static str {
    if kind == FORM { "a form" } else { "JSON" }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
