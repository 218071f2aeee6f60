//! `GET`, `POST` and `DELETE /api/v2/oauth2/default_scopes_restriction`: the scopes that an
//! organization allows clients without a restriction of their own. Requests and responses have the
//! shape of a client's restriction; the id is the organization's.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::actions::orgs::default_client_scopes;
use crate::actions::orgs::default_client_scopes::NewDefaults;
use crate::app::App;
use crate::db::orgs;
use crate::http::api::scopes_restriction::{Meta, document};
use crate::http::api::upsert_request::{Options, UpsertRequest};
use crate::http::error::ApiError;
use crate::http::extract::{AppsRead, Caller, JsonApi, OrgManagement};
use crate::rules::id::OrgId;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::scopes_restriction::ScopesRestriction;

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<AppsRead>,
) -> Result<Response, ApiError> {
    let org = orgs::find(&app.context.db, caller.org_id).await?.ok_or(ApiError::NotFound)?;
    Ok(restriction_response(&app, caller.org_id, org.default_client_scopes.as_ref(), None))
}

pub async fn upsert(
    State(app): State<Arc<App>>,
    caller: Caller<OrgManagement>,
    options: Options,
    JsonApi(body): JsonApi<UpsertRequest>,
) -> Result<Response, ApiError> {
    let scopes =
        ScopesRestriction::parse(&body.oidc_scopes, &body.permission_scopes, &app.catalog)?
            .to_defaults();
    let new = new_defaults(&app, caller.org_id, Some(&scopes));
    if options.dry_run {
        let preview = default_client_scopes::preview_default_restriction(&app.context, new).await?;
        return Ok(restriction_response(
            &app,
            caller.org_id,
            Some(&scopes),
            Some(Meta::from(&preview)),
        ));
    }
    default_client_scopes::restrict_by_default(
        &app.context,
        new,
        options.if_digest.as_deref(),
        &caller.by(),
    )
    .await?;
    Ok(restriction_response(&app, caller.org_id, Some(&scopes), None))
}

pub async fn lift(
    State(app): State<Arc<App>>,
    caller: Caller<OrgManagement>,
    options: Options,
) -> Result<StatusCode, ApiError> {
    options.are_absent()?;
    default_client_scopes::restrict_by_default(
        &app.context,
        new_defaults(&app, caller.org_id, None),
        None,
        &caller.by(),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn new_defaults<'a>(app: &'a App, org_id: OrgId, scopes: Option<&'a ScopeSet>) -> NewDefaults<'a> {
    NewDefaults { org_id, scopes, config: &app.config, catalog: &app.catalog }
}

fn restriction_response(
    app: &App,
    org_id: OrgId,
    scopes: Option<&ScopeSet>,
    meta: Option<Meta<'_>>,
) -> Response {
    let restriction = scopes.map(|scopes| ScopesRestriction::from_defaults(scopes, &app.catalog));
    document(org_id.0, &ScopeSet::default(), restriction.as_ref(), meta)
}
