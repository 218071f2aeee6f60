//! A client exchanges a refresh token for new tokens (RFC 6749 section 6), which rotates it (RFC 9700 section 4.14.2).
//!
//! The family's row is updated only where it is as it has to be: of two refreshes at once, on whichever replica, one
//! rotates, and the other reads the row and is given the same successor. A lost answer is repeated likewise, within the
//! grace time. Where the database can check and answer in one statement, the usual refresh is that statement.

use super::issue_tokens::{Issued, Issuer, Narrowed};
use super::revoke_family::{Why, revoke_family};
use super::{Bounds, Context, TokenError};
use crate::db::families::{self, Family, ForRefresh, Rotation};
use crate::oauth::client::ClientId;
use crate::oauth::offered_scopes::still_permitted;
use crate::oauth::refresh_token::{Decision, FamilyState, PURPOSE, RefreshRules, RefreshToken, decide};
use crate::oauth::resource::Resource;
use crate::oauth::scope::ScopeSet;
use crate::oauth::scopes_restriction::ceiling;
use crate::oauth::token_request::{TokenRefusal, narrower_resources, narrower_scope};
use crate::secret::Secret;

/// Each time round somebody else has changed the row, so this is plenty.
const ATTEMPTS: u32 = 5;

/// What a client presents.
#[derive(Clone, Copy, Debug)]
pub struct Refreshing<'a> {
    pub client_id: ClientId,
    /// As it names itself.
    pub client: &'a str,
    pub refresh_token: &'a Secret,
    pub scope: Option<&'a ScopeSet>,
    pub resources: &'a [Resource],
}

pub async fn refresh_tokens(
    context: &Context,
    issuer: &Issuer,
    bounds: Bounds<'_>,
    refreshing: Refreshing<'_>,
) -> Result<Issued, TokenError> {
    let token =
        RefreshToken::parse(refreshing.refresh_token.expose()).map_err(|_| TokenRefusal::InvalidRefreshToken)?;
    if let Some(issued) = refresh_at_once(context, issuer, bounds, &token, refreshing).await? {
        return Ok(issued);
    }
    for _ in 0..ATTEMPTS {
        let found = families::find_for_refresh(&context.db, token.family).await?;
        let found = found.filter(|found| found.family.client_id == refreshing.client_id);
        let found = found.ok_or(TokenRefusal::InvalidRefreshToken)?;
        if let Some(issued) = refresh(context, issuer, bounds, &found, &token, refreshing).await? {
            return Ok(issued);
        }
    }
    Err(TokenError::Busy)
}

/// Nothing is in the way, as nearly always. `None`: something is, and nothing has happened.
async fn refresh_at_once(
    context: &Context,
    issuer: &Issuer,
    bounds: Bounds<'_>,
    token: &RefreshToken,
    refreshing: Refreshing<'_>,
) -> Result<Option<Issued>, TokenError> {
    let (key, now) = (issuer.ring.newest(), context.clock.now());
    let successor = issuer.successor(key, token);
    let presented = families::Presented {
        id: token.family,
        client_id: refreshing.client_id,
        digest: refreshing.refresh_token.digest(),
        scopes: refreshing.scope.cloned(),
        resources: refreshing.resources.to_vec(),
        idle: issuer.lifetimes.refresh_idle,
        key_id: key.id().to_owned(),
        new_digest: successor.digest(),
        now,
        forget_at: (issuer.lifetimes.refresh_idle > 0).then(|| issuer.forget_at(now, true, None)).flatten(),
    };
    match issuer.families.rotate(presented).await? {
        Some(found) => issue(context, issuer, bounds, &found, refreshing, successor).map(Some),
        None => Ok(None),
    }
}

/// `None`: the row has changed since it was read.
async fn refresh(
    context: &Context,
    issuer: &Issuer,
    bounds: Bounds<'_>,
    found: &ForRefresh,
    token: &RefreshToken,
    refreshing: Refreshing<'_>,
) -> Result<Option<Issued>, TokenError> {
    let family = &found.family;
    let rules = RefreshRules { idle: issuer.lifetimes.refresh_idle, grace: issuer.lifetimes.grace };
    let decision = decide(token, &state(found), rules, context.clock.now(), || was_derived(issuer, token));
    if decision == Decision::Reused {
        revoke_family(context, issuer, family.id, Why::RefreshTokenReused).await?;
    }
    let may_refresh = found.user_disabled_at.is_none() && found.role.is_some() && found.client_disabled_at.is_none();
    if !may_refresh || !matches!(decision, Decision::Rotate | Decision::Repeat) {
        return Err(TokenRefusal::InvalidRefreshToken.into());
    }
    // Before anything is rotated: who asks for too much keeps what they have.
    narrowed(bounds, found, refreshing)?;
    let refresh_token = match decision {
        Decision::Repeat => Some(repeat(issuer, family, token)?),
        _ => rotate(context, issuer, family, token).await?,
    };
    refresh_token.map(|token| issue(context, issuer, bounds, found, refreshing, token)).transpose()
}

/// No ID token: a refresh signs nobody in (OpenID Connect Core section 12.2 leaves it open).
fn issue(
    context: &Context,
    issuer: &Issuer,
    bounds: Bounds<'_>,
    found: &ForRefresh,
    refreshing: Refreshing<'_>,
    refresh_token: Secret,
) -> Result<Issued, TokenError> {
    let family = &found.family;
    let (scope, resources) = narrowed(bounds, found, refreshing)?;
    let narrowed = Narrowed { client: refreshing.client, scopes: &scope, resources: &resources };
    let access_token = issuer.access_token(context, family, narrowed)?;
    issuer.uses.note(family.id, context.clock.now());
    let expires_in = issuer.lifetimes.access;
    Ok(Issued { access_token, expires_in, refresh_token: Some(refresh_token), scope, id_token: None })
}

/// What the access token is to hold.
fn narrowed(
    bounds: Bounds<'_>,
    found: &ForRefresh,
    refreshing: Refreshing<'_>,
) -> Result<(ScopeSet, Vec<Resource>), TokenRefusal> {
    let granted = narrower_scope(refreshing.scope, &found.family.scopes)?;
    let scope = still_allowed(bounds, found, &granted);
    if scope.is_empty() {
        // Who named nothing has to ask its user again, which clients do after this error only.
        let named = refreshing.scope.map(|scope| TokenRefusal::ScopeNotAllowed(scope.clone()));
        return Err(named.unwrap_or(TokenRefusal::InvalidRefreshToken));
    }
    Ok((scope, narrower_resources(refreshing.resources, &found.family.resources)?))
}

fn state(found: &ForRefresh) -> FamilyState {
    let family = &found.family;
    FamilyState {
        sequence: family.sequence,
        current_digest: family.current_digest,
        previous_digest: family.previous_digest,
        rotated_at: family.rotated_at,
        previous_rotated_at: found.previous_rotated_at,
        ends_at: family.ends_at,
        revoked_at: family.revoked_at,
    }
}

/// Whether this server has made the token, under any key that it still has.
fn was_derived(issuer: &Issuer, token: &RefreshToken) -> bool {
    issuer.ring.keys().any(|key| token.was_derived(|message| key.mac(PURPOSE, message)))
}

/// Whether it is, or was, a token of the family.
pub(super) fn is_authentic(issuer: &Issuer, family: &Family, token: &RefreshToken) -> bool {
    let digest = Some(token.digest());
    digest == family.current_digest || digest == family.previous_digest || was_derived(issuer, token)
}

/// What the family may still have. Whoever is no member any more may have nothing.
fn still_allowed(bounds: Bounds<'_>, found: &ForRefresh, granted: &ScopeSet) -> ScopeSet {
    let (Bounds { catalog, required, .. }, Some(role)) = (bounds, found.role) else { return ScopeSet::default() };
    let ceiling = ceiling(found.restriction.as_ref(), found.default_client_scopes.as_ref(), required, catalog);
    still_permitted(granted, &ceiling, required, role, catalog)
}

/// The token that took the place of the presented one, once more. Where its key has left the ring meanwhile it cannot be
/// said again.
fn repeat(issuer: &Issuer, family: &Family, token: &RefreshToken) -> Result<Secret, TokenRefusal> {
    let key = issuer.ring.find(&family.key_id).ok_or(TokenRefusal::InvalidRefreshToken)?;
    Ok(issuer.successor(key, token))
}

async fn rotate(
    context: &Context,
    issuer: &Issuer,
    family: &Family,
    token: &RefreshToken,
) -> Result<Option<Secret>, TokenError> {
    let now = context.clock.now();
    let key = issuer.ring.newest();
    let successor = issuer.successor(key, token);
    let rotation = Rotation {
        id: family.id,
        from_sequence: family.sequence,
        scopes: &family.scopes,
        key_id: key.id(),
        new_digest: successor.digest(),
        now,
        forget_at: issuer.forget_at(now, true, family.ends_at),
    };
    Ok(families::rotate(&context.db, &rotation).await?.then_some(successor))
}
