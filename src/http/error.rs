//! One error enum per audience, each in a file of its own, with one exhaustive `match` to status, code and public text.
//! What happened inside is logged here, once, and never sent.

mod api;
mod oauth;
mod page;
mod strings;
mod token;

use axum::extract::Request;
use axum::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

pub use crate::http::error::api::{About, ApiError};
pub use crate::http::error::oauth::OAuthError;
pub use crate::http::error::page::{PageError, in_their_language, told as page_told};
pub use crate::http::error::strings::StringsError;
pub use crate::http::error::token::{BearerError, TokenEndpointError};

use crate::db::engine::error::DbError;
use crate::http::extract::browser::wants_a_page;
use crate::http::middleware::audience::Audience;
use crate::http::middleware::body;
use crate::http::middleware::body::BodyError;
use crate::http::middleware::rate_limit::TooManyRequests;
use crate::http::views::Language;

/// Seconds after which it is worth trying again when the database, or this server, has too much to do.
const COME_BACK_IN: u64 = 1;

/// What may be said of it to anybody.
fn told_of(cause: &DbError) -> &'static str {
    match cause {
        DbError::Shared(cause) => told_of(cause),
        DbError::Unavailable(_) | DbError::ConnectionLost(_) | DbError::TimedOut => {
            "the server cannot reach its database at the moment: try again in a second"
        }
        DbError::QueueFull => "the server has as many registrations waiting as it may: try again in a second",
        DbError::Conflict(_) => "another change of the same was under way: try again in a second",
        DbError::ReadOnly(_) => {
            "the database takes no writes at the moment: reading works, and its operator can end this"
        }
        DbError::TransactionPooling
        | DbError::Duplicate
        | DbError::Reference
        | DbError::Corrupt { .. }
        | DbError::Query(_) => INTERNAL,
    }
}

const INTERNAL: &str = "something went wrong inside the server: its operator finds the cause by the X-Request-Id";

impl IntoResponse for TooManyRequests {
    fn into_response(self) -> Response {
        let mut answer =
            (StatusCode::TOO_MANY_REQUESTS, axum::Json(json!({"errors": ["Too many requests"]}))).into_response();
        let numbers = [
            (RETRY_AFTER, self.reset),
            (HeaderName::from_static("x-ratelimit-limit"), u64::from(self.limit)),
            (HeaderName::from_static("x-ratelimit-period"), self.period),
            (HeaderName::from_static("x-ratelimit-remaining"), 0),
            (HeaderName::from_static("x-ratelimit-reset"), self.reset),
        ];
        answer.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        answer.headers_mut().extend(numbers.map(|(name, number)| (name, HeaderValue::from(number))));
        answer.extensions_mut().insert(self.class);
        answer
    }
}

impl BodyError {
    fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentType(_) | Self::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::TooManyPending | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What a path answers that exists for other methods: OPTIONS asks for just this.
pub fn method_not_allowed(method: &Method, path: &str, allow: &'static str) -> Response {
    let mut answer = match Audience::of(path) {
        _ if method == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Audience::OAuth => OAuthError::Method.into_response(),
        Audience::Page => PageError::Method.into_response(),
        audience => ApiError::Method.told_to(audience),
    };
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

/// Told as whoever asks can read it: people come to addresses that do not exist, too.
pub fn not_found(request: &Request) -> Response {
    let (method, headers) = (request.method(), request.headers());
    match Audience::of(request.uri().path()) {
        Audience::OAuth => OAuthError::NotFound.into_response(),
        Audience::Page | Audience::Strings if wants_a_page(method, headers) => {
            page_told(&PageError::NotFound, true, Language::of(headers), request.extensions().get())
        }
        audience => ApiError::NotFound.told_to(audience),
    }
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub const JSON_API: HeaderValue = HeaderValue::from_static(body::JSON_API);

fn tell_when_to_come_back(answer: &mut Response) {
    if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(COME_BACK_IN));
    }
}

fn log(status: StatusCode, cause: &DbError) {
    if status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::warn!(error = %cause, "the database could not be used");
    } else {
        tracing::error!(error = %cause, "the database refused what this server asked");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_the_database_cannot_do_at_the_moment_is_told_as_what_it_is_and_the_rest_is_not_told() {
        let shared = |cause| DbError::Shared(Arc::new(cause));
        let cases = [
            (DbError::TimedOut, "cannot reach its database", true),
            (shared(DbError::TimedOut), "cannot reach its database", true),
            (DbError::QueueFull, "as many registrations waiting as it may", true),
            (DbError::Conflict(sqlx_error()), "another change of the same", true),
            (shared(DbError::ReadOnly(sqlx_error())), "takes no writes", true),
            (DbError::Query(sqlx_error()), INTERNAL, false),
            (DbError::Duplicate, INTERNAL, false),
        ];
        for (cause, words, transient) in cases {
            assert!(told_of(&cause).contains(words), "{cause:?}");
            assert_eq!(cause.is_transient(), transient, "{cause:?}");
        }
    }

    fn sqlx_error() -> sqlx::Error {
        sqlx::Error::RowNotFound
    }
}
