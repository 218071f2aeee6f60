//! Errors of the management API, in the shape that the path's group uses.

use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::actions::clients::restrict_scopes::RestrictScopesError;
use crate::actions::grants::end::{DisableClientError, RevokeGrantError};
use crate::actions::orgs::default_client_scopes::SetDefaultsError;
use crate::actions::webhooks::create_auth_method::{AuthMethodError, MAX_AUTH_METHODS};
use crate::db::engine::error::DbError;
use crate::http::error::page::PageError;
use crate::http::error::{INTERNAL, JSON, JSON_API, NO_STORE, add_retry_after, log, public_text};
use crate::http::middleware::audience::Audience;
use crate::http::middleware::body::BodyError;
use crate::http::middleware::rate_limit::TooManyRequests;
use crate::rules::identity::permission::Permission;
use crate::rules::scope::restriction::RestrictionError;
use crate::rules::webhook::auth_method::{AuthMethodMistake, Member};
use crate::sealing::SealError;

/// Errors of the management API. The path's audience decides their shape.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error(transparent)]
    Body(#[from] BodyError),
    /// No credentials, or a token that is not valid.
    #[error("no credentials")]
    Unauthorized,
    #[error("unknown or revoked keys")]
    UnknownKeys,
    #[error("the user's role lacks a permission")]
    Lacks(Permission),
    #[error("the access token lacks a scope")]
    LacksScope(Permission),
    #[error("this operation requires keys, not an access token")]
    KeysOnly,
    #[error("{detail}")]
    BadRequest { detail: String, about: About },
    #[error(transparent)]
    Restriction(#[from] RestrictionError),
    #[error("there is no such client")]
    NoSuchClient,
    #[error("there is no such authorized client")]
    NoSuchAuthorizedClient,
    #[error("there is no such authorization")]
    NoSuchAuthorization,
    #[error("there is no such auth method")]
    NoSuchAuthMethod,
    #[error("another auth method has this name")]
    AuthMethodNameTaken,
    #[error("the organization has the maximum number of auth methods")]
    TooManyAuthMethods,
    /// Holds the names of the webhooks that use it.
    #[error("the auth method is in use")]
    AuthMethodInUse(Vec<String>),
    #[error("there is no such webhook")]
    NoSuchWebhook,
    #[error("there is no such variable")]
    NoSuchVariable,
    #[error("there is no such delivery, or it is not parked")]
    NoSuchDelivery,
    #[error("{0}")]
    Conflict(String),
    #[error("a sealed value cannot be opened: {0}")]
    Unopened(SealError),
    #[error("there is nothing at this path")]
    NotFound,
    #[error("method not allowed")]
    Method,
    #[error("the state has changed since the preview")]
    Moved,
    #[error("too many requests")]
    RateLimited(TooManyRequests),
    #[error("{0}")]
    Db(#[from] DbError),
    #[error("the server is at its limit of concurrent requests")]
    Busy,
    #[error("the server is waiting for its database")]
    Starting,
    #[error("the request took too long")]
    TookTooLong,
    #[error("a panic was caught")]
    Panicked,
}

/// For errors of the middleware on paths that people open in a browser.
impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::RateLimited(refusal) => Self::TooMany(refusal),
            ApiError::Panicked => Self::Internal,
            ApiError::NotFound => Self::NotFound,
            error if error.status() == StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable(error.detail()),
            error => Self::Unreadable(error.detail()),
        }
    }
}

/// The part of the request that an error is about: the `source` of a JSON:API error.
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

impl From<SetDefaultsError> for ApiError {
    fn from(error: SetDefaultsError) -> Self {
        match error {
            SetDefaultsError::Moved => Self::Moved,
            // The request's lists were checked before, and the organization is the caller's.
            SetDefaultsError::UnknownScope(_) | SetDefaultsError::NoSuchOrg => Self::NotFound,
            SetDefaultsError::Db(cause) => Self::Db(cause),
        }
    }
}

impl From<DisableClientError> for ApiError {
    fn from(error: DisableClientError) -> Self {
        match error {
            DisableClientError::NoSuchClient => Self::NoSuchAuthorizedClient,
            DisableClientError::Db(cause) => Self::Db(cause),
        }
    }
}

impl From<RevokeGrantError> for ApiError {
    fn from(error: RevokeGrantError) -> Self {
        match error {
            RevokeGrantError::NoSuchGrant => Self::NoSuchAuthorization,
            RevokeGrantError::Db(cause) => Self::Db(cause),
        }
    }
}

impl From<AuthMethodMistake> for ApiError {
    fn from(mistake: AuthMethodMistake) -> Self {
        let pointer = format!("/data/attributes/{}", mistake.member());
        Self::BadRequest { detail: mistake.to_string(), about: About::Pointer(pointer) }
    }
}

impl From<AuthMethodError> for ApiError {
    fn from(error: AuthMethodError) -> Self {
        match error {
            AuthMethodError::NoSuchMethod => Self::NoSuchAuthMethod,
            AuthMethodError::NameTaken => Self::AuthMethodNameTaken,
            AuthMethodError::TooMany => Self::TooManyAuthMethods,
            AuthMethodError::InUse(webhooks) => Self::AuthMethodInUse(webhooks),
            AuthMethodError::UrlMissing(cause) => {
                let about = About::Pointer(format!("/data/attributes/{}", Member::AccessTokenUrl));
                Self::BadRequest { detail: cause.to_string(), about }
            }
            AuthMethodError::Db(cause) => Self::Db(cause),
        }
    }
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(error) => error.status(),
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::UnknownKeys | Self::Lacks(_) | Self::LacksScope(_) | Self::KeysOnly => StatusCode::FORBIDDEN,
            Self::BadRequest { .. } | Self::Restriction(_) => StatusCode::BAD_REQUEST,
            Self::NoSuchClient
            | Self::NoSuchAuthorizedClient
            | Self::NoSuchAuthorization
            | Self::NoSuchAuthMethod
            | Self::NoSuchWebhook
            | Self::NoSuchVariable
            | Self::NoSuchDelivery
            | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Moved
            | Self::Conflict(_)
            | Self::AuthMethodNameTaken
            | Self::TooManyAuthMethods
            | Self::AuthMethodInUse(_) => StatusCode::CONFLICT,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Db(cause) if cause.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Busy | Self::Starting | Self::TookTooLong => StatusCode::SERVICE_UNAVAILABLE,
            Self::Db(_) | Self::Unopened(_) | Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
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
                    "the role of this user lacks the permission {name}: ask a member of the organization \
                     whose role has it"
                )
            }
            Self::LacksScope(permission) => {
                format!("the access token lacks the scope {permission}: have its user authorize the client for it")
            }
            Self::KeysOnly => {
                "an access token cannot change this: send DD-API-KEY and DD-APPLICATION-KEY instead".to_owned()
            }
            Self::BadRequest { detail, .. } => detail.clone(),
            Self::Restriction(error) => error.to_string(),
            Self::NoSuchClient => "there is no client with this id".to_owned(),
            Self::NoSuchAuthorizedClient => "this organization has no authorized client with this id".to_owned(),
            Self::NoSuchAuthorization => "this client has no such authorization".to_owned(),
            Self::NoSuchAuthMethod => "there is no auth method with this id".to_owned(),
            Self::AuthMethodNameTaken => {
                "another auth method of this organization has this name: choose another name".to_owned()
            }
            Self::TooManyAuthMethods => format!(
                "this organization already has {MAX_AUTH_METHODS} auth methods, the maximum: \
                 delete one that no webhook uses"
            ),
            Self::AuthMethodInUse(webhooks) => in_use(webhooks),
            Self::NoSuchWebhook => "this organization has no webhook with this name".to_owned(),
            Self::NoSuchDelivery => "this webhook has no parked delivery with this id".to_owned(),
            Self::NoSuchVariable => "this organization has no custom variable with this name".to_owned(),
            Self::Conflict(detail) => detail.clone(),
            Self::NotFound => "there is nothing at this path".to_owned(),
            Self::Method => "this method is not allowed here: the Allow header lists the allowed methods".to_owned(),
            Self::Moved => {
                "the restriction has changed since the preview with this digest: preview it again".to_owned()
            }
            Self::RateLimited(_) => "Too many requests".to_owned(),
            Self::Db(cause) => public_text(cause).to_owned(),
            Self::Busy => "the server is at its limit of concurrent requests; retry in a second".to_owned(),
            Self::Starting => "the server is starting and waiting for its database; retry in a second".to_owned(),
            Self::TookTooLong => "the request took longer than the server allows".to_owned(),
            Self::Unopened(_) | Self::Panicked => INTERNAL.to_owned(),
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

    /// Failed credentials and too many requests are plain strings for every audience.
    fn is_always_strings(&self) -> bool {
        matches!(self, Self::Unauthorized | Self::UnknownKeys | Self::RateLimited(_))
    }

    /// The response in the shape of an audience. Errors of the middleware use the path's audience.
    pub fn response_for(self, audience: Audience) -> Response {
        if let Self::RateLimited(refusal) = self {
            return refusal.into_response();
        }
        let status = self.status();
        if let Self::Db(cause) = &self {
            log(status, cause);
        }
        if let Self::Unopened(cause) = &self {
            tracing::error!(error = %cause, "a sealed value in the database could not be opened");
        }
        let (content_type, body) = match audience {
            Audience::JsonApi if !self.is_always_strings() => (JSON_API, json!({"errors": [self.as_item(status)]})),
            Audience::OAuth if !self.is_always_strings() => {
                (JSON, json!({"error": oauth_code(status), "error_description": self.detail()}))
            }
            Audience::Strings | Audience::JsonApi | Audience::OAuth | Audience::Page => {
                (JSON, json!({"errors": [self.detail()]}))
            }
        };
        let mut response = (status, body.to_string()).into_response();
        response.headers_mut().insert(axum::http::header::CONTENT_TYPE, content_type);
        response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"grantor\""));
        }
        add_retry_after(&mut response);
        response
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

/// Names are short enough to quote, since their length is checked on creation.
fn in_use(webhooks: &[String]) -> String {
    let remedy = "give it another auth method or delete it first";
    match webhooks {
        [] => "a webhook used this auth method a moment ago: try again".to_owned(),
        [name] => format!("the webhook \"{name}\" uses this auth method: {remedy}"),
        [name, others @ ..] => {
            format!("the webhook \"{name}\" and {} more use this auth method: {remedy}", others.len())
        }
    }
}

fn oauth_code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    }
}

/// In the JSON:API shape, which most endpoints of this enum use.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.response_for(Audience::JsonApi)
    }
}
