//! Errors of the management API, in the shape that the route declares.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::actions::clients::disable_client::DisableClientError;
use crate::actions::clients::private::PrivateClientError;
use crate::actions::clients::scopes_restriction::RestrictScopesError;
use crate::actions::grants::revoke_grant::RevokeGrantError;
use crate::actions::orgs::default_client_scopes::SetDefaultsError;
use crate::actions::webhooks::create_auth_method::{AuthMethodError, MAX_AUTH_METHODS};
use crate::db::engine::error::DbError;
use crate::http::error::oauth::code_of;
use crate::http::error::page::PageError;
use crate::http::error::{
    INTERNAL, JSON, JSON_API, METHOD, NO_STORE, NOTHING_HERE, TOO_MANY, add_retry_after,
    log_database, of_database,
};
use crate::http::middleware::audience::Audience;
use crate::http::middleware::body::BodyError;
use crate::limits::rate_limit::TooManyRequests;
use crate::rules::client::private_client::{AttributeError, AttributeProblem};
use crate::rules::identity::permission::Permission;
use crate::rules::scope::scopes_restriction::RestrictionError;
use crate::rules::webhook::auth_method::{AuthMethodMistake, Member};
use crate::sealing::SealError;

/// Errors of the management API and of the middleware. The audience of the route decides their
/// shape.
#[derive(Debug)]
pub enum ApiError {
    Body(BodyError),
    /// No credentials, or a token that is not valid.
    Unauthorized,
    /// Unknown or revoked keys.
    UnknownKeys,
    /// The user's role lacks the permission.
    Lacks(Permission),
    /// The access token lacks the scope.
    LacksScope(&'static str),
    /// The application key is limited to scopes without this one.
    KeyLacksScope(&'static str),
    /// The caller may not do this, and the compatible API does not say why.
    BareForbidden,
    /// The operation requires keys, not an access token.
    KeysOnly(&'static str),
    BadRequest {
        detail: String,
        source: Source,
    },
    /// The request is understood and cannot be carried out, such as a change that changes nothing.
    Unprocessable {
        detail: &'static str,
        source: Source,
    },
    /// The member of the body asks for something that this organization may not have.
    Forbidden {
        detail: String,
        source: Source,
    },
    NoSuchClient,
    NoSuchPrivateClient,
    NoSuchSecret,
    NoSuchAuthorizedClient,
    NoSuchAuthorization,
    /// The caller has no such authorization.
    NoSuchOwnAuthorization,
    NoSuchPublishedClient,
    NoSuchVersion,
    NoSuchPartner,
    /// The operation is for reviewers.
    NotAReviewer,
    /// The caller may not do this, for the given reason.
    MayNot(Box<str>),
    /// Each is missing, in one sentence.
    Incomplete(Vec<String>),
    /// There is no such person, role or invitation in the organization.
    NoSuchId(Uuid),
    NoSuchApiKey,
    NoSuchApplicationKey,
    NoSuchAuthMethod,
    NoSuchWebhook,
    NoSuchVariable,
    NoSuchDelivery,
    Conflict(Cow<'static, str>),
    /// A sealed value in the database cannot be opened.
    Unopened(SealError),
    NotFound,
    Method,
    RateLimited(TooManyRequests),
    Db(DbError),
    Busy,
    /// The server is waiting for its database.
    Starting,
    TookTooLong,
    Panicked,
}

/// The part of the request that an error is about: the `source` of a JSON:API error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A JSON Pointer into the body (RFC 6901).
    Pointer(String),
    /// A parameter of the query or of the path.
    Parameter(&'static str),
    Header(&'static str),
}

impl Source {
    fn to_json(&self) -> Value {
        match self {
            Self::Pointer(pointer) => json!({"pointer": pointer}),
            Self::Parameter(name) => json!({"parameter": name}),
            Self::Header(name) => json!({"header": name}),
        }
    }
}

/// For errors of the middleware on paths that people open in a browser.
impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::RateLimited(refusal) => Self::TooMany(refusal),
            ApiError::Panicked => Self::Internal,
            ApiError::NotFound => Self::NotFound,
            error => match error.response() {
                (StatusCode::SERVICE_UNAVAILABLE, text, _) => Self::Unavailable(text.into_owned()),
                (_, text, _) => Self::Unreadable(text.into_owned()),
            },
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<DbError> for ApiError {
    fn from(cause: DbError) -> Self {
        Self::Db(cause)
    }
}

impl From<RestrictionError> for ApiError {
    fn from(error: RestrictionError) -> Self {
        Self::bad_member(&error, error.pointer())
    }
}

impl From<RestrictScopesError> for ApiError {
    fn from(error: RestrictScopesError) -> Self {
        match error {
            RestrictScopesError::NoSuchClient => Self::NoSuchClient,
            RestrictScopesError::Moved => Self::Conflict(MOVED.into()),
            RestrictScopesError::Db(cause) => Self::Db(cause),
        }
    }
}

impl From<SetDefaultsError> for ApiError {
    fn from(error: SetDefaultsError) -> Self {
        match error {
            SetDefaultsError::Moved => Self::Conflict(MOVED.into()),
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

impl From<AttributeError> for ApiError {
    fn from(error: AttributeError) -> Self {
        let source = Source::Pointer(format!("/data/attributes/{}", error.path));
        let detail = error.to_string();
        match error.problem {
            AttributeProblem::Invalid(_) => Self::BadRequest { detail, source },
            AttributeProblem::PrivateScope(_) => Self::Forbidden { detail, source },
        }
    }
}

impl From<PrivateClientError> for ApiError {
    fn from(error: PrivateClientError) -> Self {
        match error {
            PrivateClientError::NoSuchClient => Self::NoSuchPrivateClient,
            PrivateClientError::NoSuchSecret => Self::NoSuchSecret,
            PrivateClientError::NothingChanges => {
                Self::unprocessable("nothing would change", "/data/attributes")
            }
            PrivateClientError::Db(cause) => Self::Db(cause),
            error @ (PrivateClientError::TooMany(_)
            | PrivateClientError::IsPublished(_)
            | PrivateClientError::PublishedInUse(_)
            | PrivateClientError::Retired
            | PrivateClientError::HasSecret
            | PrivateClientError::HasNoSecret
            | PrivateClientError::CurrentSecret) => Self::Conflict(error.to_string().into()),
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
        Self::bad_attribute(&mistake, mistake.member())
    }
}

impl From<AuthMethodError> for ApiError {
    fn from(error: AuthMethodError) -> Self {
        match error {
            AuthMethodError::NoSuchMethod => Self::NoSuchAuthMethod,
            AuthMethodError::NameTaken => Self::Conflict(
                "another auth method of this organization has this name: choose another name"
                    .into(),
            ),
            AuthMethodError::TooMany => {
                let detail = format!(
                    "this organization already has {MAX_AUTH_METHODS} auth methods, the maximum: delete one that no \
                     webhook uses"
                );
                Self::Conflict(detail.into())
            }
            AuthMethodError::InUse(webhooks) => Self::Conflict(in_use(&webhooks).into()),
            AuthMethodError::UrlMissing(cause) => {
                Self::bad_attribute(cause, Member::AccessTokenUrl)
            }
            AuthMethodError::Db(cause) => Self::Db(cause),
        }
    }
}

const NOT_A_REVIEWER: &str =
    "only a reviewer of this server may do this: its operator names them with grantor reviewer add";
const MOVED: &str =
    "the restriction has changed since the preview with this digest: preview it again";

impl ApiError {
    /// An error in the member of the body at a JSON Pointer (RFC 6901).
    pub fn bad_member(detail: impl ToString, pointer: impl Into<String>) -> Self {
        Self::BadRequest { detail: detail.to_string(), source: Source::Pointer(pointer.into()) }
    }

    /// An error in an attribute of a JSON:API resource.
    pub fn bad_attribute(detail: impl ToString, name: impl Display) -> Self {
        Self::bad_member(detail, format!("/data/attributes/{name}"))
    }

    /// An error in a parameter of the query or of the path.
    pub fn bad_parameter(name: &'static str, detail: impl Into<String>) -> Self {
        Self::BadRequest { detail: detail.into(), source: Source::Parameter(name) }
    }

    /// A change that cannot be made as the member of the body at a JSON Pointer says.
    pub fn unprocessable(detail: &'static str, pointer: &str) -> Self {
        Self::Unprocessable { detail, source: Source::Pointer(pointer.to_owned()) }
    }

    /// The status, the text and, for JSON:API, the part of the request that the error is about.
    fn response(&self) -> (StatusCode, Cow<'_, str>, Option<&Source>) {
        const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        let (status, text): (StatusCode, Cow<'_, str>) = match self {
            Self::BadRequest { detail, source } => {
                return (StatusCode::BAD_REQUEST, detail.into(), Some(source));
            }
            Self::Unprocessable { detail, source } => {
                return (StatusCode::UNPROCESSABLE_ENTITY, (*detail).into(), Some(source));
            }
            Self::Forbidden { detail, source } => {
                return (StatusCode::FORBIDDEN, detail.into(), Some(source));
            }
            Self::Body(error) => (error.status(), error.to_string().into()),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized".into()),
            Self::UnknownKeys | Self::BareForbidden => (StatusCode::FORBIDDEN, "Forbidden".into()),
            Self::Lacks(permission) => (StatusCode::FORBIDDEN, lacks(*permission).into()),
            Self::LacksScope(scope) => (StatusCode::FORBIDDEN, lacks_scope(scope).into()),
            Self::KeyLacksScope(scope) => (StatusCode::FORBIDDEN, key_lacks_scope(scope).into()),
            Self::KeysOnly(text) => (StatusCode::FORBIDDEN, (*text).into()),
            Self::NoSuchClient => not_found("there is no client with this id"),
            Self::NoSuchPrivateClient => not_found("this organization has no client with this id"),
            Self::NoSuchSecret => not_found("this client has no such secret"),
            Self::NoSuchAuthorizedClient => {
                not_found("this organization has no authorized client with this id")
            }
            Self::NoSuchAuthorization => not_found("this client has no such authorization"),
            Self::NoSuchOwnAuthorization => not_found("you have no such authorization"),
            Self::NoSuchPublishedClient => not_found("there is no published client with this id"),
            Self::NoSuchVersion => not_found("there is no version with this id"),
            Self::NoSuchPartner => not_found("there is no partner with this id"),
            Self::NotAReviewer => (StatusCode::FORBIDDEN, NOT_A_REVIEWER.into()),
            Self::MayNot(detail) => (StatusCode::FORBIDDEN, (&**detail).into()),
            Self::Incomplete(missing) => (StatusCode::BAD_REQUEST, missing.join("; ").into()),
            Self::NoSuchId(id) => (StatusCode::NOT_FOUND, format!("{id} not found").into()),
            Self::NoSuchApiKey => not_found("API key not found"),
            Self::NoSuchApplicationKey => not_found("Application key not found"),
            Self::NoSuchAuthMethod => not_found("there is no auth method with this id"),
            Self::NoSuchWebhook => not_found("this organization has no webhook with this name"),
            Self::NoSuchVariable => {
                not_found("this organization has no custom variable with this name")
            }
            Self::NoSuchDelivery => not_found("this webhook has no parked delivery with this id"),
            Self::NotFound => not_found(NOTHING_HERE),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, METHOD.into()),
            Self::Conflict(detail) => (StatusCode::CONFLICT, (&**detail).into()),
            Self::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, TOO_MANY.into()),
            Self::Db(cause) => {
                let (status, text) = of_database(cause);
                (status, text.into())
            }
            Self::Busy => (UNAVAILABLE, BodyError::Busy.to_string().into()),
            Self::Starting => (
                UNAVAILABLE,
                "the server is starting and waiting for its database; retry in a second".into(),
            ),
            Self::TookTooLong => {
                (UNAVAILABLE, "the request took longer than the server allows".into())
            }
            Self::Unopened(_) | Self::Panicked => {
                (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL.into())
            }
        };
        (status, text, None)
    }

    /// Failed credentials and too many requests are plain strings for every audience.
    fn is_always_strings(&self) -> bool {
        matches!(self, Self::Unauthorized | Self::UnknownKeys | Self::RateLimited(_))
    }

    /// The response in the shape of an audience.
    pub fn response_for(&self, audience: Audience) -> Response {
        if let Self::RateLimited(refusal) = self {
            return refusal.into_response();
        }
        let (status, text, source) = self.response();
        match self {
            Self::Db(cause) => log_database(status, cause),
            Self::Unopened(cause) => {
                tracing::error!(error = %cause, "an encrypted value in the database could not be decrypted");
            }
            _ => {}
        }
        let (content_type, body) = match audience {
            Audience::JsonApi if !self.is_always_strings() => {
                let items: Vec<Value> = match self {
                    Self::Incomplete(missing) => {
                        missing.iter().map(|text| item(status, text, None)).collect()
                    }
                    _ => vec![item(status, &text, source)],
                };
                (JSON_API, json!({"errors": items}))
            }
            Audience::OAuth if !self.is_always_strings() => {
                (JSON, json!({"error": code_of(status), "error_description": text}))
            }
            Audience::Strings | Audience::JsonApi | Audience::OAuth | Audience::Page => {
                (JSON, json!({"errors": [text]}))
            }
        };
        let mut response = (status, body.to_string()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"grantor\""));
        }
        add_retry_after(&mut response);
        response
    }
}

fn item(status: StatusCode, text: &str, source: Option<&Source>) -> Value {
    let mut item = json!({
        "status": status.as_str(),
        "title": status.canonical_reason().unwrap_or("Error"),
        "detail": text,
    });
    if let (Some(source), Some(members)) = (source, item.as_object_mut()) {
        members.insert("source".to_owned(), source.to_json());
    }
    item
}

fn not_found(text: &'static str) -> (StatusCode, Cow<'static, str>) {
    (StatusCode::NOT_FOUND, text.into())
}

fn lacks(permission: Permission) -> String {
    let name = permission.as_str();
    format!(
        "the role of this user lacks the permission {name}: ask a member of the organization whose role has it"
    )
}

fn lacks_scope(scope: &str) -> String {
    format!("the access token lacks the scope {scope}: have its user authorize the client for it")
}

fn key_lacks_scope(scope: &str) -> String {
    format!("the application key is limited to scopes without {scope}: use another key")
}

/// Names are short enough to quote, since their length is checked on creation.
fn in_use(webhooks: &[String]) -> String {
    let remedy = "give it another auth method or delete it first";
    match webhooks {
        [] => "a webhook used this auth method a moment ago: try again".to_owned(),
        [name] => format!("the webhook \"{name}\" uses this auth method: {remedy}"),
        [name, others @ ..] => {
            format!(
                "the webhook \"{name}\" and {} more use this auth method: {remedy}",
                others.len()
            )
        }
    }
}

/// An empty response with the error in its extensions. The route declares the audience, so
/// [`shaped_for`] renders the error.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, ..) = self.response();
        let mut response = status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Renders the error of a handler, if the response holds one, in the shape of the audience.
pub fn shaped_for(audience: Audience, mut response: Response) -> Response {
    match response.extensions_mut().remove::<Arc<ApiError>>() {
        Some(error) => error.response_for(audience),
        None => response,
    }
}
