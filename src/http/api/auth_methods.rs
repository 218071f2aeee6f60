//! `/api/v2/integration/webhooks/configuration/auth-method`: how this server gets access tokens for
//! webhook receivers. The client secret is never returned.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::actions::webhooks::create_auth_method;
use crate::actions::webhooks::delete_auth_method;
use crate::actions::webhooks::update_auth_method;
use crate::app::App;
use crate::db::webhooks::auth_methods;
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::http::error::{ApiError, JSON_API};
use crate::http::extract::{Caller, Integrations, JsonApi, Query};
use crate::rules::id::AuthMethodId;
use crate::rules::syntax::parameters::Parameters;
use crate::rules::webhook::auth_method::{AuthMethodChange, NewAuthMethod, RawAuthMethod};

/// The only protocol. It is also the name of the relationship, and the value of `include`.
pub const PROTOCOL: &str = "oauth2-client-credentials";
/// The type of the credentials resource, which has all the attributes of an auth method.
pub const CREDENTIALS: &str = "webhooks-auth-method-oauth2-client-credentials";
pub const METHOD: &str = "webhooks-auth-method";

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    JsonApi(attributes): JsonApi<RawAuthMethod>,
) -> Result<Response, ApiError> {
    let new = NewAuthMethod::parse(attributes, app.config.webhooks.allow_loopback)?;
    let method =
        create_auth_method::create_auth_method(&app.context, caller.org_id, &new, &caller.by())
            .await?;
    Ok(response(StatusCode::CREATED, &json!({"data": credentials(&method)})))
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    MethodId(id): MethodId,
) -> Result<Response, ApiError> {
    let found = auth_methods::find(&app.context.db, caller.org_id, id).await?;
    let method = found.ok_or(ApiError::NoSuchAuthMethod)?;
    Ok(response(StatusCode::OK, &json!({"data": credentials(&method)})))
}

pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    MethodId(id): MethodId,
    JsonApi(attributes): JsonApi<RawAuthMethod>,
) -> Result<Response, ApiError> {
    let change = AuthMethodChange::parse(attributes, app.config.webhooks.allow_loopback)?;
    let method = update_auth_method::update_auth_method(
        &app.context,
        caller.org_id,
        id,
        &change,
        &caller.by(),
    )
    .await?;
    Ok(response(StatusCode::OK, &json!({"data": credentials(&method)})))
}

pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    MethodId(id): MethodId,
) -> Result<StatusCode, ApiError> {
    delete_auth_method::delete_auth_method(&app.context, caller.org_id, id, &caller.by()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns all auth methods without paging, since an organization has few.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let include_credentials = includes_credentials(&query)?;
    let methods = auth_methods::list(&app.context.db, caller.org_id).await?;
    let mut list = json!({"data": methods.iter().map(method_resource).collect::<Vec<_>>()});
    if include_credentials {
        list["included"] = methods.iter().map(credentials).collect();
    }
    Ok(response(StatusCode::OK, &list))
}

fn includes_credentials(query: &Parameters) -> Result<bool, ApiError> {
    let Some(text) = query.get("include") else { return Ok(false) };
    match text.split(',').all(|name| name.trim() == PROTOCOL) {
        true => Ok(true),
        false => Err(ApiError::bad_parameter(
            "include",
            format!("include must be a comma-separated list of these: {PROTOCOL}"),
        )),
    }
}

/// The id in the path. A malformed one gets 404, since the operations do not document 400.
pub struct MethodId(AuthMethodId);

impl<S: Send + Sync> FromRequestParts<S> for MethodId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|_| ApiError::NoSuchAuthMethod)?;
        let id =
            Uuid::try_parse(&text).ok().filter(|_| text.len() == uuid::fmt::Hyphenated::LENGTH);
        id.map(AuthMethodId).map(Self).ok_or(ApiError::NoSuchAuthMethod)
    }
}

fn credentials(method: &AuthMethod) -> Value {
    json!({
        "id": method.id,
        "type": CREDENTIALS,
        "attributes": {
            "name": method.name,
            "access_token_url": method.access_token_url,
            "client_id": method.client_id,
            "audience": method.audience,
            "scope": method.scope,
            "protocol": PROTOCOL,
        },
    })
}

/// The resource in the list. The relationship to the credentials is named after the protocol, and
/// they have the same id.
fn method_resource(method: &AuthMethod) -> Value {
    json!({
        "id": method.id,
        "type": METHOD,
        "attributes": {"protocol": PROTOCOL},
        "relationships": {PROTOCOL: {"data": {"id": method.id, "type": CREDENTIALS}}},
    })
}

fn response(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, JSON_API);
    response
}
