//! One error enum per audience, each with one exhaustive `match` to status, code and public text. What happened inside is
//! logged here, once, and never sent.

use axum::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::audience::Audience;
use super::body::{self, BodyError};
use super::rate_limit::TooManyRequests;
use crate::actions::{RegisterError, RestrictScopesError};
use crate::db::DbError;
use crate::oauth::client_metadata::{MetadataError, UnreadableBody};
use crate::oauth::permission::Permission;
use crate::oauth::scopes_restriction::RestrictionError;

/// Seconds after which it is worth trying again when the database, or this server, has too much to do.
const COME_BACK_IN: u64 = 1;

/// Told to OAuth clients: RFC 6749 section 5.2, RFC 7591 section 3.2.2.
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
    #[error("this path does not take this method")]
    Method,
}

impl OAuthError {
    /// The registered error code, for answers and for metrics.
    pub fn code(&self) -> &'static str {
        match self {
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
            Self::Register(RegisterError::Db(cause)) => told_of(cause).to_owned(),
            Self::Register(RegisterError::Unwritable(_)) => INTERNAL.to_owned(),
            Self::RateLimited(_) => "too many requests".to_owned(),
            Self::NotFound => "there is nothing at this path".to_owned(),
            Self::Method => "this path does not take this method: the Allow header names those it takes".to_owned(),
        }
    }
}

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
        DbError::Duplicate | DbError::Reference | DbError::Corrupt { .. } | DbError::Query(_) => INTERNAL,
    }
}

const INTERNAL: &str = "something went wrong inside the server: its operator finds the cause by the X-Request-Id";

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        if let Self::RateLimited(refusal) = self {
            return refusal.into_response();
        }
        let status = self.status();
        match &self {
            Self::Register(RegisterError::Db(cause)) => log(status, cause),
            Self::Register(RegisterError::Unwritable(cause)) => {
                tracing::error!(error = %cause, "metadata that was accepted cannot be written");
            }
            _ => {}
        }
        let body = json!({"error": self.code(), "error_description": self.description()});
        let mut answer = (status, [(CACHE_CONTROL, NO_STORE)], axum::Json(body)).into_response();
        tell_when_to_come_back(&mut answer);
        answer
    }
}

/// Told to operators' clients, in the shape of the group that the path belongs to.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error(transparent)]
    Body(#[from] BodyError),
    /// No credential, or a token that is none.
    #[error("no credential")]
    Unauthorized,
    /// Keys that name nobody.
    #[error("unknown or revoked keys")]
    UnknownKeys,
    #[error("the role of this user lacks a permission")]
    Lacks(Permission),
    #[error("{detail}")]
    BadRequest { detail: String, about: About },
    #[error(transparent)]
    Restriction(#[from] RestrictionError),
    #[error("there is no such client")]
    NoSuchClient,
    #[error("there is nothing at this path")]
    NotFound,
    #[error("this path does not take this method")]
    Method,
    #[error("the state has moved since the preview")]
    Moved,
    #[error("too many requests")]
    RateLimited(TooManyRequests),
    #[error("{0}")]
    Db(#[from] DbError),
    #[error("the server is full")]
    Busy,
    #[error("the server waits for its database")]
    Starting,
    #[error("the request took too long")]
    TookTooLong,
    #[error("a panic was caught")]
    Panicked,
}

/// What of the request an error is about: `source` of a JSON:API error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    Pointer(String),
    Parameter(&'static str),
    Header(&'static str),
    Path(&'static str),
}

impl From<RestrictScopesError> for ApiError {
    fn from(error: RestrictScopesError) -> Self {
        match error {
            RestrictScopesError::NoSuchClient => Self::NoSuchClient,
            RestrictScopesError::Moved => Self::Moved,
            RestrictScopesError::Db(cause) => Self::Db(cause),
        }
    }
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(error) => error.status(),
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::UnknownKeys | Self::Lacks(_) => StatusCode::FORBIDDEN,
            Self::BadRequest { .. } | Self::Restriction(_) => StatusCode::BAD_REQUEST,
            Self::NoSuchClient | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Moved => StatusCode::CONFLICT,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Db(cause) if cause.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Busy | Self::Starting | Self::TookTooLong => StatusCode::SERVICE_UNAVAILABLE,
            Self::Db(_) | Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Body(error) => error.to_string(),
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::UnknownKeys => "Forbidden".to_owned(),
            Self::Lacks(permission) => {
                let name = permission.as_str();
                format!(
                    "the role of this user lacks the permission {name}: someone with another role in the organisation has to do this"
                )
            }
            Self::BadRequest { detail, .. } => detail.clone(),
            Self::Restriction(error) => error.to_string(),
            Self::NoSuchClient => "there is no client with this id".to_owned(),
            Self::NotFound => "there is nothing at this path".to_owned(),
            Self::Method => "this path does not take this method: the Allow header names those it takes".to_owned(),
            Self::Moved => {
                "the restriction is not the one that the preview with this digest looked at: preview it again"
                    .to_owned()
            }
            Self::RateLimited(_) => "Too many requests".to_owned(),
            Self::Db(cause) => told_of(cause).to_owned(),
            Self::Busy => "the server has as many requests in hand as it may: try again in a second".to_owned(),
            Self::Starting => "the server is starting and waits for its database: try again in a second".to_owned(),
            Self::TookTooLong => "the request took longer than the server allows".to_owned(),
            Self::Panicked => INTERNAL.to_owned(),
        }
    }

    fn source(&self) -> Option<Value> {
        match self {
            Self::BadRequest { about: About::Pointer(pointer), .. } => Some(json!({"pointer": pointer})),
            Self::BadRequest { about: About::Parameter(name) | About::Path(name), .. } => {
                Some(json!({"parameter": name}))
            }
            Self::BadRequest { about: About::Header(name), .. } => Some(json!({"header": name})),
            Self::Restriction(error) => Some(json!({"pointer": error.pointer()})),
            _ => None,
        }
    }

    /// Failed credentials and too many requests are told as plain strings everywhere.
    fn is_always_strings(&self) -> bool {
        matches!(self, Self::Unauthorized | Self::UnknownKeys | Self::RateLimited(_))
    }

    /// In the shape of an audience. Errors of the edge have no audience of their own and take the path's.
    pub fn told_to(self, audience: Audience) -> Response {
        if let Self::RateLimited(refusal) = self {
            return refusal.into_response();
        }
        let status = self.status();
        if let Self::Db(cause) = &self {
            log(status, cause);
        }
        let (content_type, body) = match audience {
            Audience::JsonApi if !self.is_always_strings() => (JSON_API, json!({"errors": [self.as_item(status)]})),
            Audience::OAuth if !self.is_always_strings() => {
                (JSON, json!({"error": oauth_code(status), "error_description": self.detail()}))
            }
            Audience::Strings | Audience::JsonApi | Audience::OAuth => (JSON, json!({"errors": [self.detail()]})),
        };
        let mut answer = (status, body.to_string()).into_response();
        answer.headers_mut().insert(axum::http::header::CONTENT_TYPE, content_type);
        answer.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        if status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"grantor\""));
        }
        tell_when_to_come_back(&mut answer);
        answer
    }

    fn as_item(&self, status: StatusCode) -> Value {
        let mut item = json!({
            "status": status.as_str(),
            "title": status.canonical_reason().unwrap_or("Error"),
            "detail": self.detail(),
        });
        if let (Some(source), Some(members)) = (self.source(), item.as_object_mut()) {
            members.insert("source".to_owned(), source);
        }
        item
    }
}

fn oauth_code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    }
}

/// JSON:API, which is what this enum's endpoints speak so far.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.told_to(Audience::JsonApi)
    }
}

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
            Self::ContentType | Self::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// What a path answers that exists for other methods: OPTIONS asks for just this.
pub fn method_not_allowed(method: &Method, path: &str, allow: &'static str) -> Response {
    let mut answer = match Audience::of(path) {
        _ if method == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Audience::OAuth => OAuthError::Method.into_response(),
        audience => ApiError::Method.told_to(audience),
    };
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

pub fn not_found(path: &str) -> Response {
    match Audience::of(path) {
        Audience::OAuth => OAuthError::NotFound.into_response(),
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
