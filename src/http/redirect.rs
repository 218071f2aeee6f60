//! Redirects to pages of this server and to clients.

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::http::error::PageError;

/// Redirects with 303. RFC 9700 section 4.12 forbids 307, which would forward a password.
pub fn see_other(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response(),
        Err(_) => PageError::Internal.into_response(),
    }
}
