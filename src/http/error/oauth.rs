//! Errors of the registration endpoint: `{"error", "error_description"}` (RFC 6749 section 5.2,
//! RFC 7591 section 3.2.2).

use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::actions::clients::register::RegisterError;
use crate::http::error::{INTERNAL, NO_STORE, add_retry_after, log, public_text};
use crate::http::middleware::body::BodyError;
use crate::http::middleware::rate_limit::TooManyRequests;
use crate::rules::client::metadata::{MetadataError, UnreadableBody};

#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Unreadable(#[from] UnreadableBody),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error("too many requests")]
    RateLimited(TooManyRequests),
    #[error("there is nothing at this path")]
    NotFound,
    #[error("method not allowed")]
    Method,
}

impl OAuthError {
    /// The registered error code, for responses and for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Body(BodyError::TooManyPending | BodyError::Busy) => "temporarily_unavailable",
            Self::Body(_) | Self::Unreadable(_) | Self::NotFound | Self::Method => "invalid_request",
            Self::Metadata(_) | Self::Register(RegisterError::Taken) => "invalid_client_metadata",
            Self::Register(RegisterError::Db(cause)) if cause.is_transient() => "temporarily_unavailable",
            Self::Register(RegisterError::Db(_) | RegisterError::Unwritable(_)) => "server_error",
            Self::RateLimited(_) => "rate_limited",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Body(error) => error.status(),
            Self::Unreadable(_) | Self::Metadata(_) | Self::Register(RegisterError::Taken) => StatusCode::BAD_REQUEST,
            Self::Register(RegisterError::Db(cause)) if cause.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Register(RegisterError::Db(_) | RegisterError::Unwritable(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn description(&self) -> String {
        match self {
            Self::Body(error) => error.to_string(),
            Self::Unreadable(error) => error.to_string(),
            Self::Metadata(error) => error.to_string(),
            Self::Register(RegisterError::Taken) => {
                "this metadata cannot be registered as it is: change client_name and try again".to_owned()
            }
            Self::Register(RegisterError::Db(cause)) => public_text(cause).to_owned(),
            Self::Register(RegisterError::Unwritable(_)) => INTERNAL.to_owned(),
            Self::RateLimited(_) => "too many requests".to_owned(),
            Self::NotFound => "there is nothing at this path".to_owned(),
            Self::Method => "this method is not allowed here: the Allow header lists the allowed methods".to_owned(),
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        if let Self::RateLimited(refusal) = self {
            return refusal.into_response();
        }
        let status = self.status();
        match &self {
            Self::Register(RegisterError::Db(cause)) => log(status, cause),
            Self::Register(RegisterError::Unwritable(cause)) => {
                tracing::error!(error = %cause, "accepted client metadata could not be serialized");
            }
            _ => {}
        }
        let body = json!({"error": self.code(), "error_description": self.description()});
        let mut response = (status, [(CACHE_CONTROL, NO_STORE)], axum::Json(body)).into_response();
        add_retry_after(&mut response);
        response
    }
}
