//! `/api/v2/oauth2_clients/{client_id}/client_secret`: the secret is in the response that creates it
//! and in no other.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::actions::clients::private::secrets::{
    MadeSecret, end_previous_secret, generate_secret, regenerate_secret,
};
use crate::app::App;
use crate::http::api::authorized_resources::{json_api_response, uuid};
use crate::http::api::oauth2_clients::request::RegenerateRequest;
use crate::http::api::oauth2_clients::resources::secret_resource;
use crate::http::api::oauth2_clients::{PrivateClientId, find};
use crate::http::error::ApiError;
use crate::http::extract::{Caller, JsonApi, OwnClients};
use crate::rules::audit::since::parse_time;
use crate::rules::client::ClientId;
use crate::rules::client::kind::ClientKind;
use crate::rules::id::SecretId;
use crate::rules::identity::permission::Permission;
use crate::rules::timestamp::Timestamp;

pub async fn generate(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClients>,
    PrivateClientId(id): PrivateClientId,
) -> Result<Response, ApiError> {
    may_change_secret(&app, &caller, id).await?;
    let made = generate_secret(&app.context, caller.org_id, id, &caller.by()).await?;
    Ok(secret_response(StatusCode::CREATED, &made))
}

pub async fn regenerate(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClients>,
    PrivateClientId(id): PrivateClientId,
    JsonApi(request): JsonApi<RegenerateRequest>,
) -> Result<Response, ApiError> {
    may_change_secret(&app, &caller, id).await?;
    let until =
        request.overlap_until.as_deref().map(|text| overlap_until(&app, text)).transpose()?;
    let made = regenerate_secret(&app.context, caller.org_id, id, until, &caller.by()).await?;
    Ok(secret_response(StatusCode::OK, &made))
}

/// Ends the previous secret before its time.
pub async fn end(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClients>,
    Path((client, secret)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let client = uuid(&client).map(ClientId::from_uuid).ok_or(ApiError::NoSuchPrivateClient)?;
    may_change_secret(&app, &caller, client).await?;
    let secret = uuid(&secret).map(SecretId).ok_or(ApiError::NoSuchSecret)?;
    end_previous_secret(&app.context, caller.org_id, client, secret, &caller.by()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The secret of a published client is for administrators.
async fn may_change_secret(
    app: &App,
    caller: &Caller<OwnClients>,
    id: ClientId,
) -> Result<(), ApiError> {
    const NEEDED: Permission = Permission::OrgManagement;
    let client = find(app, caller, id).await?;
    if client.kind == ClientKind::Published && !caller.may(NEEDED) {
        return Err(ApiError::Lacks(NEEDED));
    }
    Ok(())
}

fn overlap_until(app: &App, text: &str) -> Result<Timestamp, ApiError> {
    let max = i64::try_from(app.config.partners.secret_overlap_max).unwrap_or(i64::MAX);
    let now = app.context.clock.now();
    let until = parse_time(text).filter(|until| (1..=max).contains(&until.seconds_since(now)));
    until.ok_or_else(|| {
        let detail = format!(
            "overlap_until must be a time such as 2026-11-30T08:00:00Z, later than now and at most {max} seconds ahead"
        );
        ApiError::bad_attribute(detail, "overlap_until")
    })
}

fn secret_response(status: StatusCode, made: &MadeSecret) -> Response {
    let document = json!({"data": secret_resource(made)});
    (status, [(CACHE_CONTROL, "no-store")], json_api_response(&document)).into_response()
}
