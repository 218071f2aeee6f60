//! `/api/v2/current_user/application_keys`: the caller's own application keys. A key itself is in
//! the response that creates it and in no other.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::actions::keys::create_application_key::create_application_key;
use crate::actions::keys::revoke_key::revoke_application_key;
use crate::actions::keys::update_application_key::{ChangedKey, update_application_key};
use crate::app::App;
use crate::db::engine::error::DbError;
use crate::db::keys::application_keys;
use crate::db::keys::application_keys::KeyOwner;
use crate::http::api::key_id::ApplicationKeyId;
use crate::http::api::key_query::{APPLICATION_KEY_INCLUDES, application_key_filter, include};
use crate::http::api::key_request::{ApplicationKeys, KeyRequest};
use crate::http::api::key_resources::{application_key, created, included_users};
use crate::http::error::{ApiError, Source};
use crate::http::extract::{Caller, JsonApi, OwnKeysRead, OwnKeysWrite, Query};
use crate::rules::identity::key_attributes::{ApplicationKeyChange, may_limit_to};
use crate::rules::scope::ScopeSet;

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<OwnKeysRead>,
    Query(query): Query,
) -> Result<Json<Value>, ApiError> {
    let include = include(&query, &APPLICATION_KEY_INCLUDES)?;
    let filter = application_key_filter(&query)?;
    let owner = owner(&caller);
    let (found, filtered) = application_keys::list_active(&app.context.db, owner, &filter).await?;
    let data: Vec<Value> = found.iter().map(|key| application_key(key, owner.user_id)).collect();
    let max = app.config.keys.per_user;
    let meta = json!({"max_allowed_per_user": max, "page": {"total_filtered_count": filtered}});
    let mut document = json!({"data": data, "meta": meta});
    add_included(&app, &mut document, include, owner).await?;
    Ok(Json(document))
}

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<OwnKeysWrite>,
    JsonApi(request): JsonApi<KeyRequest<ApplicationKeys>>,
) -> Result<Response, ApiError> {
    let new = ApplicationKeyChange::parse(&request.attributes, &app.catalog)?.into_new()?;
    check_limit(&caller, new.scopes.as_ref())?;
    let (owner, max) = (owner(&caller), app.config.keys.per_user.into());
    let made = create_application_key(&app.context, owner, &new, max, &caller.by()).await?;
    Ok(created(application_key(&made.key, owner.user_id), &made.secret))
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<OwnKeysRead>,
    ApplicationKeyId(id): ApplicationKeyId,
    Query(query): Query,
) -> Result<Json<Value>, ApiError> {
    let include = include(&query, &APPLICATION_KEY_INCLUDES)?;
    let owner = owner(&caller);
    let found = application_keys::find_active(&app.context.db, owner, id).await?;
    let key = found.ok_or(ApiError::NoSuchApplicationKey)?;
    let mut document = json!({"data": application_key(&key, owner.user_id)});
    add_included(&app, &mut document, include, owner).await?;
    Ok(Json(document))
}

pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<OwnKeysWrite>,
    ApplicationKeyId(id): ApplicationKeyId,
    JsonApi(request): JsonApi<KeyRequest<ApplicationKeys>>,
) -> Result<Json<Value>, ApiError> {
    request.is_about(id)?;
    let change = ApplicationKeyChange::parse(&request.attributes, &app.catalog)?;
    if let Some(scopes) = &change.scopes {
        check_limit(&caller, scopes.as_ref())?;
    }
    let owner = owner(&caller);
    let changed = ChangedKey { owner, id, change: &change };
    let key = update_application_key(&app.context, &app.callers, changed, &caller.by()).await?;
    Ok(Json(json!({"data": application_key(&key, owner.user_id)})))
}

pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller<OwnKeysWrite>,
    ApplicationKeyId(id): ApplicationKeyId,
) -> Result<StatusCode, ApiError> {
    let (owner, by) = (owner(&caller), caller.by());
    revoke_application_key(&app.context, &app.callers, owner, id, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn owner<P>(caller: &Caller<P>) -> KeyOwner {
    KeyOwner { org_id: caller.org_id, user_id: caller.user_id() }
}

fn check_limit(caller: &Caller<OwnKeysWrite>, wanted: Option<&ScopeSet>) -> Result<(), ApiError> {
    if may_limit_to(caller.key_scopes(), wanted) {
        return Ok(());
    }
    let detail = "this request was sent with a key that is limited to scopes: send a list of some \
                  of these scopes";
    let source = Source::Pointer("/data/attributes/scopes".to_owned());
    Err(ApiError::Forbidden { detail: detail.to_owned(), source })
}

async fn add_included(
    app: &App,
    document: &mut Value,
    include: Option<BTreeSet<&str>>,
    owner: KeyOwner,
) -> Result<(), DbError> {
    if include.is_some() {
        document["included"] = included_users(&app.context.db, vec![owner.user_id]).await?;
    }
    Ok(())
}
