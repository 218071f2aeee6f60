//! `/api/v2/org_authorized_clients`: lists the clients that the users of an organization have
//! authorized, and ends authorizations.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::actions::clients::disable_client::{disable_client, enable_client};
use crate::actions::grants::revoke_grant::revoke_grant;
use crate::app::App;
use crate::db::authorizations::{Authorization, RelatedGrants};
use crate::db::orgs::org_clients;
use crate::db::orgs::org_clients::AuthorizedClient;
use crate::db::{authorizations, clients, grants};
use crate::http::api::authorized_query::{Include, authorization_filter, authorized_filter};
use crate::http::api::authorized_resources::{
    self as resources, Included, counts, json_api_response, uuid,
};
use crate::http::api::disable_request::DisableRequest;
use crate::http::api::page::{Page, flag};
use crate::http::error::ApiError;
use crate::http::extract::{AppsRead, AppsReadOrIntegrations, AppsWrite, Caller, JsonApi, Query};
use crate::rules::id::{AuthorizedClientId, GrantId, OrgId, UserId};

/// The number of authorizations per client in a response. The link and `user_count` cover the rest.
const MAX_RELATED: u32 = 100;
/// Without a filter, only active authorizations are returned.
const ACTIVE: RelatedGrants =
    RelatedGrants { revoked: Some(false), user_disabled: None, limit: MAX_RELATED };

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<AppsReadOrIntegrations>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let include = Include::for_list(&query)?;
    let filter = authorized_filter(&query, Page::parse(&query)?)?;
    let db = &app.context.db;
    let (found, total, filtered) = org_clients::list_authorized(db, caller.org_id, &filter).await?;
    let ids: Vec<_> = found.iter().map(|authorized| authorized.client_id).collect();
    let related = authorizations::list_of_clients(db, caller.org_id, &ids, ACTIVE).await?;
    let data: Vec<Value> =
        found.iter().map(|authorized| resources::org_client(authorized, &related)).collect();
    let mut document = json!({"data": data, "meta": counts(total, filtered)});
    add_included(&app, &mut document, include, &found, &related).await?;
    Ok(json_api_response(&document))
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<AppsRead>,
    Path(id): Path<String>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let include = Include::for_client(&query)?;
    let revoked = flag(&query, "filter[user_authorized_clients][disabled]")?;
    let user_disabled = flag(&query, "filter[user_authorized_clients][user][disabled]")?;
    let related = RelatedGrants { revoked: revoked.or(ACTIVE.revoked), user_disabled, ..ACTIVE };
    let authorized = find(&app, caller.org_id, &id).await?;
    let db = &app.context.db;
    let related =
        authorizations::list_of_clients(db, caller.org_id, &[authorized.client_id], related)
            .await?;
    let mut document = json!({"data": resources::org_client(&authorized, &related)});
    add_included(&app, &mut document, include, &[authorized], &related).await?;
    Ok(json_api_response(&document))
}

/// Disables the client for the organization, with a reason that users see, or enables it again.
pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<AppsWrite>,
    Path(id): Path<String>,
    JsonApi(request): JsonApi<DisableRequest>,
) -> Result<Response, ApiError> {
    let authorized = find(&app, caller.org_id, &id).await?;
    if !request.id.eq_ignore_ascii_case(&id) {
        return Err(ApiError::unprocessable("data.id is not the id in the path", "/data/id"));
    }
    let Some(wanted) = request.wanted else {
        let detail = "nothing would change: send attributes.disabled";
        return Err(ApiError::unprocessable(detail, "/data/attributes"));
    };
    let (context, client_id) = (&app.context, authorized.client_id);
    if wanted.is_disabled {
        let by = caller.by();
        let disabled = disable_client(context, caller.org_id, client_id, wanted.reason, &by).await;
        // The API key of the client was revoked.
        app.callers.clear();
        disabled?;
    } else {
        enable_client(context, caller.org_id, client_id, &caller.by()).await?;
    }
    document_of(&app, caller.org_id, &find(&app, caller.org_id, &id).await?).await
}

async fn document_of(
    app: &App,
    org_id: OrgId,
    authorized: &AuthorizedClient,
) -> Result<Response, ApiError> {
    let clients = [authorized.client_id];
    let related =
        authorizations::list_of_clients(&app.context.db, org_id, &clients, ACTIVE).await?;
    Ok(json_api_response(&json!({"data": resources::org_client(authorized, &related)})))
}

/// Disables the client for the organization, as the compatible API describes it: the row remains,
/// and every authorization ends. The operation is idempotent.
pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller<AppsWrite>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let authorized = find(&app, caller.org_id, &id).await?;
    let (client_id, by) = (authorized.client_id, caller.by());
    let disabled = disable_client(&app.context, caller.org_id, client_id, None, &by).await;
    // The API key of the client was revoked.
    app.callers.clear();
    disabled?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the authorizations of the client, including revoked ones.
pub async fn list_users(
    State(app): State<Arc<App>>,
    caller: Caller<AppsRead>,
    Path(id): Path<String>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let filter = authorization_filter(&query, Page::parse(&query)?)?;
    let authorized = find(&app, caller.org_id, &id).await?;
    let (page, total, filtered) =
        authorizations::list(&app.context.db, caller.org_id, authorized.client_id, &filter).await?;
    let org_disabled = authorized.disabled_at.is_some();
    let data: Vec<Value> =
        page.iter().map(|found| resources::user_client(found, org_disabled)).collect();
    Ok(json_api_response(&json!({"data": data, "meta": counts(total, filtered)})))
}

/// Ends one authorization by its id. The operation is idempotent.
pub async fn delete_authorization(
    State(app): State<Arc<App>>,
    caller: Caller<AppsWrite>,
    Path((id, authorization)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let authorized = find(&app, caller.org_id, &id).await?;
    let grant_id = GrantId(uuid(&authorization).ok_or(ApiError::NoSuchAuthorization)?);
    end(&app, &caller, &authorized, grant_id).await
}

/// Ends the authorization of one user.
pub async fn delete_of_user(
    State(app): State<Arc<App>>,
    caller: Caller<AppsWrite>,
    Path((id, user)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let authorized = find(&app, caller.org_id, &id).await?;
    let user_id = UserId(uuid(&user).ok_or(ApiError::NoSuchAuthorization)?);
    let found = grants::find(&app.context.db, caller.org_id, authorized.client_id, user_id).await?;
    let grant = found.ok_or(ApiError::NoSuchAuthorization)?;
    end(&app, &caller, &authorized, grant.id).await
}

async fn end(
    app: &App,
    caller: &Caller<AppsWrite>,
    authorized: &AuthorizedClient,
    grant_id: GrantId,
) -> Result<StatusCode, ApiError> {
    let belongs = |grant: &grants::Grant| {
        grant.org_id == caller.org_id && grant.client_id == authorized.client_id
    };
    revoke_grant(&app.context, grant_id, belongs, &caller.by()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(app: &App, org_id: OrgId, id: &str) -> Result<AuthorizedClient, ApiError> {
    // A malformed id gets 404, since the operations do not document 400.
    let id = AuthorizedClientId(uuid(id).ok_or(ApiError::NoSuchAuthorizedClient)?);
    let found = org_clients::find_authorized(&app.context.db, org_id, id).await?;
    found.ok_or(ApiError::NoSuchAuthorizedClient)
}

async fn add_included(
    app: &App,
    document: &mut Value,
    include: Option<Include>,
    found: &[AuthorizedClient],
    related: &[Authorization],
) -> Result<(), ApiError> {
    let Some(include) = include else { return Ok(()) };
    let mut included = Included::default();
    for authorized in found.iter().filter(|_| include.clients) {
        let Some(client) = clients::find(&app.context.db, authorized.client_id).await? else {
            continue;
        };
        included.push(resources::client(&client));
        if include.scopes {
            resources::scopes(client.metadata.scope(), &app.catalog)
                .for_each(|scope| included.push(scope));
        }
    }
    // JSON:API 1.1 requires full linkage, so the authorization that links to a user is included
    // too.
    for authorization in related.iter().filter(|_| include.users) {
        let client =
            found.iter().find(|authorized| authorized.client_id == authorization.grant.client_id);
        let org_disabled = client.is_some_and(|authorized| authorized.disabled_at.is_some());
        included.push(resources::user_client(authorization, org_disabled));
        included.push(resources::user(&authorization.user));
    }
    document["included"] = included.into_value();
    Ok(())
}
