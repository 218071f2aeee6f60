//! `/api/v2/oauth2_clients/{client_id}/submit`, `withdraw` and `versions`: what an owner submits for
//! review.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::actions::clients::publishing::submit::{Submitting, submit_version};
use crate::actions::clients::publishing::withdraw::withdraw_version;
use crate::app::App;
use crate::db::clients::versions;
use crate::http::api::authorized_resources::{counts, json_api_response, uuid};
use crate::http::api::oauth2_clients::request::VersionRequest;
use crate::http::api::oauth2_clients::resources::version_resource;
use crate::http::api::oauth2_clients::{PrivateClientId, find};
use crate::http::api::page::Page;
use crate::http::error::ApiError;
use crate::http::extract::{Caller, JsonApi, OwnClients, OwnClientsManage, Query};
use crate::rules::client::ClientId;
use crate::rules::client::submission::Submission;
use crate::rules::id::VersionId;

pub async fn submit(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClientsManage>,
    PrivateClientId(client_id): PrivateClientId,
    JsonApi(request): JsonApi<VersionRequest>,
) -> Result<Response, ApiError> {
    let submission = Submission::parse(&request.attributes)?;
    let (org_id, catalog) = (caller.org_id, &*app.catalog);
    let submitting = Submitting { org_id, client_id, submission: &submission, catalog };
    let submitted = submit_version(&app.context, submitting, &caller.by()).await?;
    let mut resource = version_resource(&submitted.version);
    if let Some(secret) = &submitted.secret {
        resource["attributes"]["client_secret"] = json!(secret.expose());
    }
    let document = json_api_response(&json!({"data": resource}));
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], document).into_response())
}

pub async fn withdraw(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClientsManage>,
    PrivateClientId(client_id): PrivateClientId,
) -> Result<Response, ApiError> {
    let version = withdraw_version(&app.context, caller.org_id, client_id, &caller.by()).await?;
    Ok(json_api_response(&json!({"data": version_resource(&version)})))
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClients>,
    PrivateClientId(client_id): PrivateClientId,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let Page { size, number } = Page::parse(&query)?;
    let private = find(&app, &caller, client_id).await?.pair.private;
    let (found, all) = versions::list(&app.context.db, private, size, number).await?;
    let data: Vec<Value> = found.iter().map(version_resource).collect();
    Ok(json_api_response(&json!({"data": data, "meta": counts(all, all)})))
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClients>,
    Path((client, version)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let client = uuid(&client).map(ClientId::from_uuid).ok_or(ApiError::NoSuchPrivateClient)?;
    let private = find(&app, &caller, client).await?.pair.private;
    let id = uuid(&version).map(VersionId).ok_or(ApiError::NoSuchVersion)?;
    let found = versions::find(&app.context.db, id).await?;
    let version = found.filter(|version| version.private_client_id == private);
    let version = version.ok_or(ApiError::NoSuchVersion)?;
    Ok(json_api_response(&json!({"data": version_resource(&version)})))
}
