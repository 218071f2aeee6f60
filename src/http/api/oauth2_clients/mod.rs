//! `/api/v2/oauth2_clients`: the organization's own clients, which keep a secret.

pub mod request;
pub mod resources;
pub mod secrets;
pub mod versions;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::actions::clients::private::create::create_private_client;
use crate::actions::clients::private::delete::delete_private_client;
use crate::actions::clients::private::update::update_private_client;
use crate::actions::clients::publishing::retire::retire_published_client;
use crate::app::App;
use crate::db::clients::own::{OwnClient, OwnFilter};
use crate::db::clients::{own, secrets as stored_secrets};
use crate::db::engine::error::DbError;
use crate::db::partners;
use crate::http::api::authorized_resources::{counts, json_api_response, uuid};
use crate::http::api::oauth2_clients::request::ClientRequest;
use crate::http::api::oauth2_clients::resources::client_resource;
use crate::http::api::page::Page;
use crate::http::error::ApiError;
use crate::http::extract::{Caller, JsonApi, OwnClients, OwnClientsManage, Query};
use crate::rules::client::ClientId;
use crate::rules::client::kind::ClientKind;
use crate::rules::client::private_client::PrivateClientChange;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::catalog::Scope;

/// The id in the path. A malformed one gets 404, like one of another organization.
pub struct PrivateClientId(pub ClientId);

impl<S: Send + Sync> FromRequestParts<S> for PrivateClientId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(path) = Path::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::NoSuchPrivateClient)?;
        let text = path.iter().find(|(name, _)| name == "client_id").map(|(_, text)| text.as_str());
        let id = uuid(text.unwrap_or_default()).map(ClientId::from_uuid);
        id.map(Self).ok_or(ApiError::NoSuchPrivateClient)
    }
}

/// The id of a published client in the path, which is of any organization.
pub struct PublishedClientId(pub ClientId);

impl<S: Send + Sync> FromRequestParts<S> for PublishedClientId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let id = PrivateClientId::from_request_parts(parts, state).await;
        id.map(|PrivateClientId(id)| Self(id)).map_err(|_| ApiError::NoSuchPublishedClient)
    }
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClients>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let page = Page::parse(&query)?;
    let name = query.get("filter").map(str::to_owned);
    let kind = match query.get("filter[kind]") {
        None => None,
        Some("private") => Some(ClientKind::Private),
        Some("published") => Some(ClientKind::Published),
        Some(_) => {
            let detail = "filter[kind] must be private or published";
            return Err(ApiError::bad_parameter("filter[kind]", detail));
        }
    };
    let filter = OwnFilter { name, kind, size: page.size, number: page.number };
    let db = &app.context.db;
    let (found, filtered) = own::list(db, caller.org_id, &filter).await?;
    let total = own::count_all(db, caller.org_id).await?;
    let data = resources_of(&app, &found).await?;
    Ok(json_api_response(&json!({"data": data, "meta": counts(total, filtered)})))
}

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClients>,
    JsonApi(request): JsonApi<ClientRequest>,
) -> Result<Response, ApiError> {
    let approved = approved_scopes(&app, &caller).await?;
    let new =
        PrivateClientChange::parse(&request.attributes, &app.catalog, &approved)?.into_new()?;
    let max = app.config.partners.clients_per_organization.into();
    let client = create_private_client(&app.context, caller.org_id, new, max, &caller.by()).await?;
    let document = json!({"data": resource_of(&app, &client).await?});
    Ok((StatusCode::CREATED, json_api_response(&document)).into_response())
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClients>,
    PrivateClientId(id): PrivateClientId,
) -> Result<Response, ApiError> {
    let client = find(&app, &caller, id).await?;
    Ok(json_api_response(&json!({"data": resource_of(&app, &client).await?})))
}

pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClients>,
    PrivateClientId(id): PrivateClientId,
    JsonApi(request): JsonApi<ClientRequest>,
) -> Result<Response, ApiError> {
    request.is_about(id)?;
    let approved = approved_scopes(&app, &caller).await?;
    let change = PrivateClientChange::parse(&request.attributes, &app.catalog, &approved)?;
    let client =
        update_private_client(&app.context, caller.org_id, id, &change, &caller.by()).await?;
    Ok(json_api_response(&json!({"data": resource_of(&app, &client).await?})))
}

pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClientsManage>,
    PrivateClientId(id): PrivateClientId,
) -> Result<StatusCode, ApiError> {
    let client = find(&app, &caller, id).await?;
    let (org_id, by) = (caller.org_id, caller.by());
    let ended = if client.kind == ClientKind::Published {
        retire_published_client(&app.context, org_id, id, &by).await.map_err(ApiError::from)
    } else {
        delete_private_client(&app.context, org_id, id, &by).await.map_err(ApiError::from)
    };
    // The API keys of the client were revoked.
    app.callers.clear();
    ended?;
    Ok(StatusCode::NO_CONTENT)
}

/// The scopes of the catalog, and which of them the client requests.
pub async fn scopes(
    State(app): State<Arc<App>>,
    caller: Caller<OwnClients>,
    PrivateClientId(id): PrivateClientId,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let client = find(&app, &caller, id).await?;
    let approved = approved_scopes(&app, &caller).await?;
    let wanted = query.get("filter").unwrap_or_default().to_lowercase();
    let matches = |scope: &&Scope| {
        scope.name.as_str().contains(&wanted) || scope.description.to_lowercase().contains(&wanted)
    };
    let resource = |scope: &Scope| {
        let name = scope.name.as_str();
        json!({
            "id": name,
            "type": "scopes",
            "attributes": {
                "name": name,
                "description": scope.description,
                "group": scope.group,
                "private": scope.private,
                "requested": client.metadata.scope().contains(name),
                "allowed": !scope.private || approved.contains(name),
            },
        })
    };
    let data: Vec<Value> = app.catalog.iter().filter(matches).map(resource).collect();
    Ok(json_api_response(&json!({"data": data})))
}

/// The private scopes that the organization may use as a partner.
async fn approved_scopes<P>(app: &App, caller: &Caller<P>) -> Result<ScopeSet, DbError> {
    let partner = partners::find(&app.context.db, caller.org_id).await?;
    Ok(partner.map(|partner| partner.private_scopes).unwrap_or_default())
}

async fn find<P>(app: &App, caller: &Caller<P>, id: ClientId) -> Result<OwnClient, ApiError> {
    let found = own::find(&app.context.db, caller.org_id, id).await?;
    found.ok_or(ApiError::NoSuchPrivateClient)
}

pub async fn resource_of(app: &App, client: &OwnClient) -> Result<Value, DbError> {
    let mut resources = resources_of(app, std::slice::from_ref(client)).await?;
    Ok(resources.pop().unwrap_or_default())
}

async fn resources_of(app: &App, clients: &[OwnClient]) -> Result<Vec<Value>, DbError> {
    let ids: Vec<ClientId> = clients.iter().map(|client| client.id).collect();
    let now = app.context.clock.now();
    let live = stored_secrets::list_live(&app.context.db, &ids, now).await?;
    Ok(clients.iter().map(|client| client_resource(client, &live)).collect())
}
