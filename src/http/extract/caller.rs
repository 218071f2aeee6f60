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
use crate::db::keys::callers::KeyCaller;
use crate::http::error::ApiError;
use crate::http::extract::look_ups::wait_for_turn;
use crate::http::headers::credentials::{API_KEY, APPLICATION_KEY, bearer_token};
use crate::http::middleware::edge::DeferredCount;
use crate::http::middleware::origin::Origin;
use crate::limits::rate_limit::{Class, Counted};
use crate::rules::client::ClientId;
use crate::rules::id::{KeyId, OrgId, UserId};
use crate::rules::identity::api_caller::{ApiCaller, Credential};
use crate::rules::identity::permission::Permission;
use crate::rules::scope::ScopeSet;
use crate::rules::secret::Secret;

/// Longer keys cannot be valid and are not looked up.
const MAX_KEY_LEN: usize = 256;

/// What callers need for an operation.
pub trait Permit {
    /// One of these permissions. A token, and an application key that is limited to scopes, also
    /// need the scope of the same name.
    const ANY_OF: &'static [Permission];
    /// If no permission is needed, the scope that a token and a limited key need.
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

/// To submit, withdraw, delete and retire the organization's own clients.
pub struct OwnClientsManage;

pub(super) const CLIENTS_BY_KEYS: &str =
    "an access token may not manage clients: use an API key and an application key";

/// For every member, with keys.
pub struct Members;

impl Permit for Members {
    const ANY_OF: &'static [Permission] = &[];
    const ACCEPTS_TOKENS: bool = false;
    const KEYS_ONLY: &'static str = CLIENTS_BY_KEYS;
}

impl Permit for OwnClients {
    const ANY_OF: &'static [Permission] = &[Permission::ManageIntegrations];
    const ACCEPTS_TOKENS: bool = false;
    const KEYS_ONLY: &'static str = CLIENTS_BY_KEYS;
}

impl Permit for OwnClientsManage {
    const ANY_OF: &'static [Permission] = &[Permission::OrgManagement];
    const ACCEPTS_TOKENS: bool = false;
    const KEYS_ONLY: &'static str = CLIENTS_BY_KEYS;
}

/// To see the audit trail of the organization.
pub struct AuditRead;

impl Permit for AuditRead {
    const ANY_OF: &'static [Permission] = &[Permission::AuditLogsRead];
}

/// To see the people of the organization, their roles and what these permit.
pub struct PeopleRead;

/// To invite people.
pub struct PeopleInvite;

/// To change roles, and to end memberships and invitations.
pub struct PeopleManage;

impl Permit for PeopleRead {
    const ANY_OF: &'static [Permission] = &[Permission::UserAccessRead];
}

impl Permit for PeopleInvite {
    const ANY_OF: &'static [Permission] = &[Permission::UserAccessInvite];
}

impl Permit for PeopleManage {
    const ANY_OF: &'static [Permission] = &[Permission::UserAccessManage];
}

/// To see the API keys of the organization.
pub struct ApiKeysRead;

/// To create and rename API keys. A token must not create a key that outlives it.
pub struct ApiKeysWrite;

/// To delete API keys.
pub struct ApiKeysDelete;

/// To see one's own application keys.
pub struct OwnKeysRead;

/// To create, change and delete one's own application keys. A token must not create a key that
/// outlives it.
pub struct OwnKeysWrite;

const KEYS_BY_KEYS: &str =
    "an access token may not manage keys: use an API key and an application key";

impl Permit for ApiKeysRead {
    const ANY_OF: &'static [Permission] = &[Permission::ApiKeysRead];
}

impl Permit for ApiKeysWrite {
    const ANY_OF: &'static [Permission] = &[Permission::ApiKeysWrite];
    const ACCEPTS_TOKENS: bool = false;
    const KEYS_ONLY: &'static str = KEYS_BY_KEYS;
}

impl Permit for ApiKeysDelete {
    const ANY_OF: &'static [Permission] = &[Permission::ApiKeysDelete];
    const ACCEPTS_TOKENS: bool = false;
    const KEYS_ONLY: &'static str = KEYS_BY_KEYS;
}

impl Permit for OwnKeysRead {
    const ANY_OF: &'static [Permission] = &[Permission::UserAppKeys];
}

impl Permit for OwnKeysWrite {
    const ANY_OF: &'static [Permission] = &[Permission::UserAppKeys];
    const ACCEPTS_TOKENS: bool = false;
    const KEYS_ONLY: &'static str = KEYS_BY_KEYS;
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
    limit: CredentialLimit,
    origin: Option<Origin>,
    permit: PhantomData<P>,
}

impl<P> Caller<P> {
    pub const fn user_id(&self) -> UserId {
        self.caller.user_id
    }

    /// Whether the caller also has this permission.
    pub fn may(&self, permission: Permission) -> bool {
        self.limit.allows(permission.as_str()) && self.caller.may(permission)
    }

    /// The API key of the request. `None` if it has an access token.
    pub const fn api_key_id(&self) -> Option<KeyId> {
        match &self.limit {
            CredentialLimit::Keys { api_key_id, .. } => Some(*api_key_id),
            CredentialLimit::Token { .. } => None,
        }
    }

    /// The scopes to which the application key of the request is limited.
    pub fn key_scopes(&self) -> Option<&ScopeSet> {
        match &self.limit {
            CredentialLimit::Keys { scopes, .. } => scopes.as_deref(),
            CredentialLimit::Token { .. } => None,
        }
    }

    /// The actor for the audit log.
    pub fn by(&self) -> AuditActor {
        audit_actor(self.caller, self.origin.as_ref())
    }
}

pub(super) fn audit_actor(caller: ApiCaller, origin: Option<&Origin>) -> AuditActor {
    AuditActor {
        actor: Actor::ApiCaller(caller),
        request_id: origin.map(|origin| origin.request_id.to_string()),
        address: origin.map(|origin| origin.address),
    }
}

impl<P: Permit> FromRequestParts<Arc<App>> for Caller<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let identified = authenticate(parts, app).await?;
        if !P::ACCEPTS_TOKENS && matches!(identified.caller.credential, Credential::Token(_)) {
            return Err(ApiError::KeysOnly(P::KEYS_ONLY));
        }
        check_permission::<P>(app, &identified)?;
        let Identified { caller, limit } = identified;
        let origin = Origin::of(parts);
        Ok(Self { org_id: caller.org_id, caller, limit, origin, permit: PhantomData })
    }
}

fn check_permission<P: Permit>(app: &App, identified: &Identified) -> Result<(), ApiError> {
    let Identified { caller, limit } = identified;
    identified.count(app)?;
    if let Some(scope) = P::TOKEN_SCOPE.filter(|scope| !limit.allows(scope)) {
        return Err(limit.refuses(scope));
    }
    let covers = |permission: &Permission| limit.allows(permission.as_str());
    let any_of = P::ANY_OF;
    if any_of.iter().any(|permission| covers(permission) && caller.may(*permission)) {
        return Ok(());
    }
    match any_of.iter().find(|permission| caller.may(**permission)).or(any_of.first()) {
        Some(permission) if caller.may(*permission) => Err(limit.refuses(permission.as_str())),
        Some(permission) => Err(ApiError::Lacks(*permission)),
        None => Ok(()),
    }
}

/// A caller whose credentials are valid.
pub(super) struct Identified {
    pub(super) caller: ApiCaller,
    pub(super) limit: CredentialLimit,
}

impl Identified {
    /// Counts the request against the limit of its caller.
    pub(super) fn count(&self, app: &App) -> Result<(), ApiError> {
        app.limits
            .take(Class::ApiCaller, Counted::Key(self.caller.rate_limit_key()))
            .map_err(ApiError::RateLimited)
    }
}

/// What limits the caller besides the role of their user.
pub(super) enum CredentialLimit {
    /// The scopes of an access token.
    Token { client_id: ClientId, scopes: ScopeSet },
    /// `None` for an application key that may do everything that the role permits.
    Keys { api_key_id: KeyId, scopes: Option<Arc<ScopeSet>> },
}

impl CredentialLimit {
    pub(super) fn allows(&self, scope: &str) -> bool {
        match self {
            Self::Token { scopes, .. } => scopes.contains(scope),
            Self::Keys { scopes, .. } => {
                scopes.as_ref().is_none_or(|scopes| scopes.contains(scope))
            }
        }
    }

    fn refuses(&self, scope: &'static str) -> ApiError {
        match self {
            Self::Token { .. } => ApiError::LacksScope(scope),
            Self::Keys { .. } => ApiError::KeyLacksScope(scope),
        }
    }
}

pub(super) async fn authenticate(parts: &Parts, app: &App) -> Result<Identified, ApiError> {
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
    by_keys(parts, app).await
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
        limit: CredentialLimit::Token {
            client_id: live.liveness.client_id,
            scopes: live.scopes.intersection(&shown),
        },
    }))
}

async fn by_keys(parts: &Parts, app: &App) -> Result<Identified, ApiError> {
    let api_key = key(&parts.headers, API_KEY);
    let application_key = key(&parts.headers, APPLICATION_KEY);
    let (Some(api_key), Some(application_key)) = (api_key, application_key) else {
        return Err(ApiError::Unauthorized);
    };
    let could_be_ours =
        [&api_key, &application_key].iter().all(|key| key.expose().len() <= MAX_KEY_LEN);
    if could_be_ours
        && let Some(found) = app.callers.find(&app.context.db, &api_key, &application_key).await?
    {
        let KeyCaller { caller, api_key_id, application_key_id, scopes } = found;
        app.key_uses.note(api_key_id, application_key_id, app.context.clock.now());
        return Ok(Identified { caller, limit: CredentialLimit::Keys { api_key_id, scopes } });
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
