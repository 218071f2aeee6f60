//! Authentication and authorization of the management API.
//!
//! A caller sends an access token or two keys: the API key identifies the organization, the
//! application key the user. Wrong keys are counted by source. Valid keys are accepted even from a
//! source that sent wrong ones; otherwise one client could lock out everyone else on its network.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::actions::audit::{Actor, AuditActor};
use crate::app::App;
use crate::db::authorizations::consents;
use crate::http::error::{ApiError, StringsError};
use crate::http::extract::basic::bearer_token;
use crate::http::extract::look_ups::wait_for_turn;
use crate::http::middleware::edge::{DeferredCount, Origin};
use crate::http::middleware::rate_limit::{Class, Counted};
use crate::rules::identity::operator::{Credential, Operator};
use crate::rules::identity::permission::Permission;
use crate::rules::scope::ScopeSet;
use crate::secret::Secret;

/// Longer keys cannot be valid and are not looked up.
const MAX_KEY_LEN: usize = 256;
const API_KEY: &str = "dd-api-key";
const APPLICATION_KEY: &str = "dd-application-key";

/// A caller who may see clients and their restrictions.
pub struct MayRead(pub Operator);

/// A caller who may see clients, either directly or because they may manage integrations.
pub struct MayManageApps(pub Operator);

/// A caller who may restrict clients.
pub struct MayWrite(pub Operator, pub AuditActor);

/// A caller who may change the settings of the organization. Access tokens are not accepted, since
/// an app must not widen its own restriction.
pub struct MayManageOrg(pub Operator, pub AuditActor);

/// A caller who may manage integrations.
pub struct MayManageIntegrations(pub Operator, pub AuditActor);

impl FromRequestParts<Arc<App>> for MayRead {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        authorize(parts, app, &[Permission::OrgAuthorizedAppsRead]).await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for MayManageApps {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        authorize(parts, app, &[Permission::OrgAuthorizedAppsRead, Permission::ManageIntegrations]).await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for MayWrite {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let operator = authorize(parts, app, &[Permission::OrgAuthorizedAppsWrite]).await?;
        Ok(Self(operator, audit_actor(operator, parts)))
    }
}

impl FromRequestParts<Arc<App>> for MayManageOrg {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let caller = authenticate(parts, app).await?;
        if matches!(caller.operator.credential, Credential::Token(_)) {
            return Err(ApiError::KeysOnly);
        }
        let operator = check_permission(app, &caller, &[Permission::OrgManagement])?;
        Ok(Self(operator, audit_actor(operator, parts)))
    }
}

impl FromRequestParts<Arc<App>> for MayManageIntegrations {
    type Rejection = StringsError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, StringsError> {
        let operator = authorize(parts, app, &[Permission::ManageIntegrations]).await?;
        Ok(Self(operator, audit_actor(operator, parts)))
    }
}

fn audit_actor(operator: Operator, parts: &Parts) -> AuditActor {
    let origin = Origin::of(parts);
    AuditActor {
        actor: Actor::Operator(operator),
        request_id: origin.as_ref().map(|origin| origin.request_id.to_string()),
        address: origin.map(|origin| origin.address),
    }
}

/// Requires one of the permissions. A token also needs the scope of the same name.
async fn authorize(parts: &Parts, app: &App, any_of: &[Permission]) -> Result<Operator, ApiError> {
    check_permission(app, &authenticate(parts, app).await?, any_of)
}

fn check_permission(app: &App, caller: &Caller, any_of: &[Permission]) -> Result<Operator, ApiError> {
    let operator = caller.operator;
    app.limits.take(Class::Operator, Counted::Key(operator.rate_limit_key())).map_err(ApiError::RateLimited)?;
    let covers =
        |permission: &Permission| caller.scopes.as_ref().is_none_or(|scopes| scopes.contains(permission.as_str()));
    if any_of.iter().any(|permission| covers(permission) && operator.may(*permission)) {
        return Ok(operator);
    }
    match any_of.iter().find(|permission| operator.may(**permission)).or(any_of.first()) {
        Some(permission) if operator.may(*permission) => Err(ApiError::LacksScope(*permission)),
        Some(permission) => Err(ApiError::Lacks(*permission)),
        None => Ok(operator),
    }
}

struct Caller {
    operator: Operator,
    /// The scopes of a token. `None` for keys, which allow everything that the user may do.
    scopes: Option<ScopeSet>,
}

/// Whether the request has credentials, valid or not.
pub fn presents_credentials(headers: &HeaderMap) -> bool {
    let has_keys = headers.contains_key(API_KEY) && headers.contains_key(APPLICATION_KEY);
    has_keys || headers.get(AUTHORIZATION).and_then(bearer_token).is_some()
}

async fn authenticate(parts: &Parts, app: &App) -> Result<Caller, ApiError> {
    let caller = {
        let source = Origin::of(parts).map(|origin| Counted::Network(origin.address.into()));
        let _turn = wait_for_turn(&app.limits, source, &[Class::FailedKeys, Class::Requests]).await;
        identify(parts, app).await?
    };
    if let Some(deferred_count) = parts.extensions.get::<DeferredCount>() {
        deferred_count.settle();
    }
    Ok(caller)
}

/// A valid token takes precedence. Otherwise the keys decide.
async fn identify(parts: &Parts, app: &App) -> Result<Caller, ApiError> {
    let bearer = parts.headers.get(AUTHORIZATION).and_then(bearer_token);
    if let Some(caller) = by_token(app, bearer).await? {
        return Ok(caller);
    }
    let operator = by_keys(parts, app).await?;
    Ok(Caller { operator, scopes: None })
}

/// Accepts only tokens whose audience is this server alone (RFC 9068 section 4), and only scopes
/// for which the consent page showed that the client can call this server. The grant stores these
/// scopes; older consents do not count.
async fn by_token(app: &App, bearer: Option<&str>) -> Result<Option<Caller>, ApiError> {
    let Some(bearer) = bearer else { return Ok(None) };
    let live = app.find_live(bearer).await?;
    let Some(live) = live.filter(|live| live.claims.aud.is_only(&app.issuer.name)) else { return Ok(None) };
    let shown = consents::find_scopes_for_this_server(&app.context.db, live.liveness.grant_id).await?;
    Ok(shown.map(|shown| Caller {
        operator: Operator {
            org_id: live.liveness.org_id,
            user_id: live.liveness.user_id,
            role: live.role,
            credential: Credential::Token(live.claims.family),
        },
        scopes: Some(live.scopes.intersection(&shown)),
    }))
}

async fn by_keys(parts: &Parts, app: &App) -> Result<Operator, ApiError> {
    let api_key = key(&parts.headers, API_KEY);
    let application_key = key(&parts.headers, APPLICATION_KEY);
    let (Some(api_key), Some(application_key)) = (api_key, application_key) else {
        return Err(ApiError::Unauthorized);
    };
    let could_be_ours = [&api_key, &application_key].iter().all(|key| key.expose().len() <= MAX_KEY_LEN);
    if could_be_ours && let Some(operator) = app.operators.find(&app.context.db, &api_key, &application_key).await? {
        return Ok(operator);
    }
    if let Some(origin) = Origin::of(parts) {
        app.limits.take(Class::FailedKeys, Counted::Network(origin.address.into())).map_err(ApiError::RateLimited)?;
    }
    tracing::info!("unknown or revoked keys were sent");
    Err(ApiError::UnknownKeys)
}

/// A header that occurs twice is ignored: a proxy may have checked the other value.
fn key(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = value.to_str().ok()?.trim();
    (!text.is_empty()).then(|| Secret::new(text.to_owned()))
}
