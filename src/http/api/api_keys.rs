//! `/api/v2/api_keys`: the API keys of an organization. A key itself is in the response that
//! creates it and in no other.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::actions::keys::create_api_key::create_api_key;
use crate::actions::keys::revoke_key::revoke_api_key;
use crate::actions::keys::update_api_key::update_api_key;
use crate::app::App;
use crate::db::engine::error::DbError;
use crate::db::keys::api_keys;
use crate::db::keys::api_keys::ApiKey;
use crate::http::api::key_id::ApiKeyId;
use crate::http::api::key_query::{API_KEY_INCLUDES, api_key_filter, include};
use crate::http::api::key_request::{ApiKeys, KeyRequest};
use crate::http::api::key_resources::{api_key, created, included_users};
use crate::http::error::{ApiError, Source};
use crate::http::extract::{ApiKeysDelete, ApiKeysRead, ApiKeysWrite, Caller, JsonApi, Query};
use crate::rules::identity::key_attributes::ApiKeyChange;

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<ApiKeysRead>,
    Query(query): Query,
) -> Result<Json<Value>, ApiError> {
    let include = include(&query, &API_KEY_INCLUDES)?;
    let filter = api_key_filter(&query)?;
    let (found, filtered) = api_keys::list_active(&app.context.db, caller.org_id, &filter).await?;
    let data: Vec<Value> = found.iter().map(api_key).collect();
    let max = app.config.keys.per_organization;
    let meta = json!({"max_allowed": max, "page": {"total_filtered_count": filtered}});
    let mut document = json!({"data": data, "meta": meta});
    add_included(&app, &mut document, include, &found).await?;
    Ok(Json(document))
}

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<ApiKeysWrite>,
    JsonApi(request): JsonApi<KeyRequest<ApiKeys>>,
) -> Result<Response, ApiError> {
    let name = ApiKeyChange::parse(&request.attributes)?.into_name()?;
    let max = app.config.keys.per_organization.into();
    let new = create_api_key(&app.context, caller.org_id, &name, max, &caller.by()).await?;
    Ok(created(api_key(&new.key), &new.secret))
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<ApiKeysRead>,
    ApiKeyId(id): ApiKeyId,
    Query(query): Query,
) -> Result<Json<Value>, ApiError> {
    let include = include(&query, &API_KEY_INCLUDES)?;
    let found = api_keys::find_active(&app.context.db, caller.org_id, id).await?;
    let key = found.ok_or(ApiError::NoSuchApiKey)?;
    let mut document = json!({"data": api_key(&key)});
    add_included(&app, &mut document, include, &[key]).await?;
    Ok(Json(document))
}

pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<ApiKeysWrite>,
    ApiKeyId(id): ApiKeyId,
    JsonApi(request): JsonApi<KeyRequest<ApiKeys>>,
) -> Result<Json<Value>, ApiError> {
    request.is_about(id)?;
    let change = ApiKeyChange::parse(&request.attributes)?;
    let key = update_api_key(&app.context, caller.org_id, id, &change, &caller.by()).await?;
    Ok(Json(json!({"data": api_key(&key)})))
}

pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller<ApiKeysDelete>,
    ApiKeyId(id): ApiKeyId,
) -> Result<StatusCode, ApiError> {
    if caller.api_key_id() == Some(id) {
        let detail = "this request was sent with this key: delete it with another one".to_owned();
        return Err(ApiError::Forbidden { detail, source: Source::Parameter("api_key_id") });
    }
    let by = caller.by();
    revoke_api_key(&app.context, &app.callers, caller.org_id, id, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn add_included(
    app: &App,
    document: &mut Value,
    include: Option<BTreeSet<&str>>,
    keys: &[ApiKey],
) -> Result<(), DbError> {
    let Some(include) = include else { return Ok(()) };
    let creators = keys.iter().filter_map(|key| key.created_by);
    let changers = keys.iter().filter_map(|key| key.modified_by);
    let users = creators.filter(|_| include.contains("created_by"));
    let users = users.chain(changers.filter(|_| include.contains("modified_by"))).collect();
    document["included"] = included_users(&app.context.db, users).await?;
    Ok(())
}
