//! `GET`, `POST` and `DELETE /api/v2/oauth2/clients/{client_uuid}/scopes_restriction`: the scopes
//! that an organization allows a client. `null` means no restriction; empty lists mean no scopes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::actions::clients::scopes_restriction;
use crate::actions::clients::scopes_restriction::{NewRestriction, Restricted};
use crate::app::App;
use crate::db::orgs::org_clients;
use crate::http::api::upsert_request::{Options, UpsertRequest};
use crate::http::error::{ApiError, JSON_API};
use crate::http::extract::{AppsRead, AppsWrite, Caller, ClientUuid, JsonApi};
use crate::rules::client::ClientId;
use crate::rules::scope::scopes_restriction::ScopesRestriction;
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::timestamp::Timestamp;

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<AppsRead>,
    ClientUuid(client_id): ClientUuid,
) -> Result<Response, ApiError> {
    let restriction = org_clients::find_restriction(&app.context.db, caller.org_id, client_id)
        .await?
        .ok_or(ApiError::NoSuchClient)?;
    Ok(restriction_response(&app, client_id, restriction.as_ref(), None))
}

pub async fn upsert(
    State(app): State<Arc<App>>,
    caller: Caller<AppsWrite>,
    ClientUuid(client_id): ClientUuid,
    options: Options,
    JsonApi(body): JsonApi<UpsertRequest>,
) -> Result<Response, ApiError> {
    let restriction =
        ScopesRestriction::parse(&body.oidc_scopes, &body.permission_scopes, &app.catalog)?;
    let new = NewRestriction {
        org_id: caller.org_id,
        client_id,
        restriction: Some(&restriction),
        rules: app.restriction_rules(client_id),
    };
    if options.dry_run {
        let preview = scopes_restriction::preview_restriction(&app.context, new).await?;
        return Ok(restriction_response(
            &app,
            client_id,
            Some(&restriction),
            Some(Meta::from(&preview)),
        ));
    }
    scopes_restriction::restrict_scopes(
        &app.context,
        new,
        options.if_digest.as_deref(),
        &caller.by(),
    )
    .await?;
    Ok(restriction_response(&app, client_id, Some(&restriction), None))
}

pub async fn lift(
    State(app): State<Arc<App>>,
    caller: Caller<AppsWrite>,
    ClientUuid(client_id): ClientUuid,
    options: Options,
) -> Result<StatusCode, ApiError> {
    options.are_absent()?;
    let rules = app.restriction_rules(client_id);
    scopes_restriction::lift_restriction(
        &app.context,
        rules,
        caller.org_id,
        client_id,
        &caller.by(),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
struct Document<'a> {
    data: Data<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta<'a>>,
}

#[derive(Serialize)]
struct Data<'a> {
    id: uuid::Uuid,
    r#type: &'static str,
    attributes: Attributes<'a>,
}

/// Both members are always present.
#[derive(Serialize)]
struct Attributes<'a> {
    required_permission_scopes: Option<&'a ScopeSet>,
    scopes_restriction: Option<Lists<'a>>,
}

#[derive(Serialize)]
struct Lists<'a> {
    oidc_scopes: &'a [ScopeToken],
    permission_scopes: &'a [ScopeToken],
}

/// The result of a dry run.
#[derive(Serialize)]
pub(super) struct Meta<'a> {
    dry_run: bool,
    scopes_added: &'a ScopeSet,
    scopes_removed: &'a ScopeSet,
    grants: u64,
    /// How many of the grants end. The others lose only the removed scopes.
    ended: u64,
    users: u64,
    /// RFC 3339. Until then, APIs that only check signatures may accept access tokens with a
    /// removed scope.
    last_token_ends_at: Option<String>,
    digest: &'a str,
}

impl<'a> From<&'a Restricted> for Meta<'a> {
    fn from(preview: &'a Restricted) -> Self {
        Self {
            dry_run: true,
            scopes_added: &preview.change.scopes_added,
            scopes_removed: &preview.change.scopes_removed,
            grants: preview.affected.grants,
            ended: preview.ended,
            users: preview.affected.users,
            last_token_ends_at: preview.last_token_ends_at.map(Timestamp::to_rfc3339),
            digest: &preview.digest,
        }
    }
}

fn restriction_response(
    app: &App,
    client_id: ClientId,
    restriction: Option<&ScopesRestriction>,
    meta: Option<Meta<'_>>,
) -> Response {
    document(client_id.uuid(), app.required_scopes(client_id), restriction, meta)
}

pub(super) fn document(
    id: uuid::Uuid,
    required: &ScopeSet,
    restriction: Option<&ScopesRestriction>,
    meta: Option<Meta<'_>>,
) -> Response {
    let attributes = Attributes {
        required_permission_scopes: (!required.is_empty()).then_some(required),
        scopes_restriction: restriction.map(|restriction| Lists {
            oidc_scopes: restriction.oidc_scopes(),
            permission_scopes: restriction.permission_scopes(),
        }),
    };
    let data = Data { id, r#type: "scopes_restriction", attributes };
    let mut response = axum::Json(Document { data, meta }).into_response();
    response.headers_mut().insert(CONTENT_TYPE, JSON_API);
    response
}
