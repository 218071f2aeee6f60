//! What operators' clients are told, in the shape of the group that the path belongs to.

use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::actions::clients::restrict_scopes::RestrictScopesError;
use crate::actions::grants::end::{DisableClientError, EndGrantError};
use crate::actions::orgs::default_client_scopes::SetDefaultsError;
use crate::actions::webhooks::create_auth_method::{AuthMethodError, MOST_AUTH_METHODS};
use crate::db::engine::error::DbError;
use crate::http::error::page::PageError;
use crate::http::error::{INTERNAL, JSON, JSON_API, NO_STORE, log, tell_when_to_come_back, told_of};
use crate::http::middleware::audience::Audience;
use crate::http::middleware::body::BodyError;
use crate::http::middleware::rate_limit::TooManyRequests;
use crate::rules::identity::permission::Permission;
use crate::rules::scope::restriction::RestrictionError;
use crate::rules::webhook::auth_method::{AuthMethodMistake, Member};
use crate::sealing::SealError;

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
    #[error("the access token lacks a scope")]
    LacksScope(Permission),
    #[error("this takes keys, not an access token")]
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
    #[error("the organisation has as many auth methods as it may")]
    TooManyAuthMethods,
    /// By these webhooks.
    #[error("the auth method is in use")]
    AuthMethodInUse(Vec<String>),
    #[error("there is no such webhook")]
    NoSuchWebhook,
    #[error("there is no such variable")]
    NoSuchVariable,
    #[error("there is no such delivery, or it is not parked")]
    NoSuchDelivery,
    /// With what is there already.
    #[error("{0}")]
    Conflict(String),
    #[error("what is sealed cannot be opened: {0}")]
    Unopened(SealError),
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

/// What the edge has to say, to a person.
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

impl From<EndGrantError> for ApiError {
    fn from(error: EndGrantError) -> Self {
        match error {
            EndGrantError::NoSuchGrant => Self::NoSuchAuthorization,
            EndGrantError::Db(cause) => Self::Db(cause),
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
                    "the role of this user lacks the permission {name}: someone with another role in the organisation has to do this"
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
            Self::NoSuchAuthorizedClient => "no client of this organization is authorized under this id".to_owned(),
            Self::NoSuchAuthorization => "no user has authorized this client under this id".to_owned(),
            Self::NoSuchAuthMethod => "there is no auth method with this id".to_owned(),
            Self::AuthMethodNameTaken => {
                "another auth method of this organization has this name: choose another name".to_owned()
            }
            Self::TooManyAuthMethods => format!(
                "this organization has {MOST_AUTH_METHODS} auth methods, which is as many as it may: delete one that nothing \
                 uses"
            ),
            Self::AuthMethodInUse(webhooks) => in_use(webhooks),
            Self::NoSuchWebhook => "this organization has no webhook of this name".to_owned(),
            Self::NoSuchDelivery => "no parked delivery of this webhook has this id".to_owned(),
            Self::NoSuchVariable => "this organization has no custom variable of this name".to_owned(),
            Self::Conflict(detail) => detail.clone(),
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
        if let Self::Unopened(cause) = &self {
            tracing::error!(error = %cause, "what is sealed in the database could not be opened");
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

/// Names are bounded where they are chosen.
fn in_use(webhooks: &[String]) -> String {
    let remedy = "give it another auth method or delete it first";
    match webhooks {
        [] => "a webhook used this auth method a moment ago: try again".to_owned(),
        [one] => format!("the webhook \"{one}\" uses this auth method: {remedy}"),
        [one, others @ ..] => {
            format!("the webhook \"{one}\" and {} more use this auth method: {remedy}", others.len())
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

/// JSON:API, which is what most of this enum's endpoints speak.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.told_to(Audience::JsonApi)
    }
}
