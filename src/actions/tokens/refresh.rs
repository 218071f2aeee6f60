//! A client exchanges a refresh token for new tokens (RFC 6749 section 6), which rotates it (RFC
//! 9700 section 4.14.2).
//!
//! The family is read, `rules::token::refresh` decides, and the rotation is stored only if the row
//! did not change in between. Of two concurrent refreshes, on any replica, one rotates. The other
//! one finds a changed row, reads again, and gets the same successor. The usual refresh is batched
//! with others that wait (`FamilyQueues`).

use crate::actions::clients::restrict_scopes::Bounds;
use crate::actions::context::Context;
use crate::actions::tokens::error::TokenError;
use crate::actions::tokens::issue::{Issued, Issuer, Narrowed};
use crate::actions::tokens::revoke_family::{RevocationReason, revoke_family};
use crate::db::engine::error::DbError;
use crate::db::engine::read_then_swap::{Read, Store};
use crate::db::families::rotations;
use crate::db::families::rotations::Rotation;
use crate::db::families::{Family, ForRefresh, last_tokens};
use crate::rules::authorization::resource::Resource;
use crate::rules::client::ClientId;
use crate::rules::scope::ScopeSet;
use crate::rules::timestamp::Timestamp;
use crate::rules::token::refresh::{IssuedRefreshToken, RefreshDecision, RefreshRequest, StoredFamily, decide_refresh};
use crate::rules::token::refresh_token::{FamilyState, PURPOSE, RefreshRules, RefreshToken};
use crate::rules::token::request::TokenRefusal;
use crate::secret::{Digest, Secret};

/// Each further attempt means that another request changed the row, so this is enough.
const MAX_ATTEMPTS: u32 = 5;

/// The request of a client.
#[derive(Clone, Copy, Debug)]
pub struct Refreshing<'a> {
    pub client_id: ClientId,
    /// The `client_id` as the client sent it.
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
    for attempt in 0..MAX_ATTEMPTS {
        let Read { found, store } = issuer.families.find_for_refresh(token.family).await?;
        let decision = decide(context, issuer, bounds, found.as_ref(), &token, refreshing);
        let (refresh_token, scopes, resources) = match decision {
            RefreshDecision::Issue { refresh_token, scopes, resources } => (refresh_token, scopes, resources),
            RefreshDecision::Refuse(refusal) => return Err(refusal.into()),
            RefreshDecision::RevokeFamily => {
                drop(store);
                revoke_family(context, issuer, token.family, RevocationReason::RefreshTokenReused).await?;
                return Err(TokenRefusal::InvalidRefreshToken.into());
            }
        };
        let Some(ForRefresh { family, reissued_at, .. }) = found else { continue };
        let is_repeated = refresh_token != IssuedRefreshToken::Next;
        let refresh_token = match refresh_token {
            IssuedRefreshToken::Next => rotate(context, issuer, store, &family, &token, attempt).await?,
            IssuedRefreshToken::Current => Some(repeat(issuer, store, family.current_digest, &token)?),
            IssuedRefreshToken::Previous => Some(repeat(issuer, store, family.previous_digest, &token)?),
        };
        if let Some(refresh_token) = refresh_token {
            if is_repeated {
                note_reissue(context, &family, reissued_at).await;
            }
            let narrowed = Narrowed { client: refreshing.client, scopes: &scopes, resources: &resources };
            return issue(context, issuer, &family, narrowed, refresh_token);
        }
    }
    Err(TokenError::Busy)
}

/// The response does not depend on this note. Without it, commands and pages report an earlier end
/// of the last token.
async fn note_reissue(context: &Context, family: &Family, reissued_at: Option<Timestamp>) {
    let now = context.clock.now();
    if !last_tokens::must_note_reissue(family.rotated_at, reissued_at, now) {
        return;
    }
    if let Err(error) = last_tokens::note_reissue(&context.db, family.id, now).await {
        tracing::warn!(family = %family.id, %error, "could not record a repeated refresh response");
    }
}

fn decide(
    context: &Context,
    issuer: &Issuer,
    bounds: Bounds<'_>,
    found: Option<&ForRefresh>,
    token: &RefreshToken,
    refreshing: Refreshing<'_>,
) -> RefreshDecision {
    let Refreshing { client_id, scope, resources, .. } = refreshing;
    let request = RefreshRequest { client_id, token, scope, resources };
    let lifetimes = issuer.lifetimes;
    let rules = RefreshRules { idle: lifetimes.refresh_idle, grace: lifetimes.grace, repeat: lifetimes.repeat };
    let now = context.clock.now();
    decide_refresh(request, found.map(stored), rules, bounds.limits(), now, || was_derived(issuer, token))
}

fn stored(found: &ForRefresh) -> StoredFamily<'_> {
    let family = &found.family;
    StoredFamily {
        client_id: family.client_id,
        state: FamilyState {
            sequence: family.sequence,
            current_digest: family.current_digest,
            previous_digest: family.previous_digest,
            rotated_at: family.rotated_at,
            previous_rotated_at: found.previous_rotated_at,
            ends_at: family.ends_at,
            revoked_at: family.revoked_at,
        },
        scopes: &family.scopes,
        resources: &family.resources,
        standing: &found.standing,
    }
}

/// A refresh returns no ID token, since it does not sign the user in (optional by OpenID Connect
/// Core section 12.2).
fn issue(
    context: &Context,
    issuer: &Issuer,
    family: &Family,
    narrowed: Narrowed<'_>,
    refresh_token: Secret,
) -> Result<Issued, TokenError> {
    let access_token = issuer.access_token(context, family, narrowed)?;
    issuer.uses.note(family.id, context.clock.now());
    Ok(Issued {
        access_token,
        expires_in: issuer.lifetimes.access,
        refresh_token: Some(refresh_token),
        scope: narrowed.scopes.clone(),
        id_token: None,
    })
}

/// Whether this server derived the token under any key of its ring.
fn was_derived(issuer: &Issuer, token: &RefreshToken) -> bool {
    issuer.ring.keys().any(|key| token.was_derived(|message| key.mac(PURPOSE, message)))
}

/// Whether it is or was a refresh token of the family.
pub(in crate::actions) fn is_authentic(issuer: &Issuer, family: &Family, token: &RefreshToken) -> bool {
    let digest = Some(token.digest());
    digest == family.current_digest || digest == family.previous_digest || was_derived(issuer, token)
}

/// Derives the successor of the presented token again. This fails if its key is no longer in the
/// ring.
fn repeat(
    issuer: &Issuer,
    store: Store<Rotation>,
    successor: Option<Digest>,
    token: &RefreshToken,
) -> Result<Secret, TokenRefusal> {
    drop(store);
    let mut candidates = issuer.ring.keys().map(|key| issuer.successor(key, token));
    candidates.find(|candidate| Some(candidate.digest()) == successor).ok_or(TokenRefusal::InvalidRefreshToken)
}

/// Returns `None` if the row changed after it was read. On Postgres, the first attempt skips rows
/// that another transaction holds; the next ones wait for it.
async fn rotate(
    context: &Context,
    issuer: &Issuer,
    store: Store<Rotation>,
    family: &Family,
    token: &RefreshToken,
    attempt: u32,
) -> Result<Option<Secret>, TokenError> {
    let now = context.clock.now();
    let key = issuer.ring.newest();
    let successor = issuer.successor(key, token);
    let rotation = Rotation {
        id: family.id,
        from_sequence: family.sequence,
        scopes: family.scopes.clone(),
        key_id: key.id().to_owned(),
        new_digest: successor.digest(),
        now,
        forget_at: issuer.forget_at(now, true, family.ends_at),
    };
    let happened = match attempt {
        0 => store.swap(rotation).await?,
        _ => {
            drop(store);
            match rotations::rotate(&context.db, &rotation).await {
                // A deadlock or a lock timeout: nothing changed, so the next attempt reads again.
                Err(DbError::Conflict(_)) => false,
                outcome => outcome?,
            }
        }
    };
    Ok(happened.then_some(successor))
}
