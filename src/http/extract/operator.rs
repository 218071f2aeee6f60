//! Who calls an operators' endpoint, and whether they may.
//!
//! By an access token, or by keys, of which both are needed: the API key names the organization, the application key the
//! person in it. Wrong keys are counted by source. Right keys are accepted from a source of wrong ones too, or one guest of
//! a network could keep everybody else in it out.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::actions::audit::{Actor, By};
use crate::app::App;
use crate::db::authorizations::consents;
use crate::http::error::{ApiError, StringsError};
use crate::http::extract::basic::bearer_token;
use crate::http::extract::look_ups::turn;
use crate::http::middleware::edge::{CountedLater, Origin};
use crate::http::middleware::rate_limit::{Class, Counted};
use crate::rules::identity::operator::{Credential, Operator};
use crate::rules::identity::permission::Permission;
use crate::rules::scope::ScopeSet;
use crate::secret::Secret;

/// Longer ones are no keys of ours, and are not even looked for.
const LONGEST_KEY: usize = 256;
const API_KEY: &str = "dd-api-key";
const APPLICATION_KEY: &str = "dd-application-key";

/// An operator who may see clients and their restrictions.
pub struct MayRead(pub Operator);

/// An operator who may see clients, for that or because integrations are theirs to manage.
pub struct MayManageApps(pub Operator);

/// An operator who may restrict clients.
pub struct MayWrite(pub Operator, pub By);

/// An operator who may change settings of the organization, with keys: an app must not widen its own bounds.
pub struct MayManageOrg(pub Operator, pub By);

/// An operator who may look after integrations.
pub struct MayManageIntegrations(pub Operator, pub By);

impl FromRequestParts<Arc<App>> for MayRead {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        authorized(parts, app, &[Permission::OrgAuthorizedAppsRead]).await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for MayManageApps {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        authorized(parts, app, &[Permission::OrgAuthorizedAppsRead, Permission::ManageIntegrations]).await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for MayWrite {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let operator = authorized(parts, app, &[Permission::OrgAuthorizedAppsWrite]).await?;
        Ok(Self(operator, on_behalf_of(operator, parts)))
    }
}

impl FromRequestParts<Arc<App>> for MayManageOrg {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let caller = authenticated(parts, app).await?;
        if matches!(caller.operator.credential, Credential::Token(_)) {
            return Err(ApiError::KeysOnly);
        }
        let operator = permitted(app, &caller, &[Permission::OrgManagement])?;
        Ok(Self(operator, on_behalf_of(operator, parts)))
    }
}

impl FromRequestParts<Arc<App>> for MayManageIntegrations {
    type Rejection = StringsError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, StringsError> {
        let operator = authorized(parts, app, &[Permission::ManageIntegrations]).await?;
        Ok(Self(operator, on_behalf_of(operator, parts)))
    }
}

fn on_behalf_of(operator: Operator, parts: &Parts) -> By {
    let origin = Origin::of(parts);
    By {
        actor: Actor::Operator(operator),
        request_id: origin.as_ref().map(|origin| origin.request_id.to_string()),
        address: origin.map(|origin| origin.address),
    }
}

/// Any one of the permissions will do; with a token, its scope of the same name besides.
async fn authorized(parts: &Parts, app: &App, any_of: &[Permission]) -> Result<Operator, ApiError> {
    permitted(app, &authenticated(parts, app).await?, any_of)
}

fn permitted(app: &App, caller: &Caller, any_of: &[Permission]) -> Result<Operator, ApiError> {
    let operator = caller.operator;
    app.limits.take(Class::Operator, Counted::Key(operator.counted_by())).map_err(ApiError::RateLimited)?;
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
    /// What a token allows of what the user may do; keys allow all of it.
    scopes: Option<ScopeSet>,
}

/// Whether there is something to look up, right or wrong.
pub fn presents_credentials(headers: &HeaderMap) -> bool {
    let has_keys = headers.contains_key(API_KEY) && headers.contains_key(APPLICATION_KEY);
    has_keys || headers.get(AUTHORIZATION).and_then(bearer_token).is_some()
}

async fn authenticated(parts: &Parts, app: &App) -> Result<Caller, ApiError> {
    let caller = {
        let source = Origin::of(parts).map(|origin| Counted::Network(origin.address.into()));
        let _turn = turn(&app.limits, source, &[Class::FailedKeys, Class::Requests]).await;
        identified(parts, app).await?
    };
    if let Some(counted_later) = parts.extensions.get::<CountedLater>() {
        counted_later.settle();
    }
    Ok(caller)
}

/// A token that lives goes before keys; with any other, the keys decide.
async fn identified(parts: &Parts, app: &App) -> Result<Caller, ApiError> {
    let bearer = parts.headers.get(AUTHORIZATION).and_then(bearer_token);
    if let Some(caller) = by_token(app, bearer).await? {
        return Ok(caller);
    }
    let operator = by_keys(parts, app).await?;
    Ok(Caller { operator, scopes: None })
}

/// Only a token for this server alone (RFC 9068 section 4), and only as far as its user was shown that the client can reach
/// this server: the grant remembers that with the scopes. Consents from before that was shown do not count.
async fn by_token(app: &App, bearer: Option<&str>) -> Result<Option<Caller>, ApiError> {
    let Some(bearer) = bearer else { return Ok(None) };
    let live = app.find_live(bearer).await?;
    let Some(live) = live.filter(|live| live.claims.aud.is_only(&app.issuer.name)) else { return Ok(None) };
    let shown = consents::find_shown_here(&app.context.db, live.liveness.grant_id).await?;
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
    let could_be_ours = [&api_key, &application_key].iter().all(|key| key.expose().len() <= LONGEST_KEY);
    if could_be_ours && let Some(operator) = app.operators.find(&app.context.db, &api_key, &application_key).await? {
        return Ok(operator);
    }
    if let Some(origin) = Origin::of(parts) {
        app.limits.take(Class::FailedKeys, Counted::Network(origin.address.into())).map_err(ApiError::RateLimited)?;
    }
    tracing::info!("keys that name nobody were presented");
    Err(ApiError::UnknownKeys)
}

/// A header that is there twice names nobody: a proxy may have looked at the other one.
fn key(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = value.to_str().ok()?.trim();
    (!text.is_empty()).then(|| Secret::new(text.to_owned()))
}
