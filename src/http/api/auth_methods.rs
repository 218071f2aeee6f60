//! `/api/v2/integration/webhooks/configuration/auth-method`: how this server gets access tokens for
//! webhook receivers. The client secret is never returned.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::actions::webhooks::create_auth_method;
use crate::actions::webhooks::delete_auth_method;
use crate::actions::webhooks::update_auth_method;
use crate::app::App;
use crate::db::webhooks::auth_methods;
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::http::api::auth_method_request::attributes;
use crate::http::api::page::bad_parameter;
use crate::http::error::{ApiError, JSON_API, StringsError};
use crate::http::extract::MayManageIntegrations;
use crate::http::middleware::body;
use crate::rules::id::AuthMethodId;
use crate::rules::syntax::parameters::Parameters;
use crate::rules::webhook::auth_method::{AuthMethodChange, NewAuthMethod};

/// The only protocol. It is also the name of the relationship, and the value of `include`.
pub const PROTOCOL: &str = "oauth2-client-credentials";
/// The type of the credentials resource, which has all the attributes of an auth method.
pub const CREDENTIALS: &str = "webhooks-auth-method-oauth2-client-credentials";
pub const METHOD: &str = "webhooks-auth-method";

pub async fn create(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, by): MayManageIntegrations,
    request: Request,
) -> Result<Response, StringsError> {
    let bytes = body::read(request, &[body::JSON, body::JSON_API], app.body_bounds()).await?;
    let new = NewAuthMethod::parse(attributes(&bytes)?, app.config.webhooks.allow_loopback)?;
    let method =
        create_auth_method::create_auth_method(&app.context, &app.issuer.ring, operator.org_id, &new, &by).await?;
    Ok(response(StatusCode::CREATED, &json!({"data": credentials(&method)})))
}

pub async fn show(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, _): MayManageIntegrations,
    Path(id): Path<String>,
) -> Result<Response, StringsError> {
    let found = auth_methods::find(&app.context.db, operator.org_id, parse_id(&id)?).await?;
    let method = found.ok_or(ApiError::NoSuchAuthMethod)?;
    Ok(response(StatusCode::OK, &json!({"data": credentials(&method)})))
}

pub async fn update(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, by): MayManageIntegrations,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, StringsError> {
    let id = parse_id(&id)?;
    let bytes = body::read(request, &[body::JSON, body::JSON_API], app.body_bounds()).await?;
    let change = AuthMethodChange::parse(attributes(&bytes)?, app.config.webhooks.allow_loopback)?;
    let (context, ring) = (&app.context, &app.issuer.ring);
    let method = update_auth_method::update_auth_method(context, ring, operator.org_id, id, &change, &by).await?;
    Ok(response(StatusCode::OK, &json!({"data": credentials(&method)})))
}

pub async fn delete(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, by): MayManageIntegrations,
    Path(id): Path<String>,
) -> Result<StatusCode, StringsError> {
    delete_auth_method::delete_auth_method(&app.context, operator.org_id, parse_id(&id)?, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns all auth methods without paging, since an organization has few.
pub async fn list(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, _): MayManageIntegrations,
    RawQuery(query): RawQuery,
) -> Result<Response, StringsError> {
    let include_credentials = includes_credentials(query.as_deref().unwrap_or_default())?;
    let methods = auth_methods::list(&app.context.db, operator.org_id).await?;
    let mut list = json!({"data": methods.iter().map(method_resource).collect::<Vec<_>>()});
    if include_credentials {
        list["included"] = methods.iter().map(credentials).collect();
    }
    Ok(response(StatusCode::OK, &list))
}

fn includes_credentials(query: &str) -> Result<bool, ApiError> {
    let query = Parameters::from_query(query).map_err(|error| bad_parameter("query", error.to_string()))?;
    let Some(text) = query.get("include") else { return Ok(false) };
    match text.split(',').all(|name| name.trim() == PROTOCOL) {
        true => Ok(true),
        false => Err(bad_parameter("include", format!("include must be a comma-separated list of these: {PROTOCOL}"))),
    }
}

/// A malformed id gets 404, since the operations do not document 400.
pub(super) fn parse_id(text: &str) -> Result<AuthMethodId, ApiError> {
    let id = Uuid::try_parse(text).ok().filter(|_| text.len() == uuid::fmt::Hyphenated::LENGTH);
    id.map(AuthMethodId).ok_or(ApiError::NoSuchAuthMethod)
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
