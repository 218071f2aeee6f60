//! `/api/v2/integration/webhooks/configuration/auth-method`: how to get access tokens for the receivers of webhooks. The
//! client's secret comes in and never goes out again.

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
use crate::http::api::page::wrong;
use crate::http::error::{ApiError, JSON_API, StringsError};
use crate::http::extract::MayManageIntegrations;
use crate::http::middleware::body;
use crate::rules::id::AuthMethodId;
use crate::rules::syntax::parameters::Parameters;
use crate::rules::webhook::auth_method::{AuthMethodChange, NewAuthMethod};

/// The one protocol there is: what a list includes, and the relationship by which it names it.
pub const PROTOCOL: &str = "oauth2-client-credentials";
/// The type of the credentials, which are all of an auth method but that it exists.
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
    Ok(document(StatusCode::CREATED, &json!({"data": credentials(&method)})))
}

pub async fn show(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, _): MayManageIntegrations,
    Path(id): Path<String>,
) -> Result<Response, StringsError> {
    let found = auth_methods::find(&app.context.db, operator.org_id, parse_id(&id)?).await?;
    let method = found.ok_or(ApiError::NoSuchAuthMethod)?;
    Ok(document(StatusCode::OK, &json!({"data": credentials(&method)})))
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
    Ok(document(StatusCode::OK, &json!({"data": credentials(&method)})))
}

pub async fn delete(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, by): MayManageIntegrations,
    Path(id): Path<String>,
) -> Result<StatusCode, StringsError> {
    delete_auth_method::delete_auth_method(&app.context, operator.org_id, parse_id(&id)?, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// All there are: an organisation has few.
pub async fn list(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, _): MayManageIntegrations,
    RawQuery(query): RawQuery,
) -> Result<Response, StringsError> {
    let are_included = includes_credentials(query.as_deref().unwrap_or_default())?;
    let methods = auth_methods::list(&app.context.db, operator.org_id).await?;
    let mut list = json!({"data": methods.iter().map(method_alone).collect::<Vec<_>>()});
    if are_included {
        list["included"] = methods.iter().map(credentials).collect();
    }
    Ok(document(StatusCode::OK, &list))
}

fn includes_credentials(query: &str) -> Result<bool, ApiError> {
    let query = Parameters::from_query(query).map_err(|error| wrong("query", error.to_string()))?;
    let Some(text) = query.get("include") else { return Ok(false) };
    match text.split(',').all(|name| name.trim() == PROTOCOL) {
        true => Ok(true),
        false => Err(wrong("include", format!("include is a list of these: {PROTOCOL}"))),
    }
}

/// What is no id is the id of nothing: no 400 is documented here.
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

/// As the list has it: the credentials are related to it under the name of their protocol, with the same id.
fn method_alone(method: &AuthMethod) -> Value {
    json!({
        "id": method.id,
        "type": METHOD,
        "attributes": {"protocol": PROTOCOL},
        "relationships": {PROTOCOL: {"data": {"id": method.id, "type": CREDENTIALS}}},
    })
}

fn document(status: StatusCode, body: &Value) -> Response {
    let mut answer = (status, body.to_string()).into_response();
    answer.headers_mut().insert(CONTENT_TYPE, JSON_API);
    answer
}
