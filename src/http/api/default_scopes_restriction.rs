//! `GET`, `POST` and `DELETE /api/v2/oauth2/default_scopes_restriction`: the scopes that an
//! organization allows clients without a restriction of their own. Requests and responses have the
//! shape of a client's restriction; the id is the organization's.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::actions::orgs::default_client_scopes;
use crate::actions::orgs::default_client_scopes::NewDefaults;
use crate::app::App;
use crate::db::orgs;
use crate::http::api::scopes_restriction::{Meta, document};
use crate::http::api::upsert_request::{Options, UpsertRequest};
use crate::http::error::ApiError;
use crate::http::extract::{MayManageOrg, MayRead};
use crate::http::middleware::body;
use crate::rules::id::OrgId;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::restriction::ScopesRestriction;

pub async fn show(State(app): State<Arc<App>>, MayRead(operator): MayRead) -> Result<Response, ApiError> {
    let org = orgs::find(&app.context.db, operator.org_id).await?.ok_or(ApiError::NotFound)?;
    Ok(restriction_response(&app, operator.org_id, org.default_client_scopes.as_ref(), None))
}

pub async fn upsert(
    State(app): State<Arc<App>>,
    MayManageOrg(operator, by): MayManageOrg,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let options = Options::parse(query.as_deref().unwrap_or_default())?;
    let bytes = body::read(request, &[body::JSON, body::JSON_API], app.body_bounds()).await?;
    let body = UpsertRequest::parse(&bytes)?;
    let scopes = ScopesRestriction::parse(&body.oidc_scopes, &body.permission_scopes, &app.catalog)?.to_defaults();
    let new = new_defaults(&app, operator.org_id, Some(&scopes));
    if options.dry_run {
        let preview = default_client_scopes::preview_default_restriction(&app.context, new).await?;
        return Ok(restriction_response(&app, operator.org_id, Some(&scopes), Some(Meta::from(&preview))));
    }
    default_client_scopes::restrict_by_default(&app.context, new, options.if_digest.as_deref(), &by).await?;
    Ok(restriction_response(&app, operator.org_id, Some(&scopes), None))
}

pub async fn lift(
    State(app): State<Arc<App>>,
    MayManageOrg(operator, by): MayManageOrg,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, ApiError> {
    Options::parse(query.as_deref().unwrap_or_default())?.are_absent()?;
    default_client_scopes::restrict_by_default(&app.context, new_defaults(&app, operator.org_id, None), None, &by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn new_defaults<'a>(app: &'a App, org_id: OrgId, scopes: Option<&'a ScopeSet>) -> NewDefaults<'a> {
    NewDefaults { org_id, scopes, config: &app.config, catalog: &app.catalog }
}

fn restriction_response(app: &App, org_id: OrgId, scopes: Option<&ScopeSet>, meta: Option<Meta<'_>>) -> Response {
    let restriction = scopes.map(|scopes| ScopesRestriction::from_defaults(scopes, &app.catalog));
    document(org_id.0, &ScopeSet::default(), restriction.as_ref(), meta)
}
