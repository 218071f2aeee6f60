//! `/api/v2/user_authorized_clients`: members see and end their own authorizations in the
//! organization of their credentials.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::actions::grants::revoke_grant::{RevokeGrantError, revoke_grant};
use crate::app::App;
use crate::db::authorizations::own;
use crate::db::authorizations::own::OwnAuthorization;
use crate::db::{clients, grants};
use crate::http::api::authorized_query::{Include, own_filter};
use crate::http::api::authorized_resources::{
    self as resources, Included, counts, json_api_response, uuid,
};
use crate::http::api::page::Page;
use crate::http::error::ApiError;
use crate::http::extract::{Caller, OwnApps, Query};
use crate::rules::client::ClientId;
use crate::rules::id::GrantId;

/// Lists the authorizations of the caller, including revoked ones.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<OwnApps>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let include = Include::for_own(&query)?;
    let filter = own_filter(&query, Page::parse(&query)?)?;
    let db = &app.context.db;
    let (found, total, filtered) = own::list(db, caller.org_id, caller.user_id(), &filter).await?;
    let data: Vec<Value> = found.iter().map(resource).collect();
    let mut document = json!({"data": data, "meta": counts(total, filtered)});
    add_clients(&app, &mut document, include, &found).await?;
    Ok(json_api_response(&document))
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<OwnApps>,
    Path(id): Path<String>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let include = Include::for_own(&query)?;
    let id = GrantId(uuid(&id).ok_or(ApiError::NoSuchOwnAuthorization)?);
    let found = own::find(&app.context.db, caller.org_id, caller.user_id(), id).await?;
    let found = found.ok_or(ApiError::NoSuchOwnAuthorization)?;
    let mut document = json!({"data": resource(&found)});
    add_clients(&app, &mut document, include, &[found]).await?;
    Ok(json_api_response(&document))
}

/// Ends one authorization. The operation is idempotent.
pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller<OwnApps>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = GrantId(uuid(&id).ok_or(ApiError::NoSuchOwnAuthorization)?);
    end(&app, &caller, id).await
}

/// Ends the authorization of a client, which is named by its `client_id`.
pub async fn delete_of_client(
    State(app): State<Arc<App>>,
    caller: Caller<OwnApps>,
    Path(client): Path<String>,
) -> Result<StatusCode, ApiError> {
    let client_id = uuid(&client).map(ClientId::from_uuid);
    let client_id = client_id.ok_or(ApiError::NoSuchOwnAuthorization)?;
    let db = &app.context.db;
    let found = grants::find(db, caller.org_id, client_id, caller.user_id()).await?;
    let grant = found.ok_or(ApiError::NoSuchOwnAuthorization)?;
    end(&app, &caller, grant.id).await
}

async fn end(app: &App, caller: &Caller<OwnApps>, id: GrantId) -> Result<StatusCode, ApiError> {
    let is_own =
        |grant: &grants::Grant| grant.org_id == caller.org_id && grant.user_id == caller.user_id();
    match revoke_grant(&app.context, id, is_own, &caller.by()).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(RevokeGrantError::NoSuchGrant) => Err(ApiError::NoSuchOwnAuthorization),
        Err(error) => Err(error.into()),
    }
}

fn resource(found: &OwnAuthorization) -> Value {
    resources::user_client(&found.authorization, found.org_disabled)
}

async fn add_clients(
    app: &App,
    document: &mut Value,
    include: Option<Include>,
    found: &[OwnAuthorization],
) -> Result<(), ApiError> {
    if include.is_none() {
        return Ok(());
    }
    let mut included = Included::default();
    for own in found {
        let client_id = own.authorization.grant.client_id;
        if let Some(client) = clients::find(&app.context.db, client_id).await? {
            included.push(resources::client(&client));
        }
    }
    document["included"] = included.into_value();
    Ok(())
}
