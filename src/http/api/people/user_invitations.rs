//! `/api/v2/user_invitations`: links with which invited people join an organization. A link is in
//! the response that creates it and in no other.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::actions::people::create_links::{NewLink, create_links};
use crate::app::App;
use crate::db::orgs::invitations;
use crate::db::orgs::invitations::Invitation;
use crate::http::api::people::id::PersonId;
use crate::http::api::people::request::InvitedPeople;
use crate::http::api::people::resources::invitation;
use crate::http::error::ApiError;
use crate::http::extract::{Caller, JsonApi, PeopleInvite};
use crate::rules::id::InvitationId;
use crate::rules::identity::invitation_link::invitation_link;

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleInvite>,
    JsonApi(InvitedPeople(ids)): JsonApi<InvitedPeople>,
) -> Result<Response, ApiError> {
    let (lifetime, by) = (app.config.links.invitation_lifetime(), caller.by());
    let made = create_links(&app.context, caller.org_id, &ids, lifetime, &by).await?;
    let data: Vec<Value> = made.iter().map(resource).collect();
    let links: Map<String, Value> = made
        .iter()
        .map(|link| {
            let url = invitation_link(&app.config.http.public_url, &link.token);
            (link.invitation.id.to_string(), json!(url))
        })
        .collect();
    let document = Json(json!({"data": data, "meta": {"links": links}}));
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], document).into_response())
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleInvite>,
    PersonId(id): PersonId,
) -> Result<Json<Value>, ApiError> {
    let found = invitations::find(&app.context.db, caller.org_id, InvitationId(id.0)).await?;
    let found = found.ok_or(ApiError::NoSuchId(id.0))?;
    Ok(Json(json!({"data": invitation(&found)})))
}

fn resource(link: &NewLink) -> Value {
    let link_expires_at = Some(link.expires_at);
    invitation(&Invitation { link_expires_at, ..link.invitation.clone() })
}
