//! Errors of the token, revocation, introspection and userinfo endpoints (RFC 6749 section 5.2, RFC
//! 7009 section 2.2.1, RFC 7662 section 2.3, RFC 6750 section 3.1). No member is ever null: some
//! clients fail on null and do not recover.

use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::actions::clients::find::FindClientError;
use crate::actions::tokens::error::TokenError;
use crate::db::engine::error::DbError;
use crate::http::error::{INTERNAL, NO_STORE, add_retry_after, log, public_text};
use crate::http::middleware::body::BodyError;
use crate::http::middleware::rate_limit::TooManyRequests;
use crate::rules::syntax::parameters::ParametersError;
use crate::rules::token::request::{TokenError as Code, TokenRefusal};
use crate::signing::SigningError;

#[derive(Debug, thiserror::Error)]
pub enum TokenEndpointError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Refused(#[from] TokenRefusal),
    #[error("the document of this client cannot be used: {0}")]
    Document(String),
    #[error("this client has no secret, so it does not authenticate: leave the Authorization header out")]
    Authenticated,
    #[error("send the secret in one way only: in the Authorization header, or as client_secret")]
    TwoCredentials,
    #[error("no resource server has this secret: create one with grantor resource create")]
    UnknownResource,
    #[error("too many requests")]
    RateLimited(TooManyRequests),
    #[error("the server is overloaded; retry in a second")]
    Busy,
    #[error("internal server error")]
    Signing(SigningError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<ParametersError> for TokenEndpointError {
    fn from(error: ParametersError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<TokenError> for TokenEndpointError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused(refusal) => Self::Refused(refusal),
            TokenError::Busy => Self::Busy,
            TokenError::Signing(cause) => Self::Signing(cause),
            TokenError::Db(cause) => Self::Db(cause),
        }
    }
}

impl From<FindClientError> for TokenEndpointError {
    fn from(error: FindClientError) -> Self {
        match error {
            FindClientError::Unknown => Self::Refused(TokenRefusal::UnknownClient),
            FindClientError::Document(reason) => Self::Document(reason),
            FindClientError::Busy => Self::Busy,
            FindClientError::Db(cause) => Self::Db(cause),
        }
    }
}

impl TokenEndpointError {
    /// The registered error code, for responses and for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Body(BodyError::TooManyPending | BodyError::Busy) => "temporarily_unavailable",
            Self::Body(_) | Self::TwoCredentials => Code::InvalidRequest.as_str(),
            Self::Refused(refusal) => refusal.code().as_str(),
            Self::Document(_) | Self::Authenticated | Self::UnknownResource => Code::InvalidClient.as_str(),
            Self::RateLimited(_) => "rate_limited",
            Self::Busy => "temporarily_unavailable",
            Self::Db(cause) if cause.is_transient() => "temporarily_unavailable",
            Self::Signing(_) | Self::Db(_) => "server_error",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Body(BodyError::ContentType(_) | BodyError::ContentEncoding) => StatusCode::BAD_REQUEST,
            Self::Body(error) => error.status(),
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            _ => match self.code() {
                "invalid_client" => StatusCode::UNAUTHORIZED,
                "temporarily_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
                "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_REQUEST,
            },
        }
    }

    fn description(&self) -> String {
        match self {
            Self::Db(cause) => public_text(cause).to_owned(),
            Self::Signing(_) => INTERNAL.to_owned(),
            error => error.to_string(),
        }
    }
}

impl IntoResponse for TokenEndpointError {
    fn into_response(self) -> Response {
        if let Self::RateLimited(refusal) = self {
            return refusal.into_response();
        }
        let status = self.status();
        match &self {
            Self::Db(cause) => log(status, cause),
            Self::Signing(cause) => tracing::error!(error = %cause, "a token could not be signed"),
            error => tracing::info!(error = error.code(), reason = %error, "a client request was refused"),
        }
        let body = json!({"error": self.code(), "error_description": self.description()});
        let mut response = (status, [(CACHE_CONTROL, NO_STORE)], axum::Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED && matches!(self, Self::Authenticated | Self::UnknownResource) {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"grantor\""));
        }
        add_retry_after(&mut response);
        response
    }
}

/// Errors of endpoints that are called with an access token (RFC 6750 section 3).
#[derive(Debug, thiserror::Error)]
pub enum BearerError {
    #[error("the access token is missing")]
    Missing,
    #[error("the access token is unknown, expired or revoked")]
    Invalid,
    #[error("the access token lacks the scope {0}")]
    Lacks(&'static str),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl IntoResponse for BearerError {
    fn into_response(self) -> Response {
        let (status, code, challenge) = match self {
            Self::Db(cause) => return TokenEndpointError::Db(cause).into_response(),
            Self::Missing => (StatusCode::UNAUTHORIZED, "invalid_request", String::new()),
            Self::Invalid => (StatusCode::UNAUTHORIZED, "invalid_token", ", error=\"invalid_token\"".to_owned()),
            Self::Lacks(scope) => {
                let challenge = format!(", error=\"insufficient_scope\", scope=\"{scope}\"");
                (StatusCode::FORBIDDEN, "insufficient_scope", challenge)
            }
        };
        let body = json!({"error": code, "error_description": self.to_string()});
        let mut response = (status, [(CACHE_CONTROL, NO_STORE)], axum::Json(body)).into_response();
        if let Ok(challenge) = HeaderValue::from_str(&format!("Bearer realm=\"grantor\"{challenge}")) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
