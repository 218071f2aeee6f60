//! `/api/v2/published_oauth2_clients`: the clients that people can connect from their tiles.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::actions::clients::publishing::manage::{PublishedChange, manage_published_client};
use crate::app::App;
use crate::db::clients::published;
use crate::db::clients::published::Tile;
use crate::http::api::authorized_resources::{counts, json_api_response};
use crate::http::api::oauth2_clients::request::ClientRequest;
use crate::http::api::oauth2_clients::{PublishedClientId, resource_of};
use crate::http::api::page::Page;
use crate::http::error::ApiError;
use crate::http::extract::{Caller, JsonApi, Members, Query, Reviewer};
use crate::rules::client::private_client::AttributeError;
use crate::rules::client::submission::note;

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Members>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let Page { size, number } = Page::parse(&query)?;
    let (found, all) = published::list_tiles(&app.context.db, caller.org_id, size, number).await?;
    let public_url = app.config.http.public_url.as_str();
    let data: Vec<Value> = found.iter().map(|tile| tile_resource(tile, public_url)).collect();
    Ok(json_api_response(&json!({"data": data, "meta": counts(all, all)})))
}

pub async fn update(
    State(app): State<Arc<App>>,
    reviewer: Reviewer,
    PublishedClientId(id): PublishedClientId,
    JsonApi(request): JsonApi<ClientRequest>,
) -> Result<Response, ApiError> {
    request.is_about(id)?;
    let change = change(&request.attributes)?;
    let client = manage_published_client(&app.context, id, &change, &reviewer.by).await?;
    Ok(json_api_response(&json!({"data": resource_of(&app, &client).await?})))
}

fn change(members: &[(String, Value)]) -> Result<PublishedChange, AttributeError> {
    let flag = |member: &str, value: &Value| {
        let text = format!("{member} is not true or false");
        value.as_bool().map(Some).ok_or_else(|| AttributeError::invalid(member, text))
    };
    let mut change = PublishedChange::default();
    for (member, value) in members {
        match member.as_str() {
            "listed" => change.is_listed = flag(member, value)?,
            "suspended" => change.is_suspended = flag(member, value)?,
            "note" => change.note = note(value)?,
            unknown => return Err(AttributeError::unknown(unknown)),
        }
    }
    Ok(change)
}

fn tile_resource(tile: &Tile, public_url: &str) -> Value {
    json!({
        "id": tile.id,
        "type": "oauth2_clients",
        "attributes": {
            "name": tile.name,
            "description": tile.description,
            "scopes": tile.scopes.names().collect::<Vec<_>>(),
            "listed": tile.is_listed,
            "published_at": tile.published_at.map(|at| at.to_rfc3339()),
            "connect_url": format!("{public_url}/connect/{}", tile.id),
        },
        "relationships": {"org": {"data": {"id": tile.owner, "type": "orgs"}}},
    })
}
