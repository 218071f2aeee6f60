//! Reads the body of a JSON request, within bounds of size, time and kind.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;

use crate::http::middleware::intake::{Arrival, Arriving};

pub const JSON: &str = "application/json";
pub const JSON_API: &str = "application/vnd.api+json";
pub const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {most} bytes")]
    TooLarge { most: usize },
    #[error("the body is not sent as {name}: set the header Content-Type: {0}", name = name_of(.0))]
    ContentType(&'static str),
    #[error("the body is sent compressed: leave Content-Encoding out")]
    ContentEncoding,
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the body did not arrive whole")]
    Broken,
    #[error("too many request bodies are still arriving: try again in a second")]
    TooManyPending,
    #[error("the server has as many requests in hand as it may: try again in a second")]
    Busy,
}

/// Bounds on one body.
#[derive(Clone, Copy, Debug)]
pub struct BodyBounds {
    pub most: usize,
    pub within: Duration,
}

impl BodyBounds {
    /// What remains of the time when so much of it has passed.
    pub fn after(self, passed: Duration) -> Self {
        Self { within: self.within.saturating_sub(passed), ..self }
    }
}

/// The bytes of a body that is sent as one of `types`. Media types are compared without case and parameters (RFC 9110
/// section 8.3.1). A body of another type is refused unread, which keeps browser forms out.
pub async fn read(mut request: Request, types: &[&'static str], bounds: BodyBounds) -> Result<Bytes, BodyError> {
    check_kind(request.headers(), types)?;
    if announced_length(request.headers()).is_some_and(|length| length > bounds.most as u64) {
        return Err(BodyError::TooLarge { most: bounds.most });
    }
    let mut arriving = Arriving::new(request.extensions_mut().remove::<Arrival>());
    let whole = collect(request.into_body(), bounds.most, &mut arriving);
    let bytes = tokio::time::timeout(bounds.within, whole).await.unwrap_or(Err(BodyError::TooSlow))?;
    arriving.finish()?;
    Ok(bytes)
}

/// A body that arrives in pieces is copied together: each piece keeps a whole read buffer alive, however small it is.
async fn collect(body: Body, most: usize, arriving: &mut Arriving) -> Result<Bytes, BodyError> {
    let mut body = Limited::new(body, most);
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
        let Ok(data) = frame.map_err(|cause| broken(&*cause, most))?.into_data() else { continue };
        arriving.add(data.len())?;
        if bytes.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        bytes.extend_from_slice(&data);
    }
}

fn broken(cause: &(dyn std::error::Error + Send + Sync + 'static), most: usize) -> BodyError {
    if cause.is::<LengthLimitError>() { BodyError::TooLarge { most } } else { BodyError::Broken }
}

/// Whether the header says so, without case and parameters.
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

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
