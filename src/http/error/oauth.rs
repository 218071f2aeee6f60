//! Errors of the OAuth endpoints: `{"error", "error_description"}` (RFC 6749 section 5.2, RFC 7591
//! section 3.2.2, RFC 7009 section 2.2.1, RFC 7662 section 2.3, RFC 6750 section 3.1). No member is
//! ever null: some clients fail on null and do not recover.

use std::borrow::Cow;

use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::actions::clients::find::FindClientError;
use crate::actions::clients::register::RegisterError;
use crate::actions::tokens::error::TokenError;
use crate::db::engine::error::DbError;
use crate::http::error::{
    INTERNAL, METHOD, NO_STORE, NOTHING_HERE, OVERLOADED, TOO_MANY, add_retry_after, log_database,
    of_database,
};
use crate::http::middleware::body::BodyError;
use crate::limits::rate_limit::TooManyRequests;
use crate::rules::client::metadata_error::MetadataError;
use crate::rules::client::raw_metadata::UnreadableBody;
use crate::rules::syntax::parameters::ParametersError;
use crate::rules::token::request::{TokenError as Code, TokenRefusal};
use crate::signing::SigningError;

#[derive(Debug)]
pub enum OAuthError {
    Body(BodyError),
    /// Like `Body`, but a wrong media type is 400, as RFC 6749 section 5.2 requires.
    Form(BodyError),
    Unreadable(UnreadableBody),
    Metadata(MetadataError),
    /// Another client has the id of this metadata.
    MetadataTaken,
    Unwritable(serde_json::Error),
    Refused(TokenRefusal),
    /// The reason why the document of the client cannot be used.
    Document(String),
    /// A client without a secret sent an `Authorization` header.
    Authenticated,
    /// A confidential client sent no secret, or one that does not work.
    BadClientSecret,
    TwoCredentials,
    /// The header and the body name different clients.
    TwoClients,
    SecretInUrl,
    UnknownResource,
    NoAccessToken,
    /// The access token is unknown, expired or revoked.
    BadAccessToken,
    /// The access token lacks this scope.
    LacksScope(&'static str),
    RateLimited(TooManyRequests),
    Busy,
    Signing(SigningError),
    Db(DbError),
    NotFound,
    Method,
}

impl OAuthError {
    /// The registered error code, for metrics.
    pub fn code(&self) -> &'static str {
        let (_, code, _) = self.response();
        code
    }

    /// The status, the `error` and the `error_description`.
    fn response(&self) -> (StatusCode, &'static str, Cow<'_, str>) {
        match self {
            Self::Form(error @ (BodyError::ContentType(_) | BodyError::ContentEncoding)) => {
                (BAD_REQUEST, INVALID_REQUEST, error.to_string().into())
            }
            Self::Body(error) | Self::Form(error) => with_code(error.status(), error.to_string()),
            Self::Unreadable(error) => (BAD_REQUEST, INVALID_REQUEST, error.to_string().into()),
            Self::Metadata(error) => (BAD_REQUEST, INVALID_METADATA, error.to_string().into()),
            Self::MetadataTaken => (BAD_REQUEST, INVALID_METADATA, METADATA_TAKEN.into()),
            Self::Refused(refusal) => {
                (status_of(refusal.code()), refusal.code().as_str(), refusal.to_string().into())
            }
            Self::Document(reason) => (
                UNAUTHORIZED,
                INVALID_CLIENT,
                format!("the document of this client cannot be used: {reason}").into(),
            ),
            Self::Authenticated => (UNAUTHORIZED, INVALID_CLIENT, AUTHENTICATED.into()),
            Self::BadClientSecret => {
                (UNAUTHORIZED, INVALID_CLIENT, "client authentication failed".into())
            }
            Self::TwoClients => (BAD_REQUEST, INVALID_REQUEST, TWO_CLIENTS.into()),
            Self::SecretInUrl => (BAD_REQUEST, INVALID_REQUEST, SECRET_IN_URL.into()),
            Self::TwoCredentials => (BAD_REQUEST, INVALID_REQUEST, TWO_CREDENTIALS.into()),
            Self::UnknownResource => (UNAUTHORIZED, INVALID_CLIENT, UNKNOWN_RESOURCE.into()),
            Self::NoAccessToken => {
                (UNAUTHORIZED, INVALID_REQUEST, "the access token is missing".into())
            }
            Self::BadAccessToken => (
                UNAUTHORIZED,
                "invalid_token",
                "the access token is unknown, expired or revoked".into(),
            ),
            Self::LacksScope(scope) => {
                let text = format!("the access token lacks the scope {scope}");
                (StatusCode::FORBIDDEN, "insufficient_scope", text.into())
            }
            Self::RateLimited(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "rate_limited", TOO_MANY.into())
            }
            Self::Busy => with_code(StatusCode::SERVICE_UNAVAILABLE, OVERLOADED),
            Self::Db(cause) => {
                let (status, text) = of_database(cause);
                with_code(status, text)
            }
            Self::Signing(_) | Self::Unwritable(_) => {
                with_code(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL)
            }
            Self::NotFound => (StatusCode::NOT_FOUND, INVALID_REQUEST, NOTHING_HERE.into()),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, INVALID_REQUEST, METHOD.into()),
        }
    }

    /// The `WWW-Authenticate` header: RFC 6749 section 5.2 for resource servers and clients, RFC
    /// 6750 section 3 for access tokens.
    fn challenge(&self) -> Option<HeaderValue> {
        match self {
            Self::Authenticated | Self::BadClientSecret | Self::UnknownResource => {
                Some(HeaderValue::from_static("Basic realm=\"grantor\""))
            }
            Self::NoAccessToken => Some(HeaderValue::from_static("Bearer realm=\"grantor\"")),
            Self::BadAccessToken => {
                Some(HeaderValue::from_static("Bearer realm=\"grantor\", error=\"invalid_token\""))
            }
            Self::LacksScope(scope) => {
                let text = format!(
                    "Bearer realm=\"grantor\", error=\"insufficient_scope\", scope=\"{scope}\""
                );
                HeaderValue::from_str(&text).ok()
            }
            _ => None,
        }
    }

    fn log(&self, status: StatusCode, code: &str, text: &str) {
        match self {
            Self::Db(cause) => log_database(status, cause),
            Self::Signing(cause) => tracing::error!(error = %cause, "a token could not be signed"),
            Self::Unwritable(cause) => {
                tracing::error!(error = %cause, "accepted client metadata could not be serialized");
            }
            Self::NotFound | Self::Method => {}
            _ => tracing::info!(error = code, reason = text, "a client request was refused"),
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        if let Self::RateLimited(refusal) = self {
            return refusal.into_response();
        }
        let (status, code, text) = self.response();
        self.log(status, code, &text);
        let body = json!({"error": code, "error_description": text});
        let mut response = (status, [(CACHE_CONTROL, NO_STORE)], axum::Json(body)).into_response();
        if let Some(challenge) = self.challenge() {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        add_retry_after(&mut response);
        response
    }
}

const BAD_REQUEST: StatusCode = StatusCode::BAD_REQUEST;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

const INVALID_REQUEST: &str = Code::InvalidRequest.as_str();
const INVALID_CLIENT: &str = Code::InvalidClient.as_str();
const INVALID_METADATA: &str = "invalid_client_metadata";

const METADATA_TAKEN: &str =
    "this metadata cannot be registered as it is: change client_name and try again";
const AUTHENTICATED: &str =
    "this client has no secret, so it does not authenticate: leave the Authorization header out";
const TWO_CREDENTIALS: &str =
    "send the secret in one way only: in the Authorization header, or as client_secret";
const TWO_CLIENTS: &str =
    "client_id is not the one in the Authorization header: send it in one place only";
const SECRET_IN_URL: &str =
    "client_secret must not be in the URL: send it in the Authorization header or in the body";
const UNKNOWN_RESOURCE: &str =
    "no resource server has this secret: create one with grantor resource create";

/// The code for an error that has no code of its own.
pub(super) fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => INVALID_REQUEST,
    }
}

fn with_code<'a>(
    status: StatusCode,
    text: impl Into<Cow<'a, str>>,
) -> (StatusCode, &'static str, Cow<'a, str>) {
    (status, code_of(status), text.into())
}

const fn status_of(code: Code) -> StatusCode {
    match code {
        Code::InvalidClient => StatusCode::UNAUTHORIZED,
        Code::InvalidRequest
        | Code::InvalidGrant
        | Code::UnauthorizedClient
        | Code::UnsupportedGrantType
        | Code::InvalidScope
        | Code::InvalidTarget => StatusCode::BAD_REQUEST,
    }
}

impl From<BodyError> for OAuthError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<UnreadableBody> for OAuthError {
    fn from(error: UnreadableBody) -> Self {
        Self::Unreadable(error)
    }
}

impl From<MetadataError> for OAuthError {
    fn from(error: MetadataError) -> Self {
        Self::Metadata(error)
    }
}

impl From<RegisterError> for OAuthError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Taken => Self::MetadataTaken,
            RegisterError::Unwritable(cause) => Self::Unwritable(cause),
            RegisterError::Db(cause) => Self::Db(cause),
        }
    }
}

impl From<ParametersError> for OAuthError {
    fn from(error: ParametersError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<TokenRefusal> for OAuthError {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<TokenError> for OAuthError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused(refusal) => Self::Refused(refusal),
            TokenError::Busy => Self::Busy,
            TokenError::Signing(cause) => Self::Signing(cause),
            TokenError::Db(cause) => Self::Db(cause),
        }
    }
}

impl From<FindClientError> for OAuthError {
    fn from(error: FindClientError) -> Self {
        match error {
            FindClientError::Unknown => Self::Refused(TokenRefusal::UnknownClient),
            FindClientError::Document(reason) => Self::Document(reason),
            FindClientError::Busy => Self::Busy,
            FindClientError::Db(cause) => Self::Db(cause),
        }
    }
}

impl From<DbError> for OAuthError {
    fn from(cause: DbError) -> Self {
        Self::Db(cause)
    }
}
