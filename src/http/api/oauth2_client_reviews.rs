//! `/api/v2/oauth2_client_reviews`: reviewers decide about the versions that partners submitted.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::{Value, json};

use crate::actions::clients::publishing::decide::{approve_version, reject_version};
use crate::actions::clients::publishing::review::{Review, review_of};
use crate::app::App;
use crate::db::clients::versions;
use crate::db::clients::versions::Version;
use crate::db::engine::error::DbError;
use crate::http::api::authorized_resources::{counts, json_api_response, uuid};
use crate::http::api::oauth2_clients::request::VersionRequest;
use crate::http::api::oauth2_clients::resources::version_resource;
use crate::http::api::page::Page;
use crate::http::error::ApiError;
use crate::http::extract::{JsonApi, Query, Reviewer};
use crate::rules::client::private_client::AttributeError;
use crate::rules::client::submission::note;
use crate::rules::client::version::VersionState;
use crate::rules::id::VersionId;

/// The id in the path. A malformed one gets 404.
pub struct ReviewId(pub VersionId);

impl<S: Send + Sync> FromRequestParts<S> for ReviewId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state).await.ok();
        let id = params.as_ref().and_then(|params| params.iter().next()).map(|(_, text)| text);
        id.and_then(uuid).map(|id| Self(VersionId(id))).ok_or(ApiError::NoSuchVersion)
    }
}

pub async fn list(
    State(app): State<Arc<App>>,
    _reviewer: Reviewer,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let Page { size, number } = Page::parse(&query)?;
    let state = match query.get("filter[state]") {
        None => VersionState::Submitted,
        Some(text) => VersionState::parse(text)
            .map_err(|error| ApiError::bad_parameter("filter[state]", error.to_string()))?,
    };
    let (found, all) = versions::list_in_state(&app.context.db, state, size, number).await?;
    let data: Vec<Value> = found.iter().map(version_resource).collect();
    Ok(json_api_response(&json!({"data": data, "meta": counts(all, all)})))
}

pub async fn show(
    State(app): State<Arc<App>>,
    _reviewer: Reviewer,
    ReviewId(id): ReviewId,
) -> Result<Response, ApiError> {
    let version = versions::find(&app.context.db, id).await?.ok_or(ApiError::NoSuchVersion)?;
    let meta = meta(&app, &version).await?;
    Ok(json_api_response(&json!({"data": version_resource(&version), "meta": meta})))
}

pub async fn approve(
    State(app): State<Arc<App>>,
    reviewer: Reviewer,
    ReviewId(id): ReviewId,
    JsonApi(request): JsonApi<VersionRequest>,
) -> Result<Response, ApiError> {
    let note = note_of(&request)?;
    let by = &reviewer.by;
    let version = approve_version(&app.context, id, note.as_deref(), &app.catalog, by).await?;
    Ok(json_api_response(&json!({"data": version_resource(&version)})))
}

pub async fn reject(
    State(app): State<Arc<App>>,
    reviewer: Reviewer,
    ReviewId(id): ReviewId,
    JsonApi(request): JsonApi<VersionRequest>,
) -> Result<Response, ApiError> {
    let note = note_of(&request)?;
    let note = note.ok_or_else(|| ApiError::bad_attribute("note is missing: say why", "note"))?;
    let version = reject_version(&app.context, id, &note, &reviewer.by).await?;
    Ok(json_api_response(&json!({"data": version_resource(&version)})))
}

fn note_of(request: &VersionRequest) -> Result<Option<String>, AttributeError> {
    let mut found = None;
    for (member, value) in &request.attributes {
        match member.as_str() {
            "note" => found = note(value)?,
            unknown => return Err(AttributeError::unknown(unknown)),
        }
    }
    Ok(found)
}

/// The differences from the published version, and what the reviewer should look at.
async fn meta(app: &App, version: &Version) -> Result<Value, DbError> {
    let Review { before, warnings } = review_of(&app.context.db, version).await?;
    let before = before.as_ref();
    let changes = Review::changes(before, version);
    let against = before.map(|before| before.id);
    Ok(json!({"diff": {"against": against, "changes": changes}, "warnings": warnings}))
}
