//! One error enum per audience, each in its own file. One exhaustive match per enum yields the
//! status, the code and the public text. Private causes are logged when the response is made, and
//! never sent.

mod api;
mod keys;
mod oauth;
mod page;
mod people;
mod publishing;
mod webhooks;

use axum::extract::Request;
use axum::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

pub use crate::http::error::api::{ApiError, Source, shaped_for};
pub use crate::http::error::oauth::OAuthError;
pub use crate::http::error::page::{PageError, page_response, render_page_errors};

use crate::db::engine::error::DbError;
use crate::http::headers::accept::{preferred_language, wants_a_page};
use crate::http::middleware::audience::Audience;
use crate::http::middleware::body;
use crate::http::middleware::body::BodyError;
use crate::limits::rate_limit::TooManyRequests;

/// The `Retry-After` of a 503: seconds until a retry may succeed.
const RETRY_AFTER_SECONDS: u64 = 1;

const INTERNAL: &str = "internal server error; the operator can find the cause by the X-Request-Id";
const OVERLOADED: &str = "the server is overloaded; retry in a second";
const TOO_MANY: &str = "Too many requests";
const NOTHING_HERE: &str = "there is nothing at this path";
const METHOD: &str = "this method is not allowed here: the Allow header lists the allowed methods";

/// The status for a database error, and a text that is safe to send to any client.
fn of_database(cause: &DbError) -> (StatusCode, &'static str) {
    let text = match cause {
        DbError::Shared(cause) => return of_database(cause),
        DbError::Unavailable(_) | DbError::ConnectionLost(_) | DbError::TimedOut => {
            "the server cannot reach its database; retry in a second"
        }
        DbError::QueueFull => "the registration queue is full; retry in a second",
        DbError::Conflict(_) => "another request is changing the same data; retry in a second",
        DbError::ReadOnly(_) => {
            "the database does not accept writes; reads still work, and the operator can fix this"
        }
        DbError::TransactionPooling
        | DbError::Duplicate
        | DbError::Reference
        | DbError::Corrupt { .. }
        | DbError::Query(_) => return (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL),
    };
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

impl IntoResponse for TooManyRequests {
    fn into_response(self) -> Response {
        let mut response =
            (StatusCode::TOO_MANY_REQUESTS, axum::Json(json!({"errors": [TOO_MANY]})))
                .into_response();
        let numbers = [
            (RETRY_AFTER, self.reset),
            (HeaderName::from_static("x-ratelimit-limit"), u64::from(self.limit)),
            (HeaderName::from_static("x-ratelimit-period"), self.period),
            (HeaderName::from_static("x-ratelimit-remaining"), 0),
            (HeaderName::from_static("x-ratelimit-reset"), self.reset),
        ];
        response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        response
            .headers_mut()
            .extend(numbers.map(|(name, number)| (name, HeaderValue::from(number))));
        response.extensions_mut().insert(self.class);
        response
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

/// The response of an existing path to another method. OPTIONS gets 204 with the same `Allow`
/// header.
pub fn method_not_allowed(method: &Method, audience: Audience, allow: &str) -> Response {
    let mut response = match audience {
        _ if method == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Audience::OAuth => OAuthError::Method.into_response(),
        Audience::Page => PageError::Method.into_response(),
        audience => ApiError::Method.response_for(audience),
    };
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// The 404 of an unknown path, in the shape of its audience. Browsers get a page, since people
/// mistype addresses.
pub fn not_found(request: &Request) -> Response {
    let method = request.method();
    let headers = request.headers();
    match Audience::of_unknown(request.uri().path()) {
        Audience::OAuth => OAuthError::NotFound.into_response(),
        Audience::Page | Audience::Strings if wants_a_page(method, headers) => page_response(
            &PageError::NotFound,
            true,
            preferred_language(headers),
            request.extensions().get(),
        ),
        audience => ApiError::NotFound.response_for(audience),
    }
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub const JSON_API: HeaderValue = HeaderValue::from_static(body::JSON_API);

fn add_retry_after(response: &mut Response) {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
}

fn log_database(status: StatusCode, cause: &DbError) {
    if status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::warn!(error = %cause, "the database is unavailable");
    } else {
        tracing::error!(error = %cause, "a database query failed");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn transient_database_errors_have_their_own_text_and_other_errors_do_not() {
        let shared = |cause| DbError::Shared(Arc::new(cause));
        let cases = [
            (DbError::TimedOut, "cannot reach its database", true),
            (shared(DbError::TimedOut), "cannot reach its database", true),
            (DbError::QueueFull, "the registration queue is full", true),
            (DbError::Conflict(sqlx_error()), "another request is changing the same data", true),
            (shared(DbError::ReadOnly(sqlx_error())), "does not accept writes", true),
            (DbError::Query(sqlx_error()), INTERNAL, false),
            (DbError::Duplicate, INTERNAL, false),
        ];
        for (cause, text, transient) in cases {
            let (status, sent) = of_database(&cause);
            assert!(sent.contains(text), "{cause:?}");
            assert_eq!(status == StatusCode::SERVICE_UNAVAILABLE, transient, "{cause:?}");
            assert_eq!(cause.is_transient(), transient, "{cause:?}");
        }
    }

    fn sqlx_error() -> sqlx::Error {
        sqlx::Error::RowNotFound
    }
}
