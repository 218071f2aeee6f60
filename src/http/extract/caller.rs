//! Authentication and authorization of the management API.
//!
//! A caller sends an access token or two keys: the API key identifies the organization, the
//! application key the user. Wrong keys are counted by source. Valid keys are accepted even from a
//! source that sent wrong ones; otherwise one client could lock out everyone else on its network.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::actions::audit::{Actor, AuditActor};
use crate::app::App;
use crate::db::authorizations::consents;
use crate::http::error::ApiError;
use crate::http::extract::look_ups::wait_for_turn;
use crate::http::headers::credentials::{API_KEY, APPLICATION_KEY, bearer_token};
use crate::http::middleware::edge::DeferredCount;
use crate::http::middleware::origin::Origin;
use crate::limits::rate_limit::{Class, Counted};
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::api_caller::{ApiCaller, Credential};
use crate::rules::identity::permission::Permission;
use crate::rules::scope::ScopeSet;
use crate::rules::secret::Secret;

/// Longer keys cannot be valid and are not looked up.
const MAX_KEY_LEN: usize = 256;

/// What callers need for an operation.
pub trait Permit {
    /// One of these permissions. A token also needs the scope of the same name.
    const ANY_OF: &'static [Permission];
    /// If no permission is needed, the scope that a token needs.
    const TOKEN_SCOPE: Option<&'static str> = None;
    const ACCEPTS_TOKENS: bool = true;
    /// The error for a token where only keys are accepted.
    const KEYS_ONLY: &'static str =
        "an access token cannot change this: send DD-API-KEY and DD-APPLICATION-KEY instead";
}

/// To see clients and their restrictions.
pub struct AppsRead;

/// To list clients, for themselves or for an integration.
pub struct AppsReadOrIntegrations;

/// To restrict clients and end authorizations.
pub struct AppsWrite;

/// To see and end one's own authorizations, which every member may do.
pub struct OwnApps;

/// To change the settings of the organization. Access tokens are not accepted, since an app must
/// not widen its own restriction.
pub struct OrgManagement;

/// To manage webhooks.
pub struct Integrations;

impl Permit for AppsRead {
    const ANY_OF: &'static [Permission] = &[Permission::OrgAuthorizedAppsRead];
}

impl Permit for AppsReadOrIntegrations {
    const ANY_OF: &'static [Permission] =
        &[Permission::OrgAuthorizedAppsRead, Permission::ManageIntegrations];
}

impl Permit for AppsWrite {
    const ANY_OF: &'static [Permission] = &[Permission::OrgAuthorizedAppsWrite];
}

impl Permit for OwnApps {
    const ANY_OF: &'static [Permission] = &[];
    const TOKEN_SCOPE: Option<&'static str> = Some("built_in_features");
}

/// To create and change the organization's own clients. An app could otherwise change what it may
/// do itself.
pub struct OwnClients;

/// To delete the organization's own clients.
pub struct OwnClientsDelete;

const CLIENTS_BY_KEYS: &str =
    "an access token may not manage clients: use an API key and an application key";

impl Permit for OwnClients {
    const ANY_OF: &'static [Permission] = &[Permission::ManageIntegrations];
    const ACCEPTS_TOKENS: bool = false;
    const KEYS_ONLY: &'static str = CLIENTS_BY_KEYS;
}

impl Permit for OwnClientsDelete {
    const ANY_OF: &'static [Permission] = &[Permission::OrgManagement];
    const ACCEPTS_TOKENS: bool = false;
    const KEYS_ONLY: &'static str = CLIENTS_BY_KEYS;
}

impl Permit for OrgManagement {
    const ANY_OF: &'static [Permission] = &[Permission::OrgManagement];
    const ACCEPTS_TOKENS: bool = false;
}

impl Permit for Integrations {
    const ANY_OF: &'static [Permission] = &[Permission::ManageIntegrations];
}

/// An authenticated caller who has what `P` requires.
pub struct Caller<P> {
    pub org_id: OrgId,
    caller: ApiCaller,
    origin: Option<Origin>,
    permit: PhantomData<P>,
}

impl<P> Caller<P> {
    pub const fn user_id(&self) -> UserId {
        self.caller.user_id
    }

    /// The actor for the audit log.
    pub fn by(&self) -> AuditActor {
        AuditActor {
            actor: Actor::ApiCaller(self.caller),
            request_id: self.origin.as_ref().map(|origin| origin.request_id.to_string()),
            address: self.origin.as_ref().map(|origin| origin.address),
        }
    }
}

impl<P: Permit> FromRequestParts<Arc<App>> for Caller<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let identified = authenticate(parts, app).await?;
        if !P::ACCEPTS_TOKENS && matches!(identified.caller.credential, Credential::Token(_)) {
            return Err(ApiError::KeysOnly(P::KEYS_ONLY));
        }
        let caller = check_permission::<P>(app, &identified)?;
        Ok(Self { org_id: caller.org_id, caller, origin: Origin::of(parts), permit: PhantomData })
    }
}

fn check_permission<P: Permit>(app: &App, identified: &Identified) -> Result<ApiCaller, ApiError> {
    let caller = identified.caller;
    app.limits
        .take(Class::ApiCaller, Counted::Key(caller.rate_limit_key()))
        .map_err(ApiError::RateLimited)?;
    let has_scope =
        |scope: &str| identified.scopes.as_ref().is_none_or(|scopes| scopes.contains(scope));
    if let Some(scope) = P::TOKEN_SCOPE.filter(|scope| !has_scope(scope)) {
        return Err(ApiError::LacksScope(scope));
    }
    let covers = |permission: &Permission| has_scope(permission.as_str());
    let any_of = P::ANY_OF;
    if any_of.iter().any(|permission| covers(permission) && caller.may(*permission)) {
        return Ok(caller);
    }
    match any_of.iter().find(|permission| caller.may(**permission)).or(any_of.first()) {
        Some(permission) if caller.may(*permission) => {
            Err(ApiError::LacksScope(permission.as_str()))
        }
        Some(permission) => Err(ApiError::Lacks(*permission)),
        None => Ok(caller),
    }
}

struct Identified {
    caller: ApiCaller,
    /// The scopes of a token. `None` for keys, which allow everything that the user may do.
    scopes: Option<ScopeSet>,
}

async fn authenticate(parts: &Parts, app: &App) -> Result<Identified, ApiError> {
    let identified = {
        let source = Origin::of(parts).map(|origin| Counted::Network(origin.address.into()));
        let _turn = wait_for_turn(&app.limits, source, &[Class::FailedKeys, Class::Requests]).await;
        identify(parts, app).await?
    };
    if let Some(deferred_count) = parts.extensions.get::<DeferredCount>() {
        deferred_count.settle();
    }
    Ok(identified)
}

/// A valid token takes precedence. Otherwise the keys decide.
async fn identify(parts: &Parts, app: &App) -> Result<Identified, ApiError> {
    let bearer = parts.headers.get(AUTHORIZATION).and_then(bearer_token);
    if let Some(identified) = by_token(app, bearer).await? {
        return Ok(identified);
    }
    let caller = by_keys(parts, app).await?;
    Ok(Identified { caller, scopes: None })
}

/// Accepts only tokens whose audience is this server alone (RFC 9068 section 4), and only scopes
/// for which the consent page showed that the client can call this server. The grant stores these
/// scopes; older consents do not count.
async fn by_token(app: &App, bearer: Option<&str>) -> Result<Option<Identified>, ApiError> {
    let Some(bearer) = bearer else { return Ok(None) };
    let live = app.find_live(bearer).await?;
    let Some(live) = live.filter(|live| live.claims.aud.is_only(&app.issuer.name)) else {
        return Ok(None);
    };
    let shown =
        consents::find_scopes_for_this_server(&app.context.db, live.liveness.grant_id).await?;
    Ok(shown.map(|shown| Identified {
        caller: ApiCaller {
            org_id: live.liveness.org_id,
            user_id: live.liveness.user_id,
            role: live.role,
            credential: Credential::Token(live.claims.family),
        },
        scopes: Some(live.scopes.intersection(&shown)),
    }))
}

async fn by_keys(parts: &Parts, app: &App) -> Result<ApiCaller, ApiError> {
    let api_key = key(&parts.headers, API_KEY);
    let application_key = key(&parts.headers, APPLICATION_KEY);
    let (Some(api_key), Some(application_key)) = (api_key, application_key) else {
        return Err(ApiError::Unauthorized);
    };
    let could_be_ours =
        [&api_key, &application_key].iter().all(|key| key.expose().len() <= MAX_KEY_LEN);
    if could_be_ours
        && let Some(caller) = app.callers.find(&app.context.db, &api_key, &application_key).await?
    {
        return Ok(caller);
    }
    if let Some(origin) = Origin::of(parts) {
        app.limits
            .take(Class::FailedKeys, Counted::Network(origin.address.into()))
            .map_err(ApiError::RateLimited)?;
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
