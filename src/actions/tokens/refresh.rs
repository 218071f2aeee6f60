//! A client exchanges a refresh token for new tokens (RFC 6749 section 6), which rotates it (RFC
//! 9700 section 4.14.2).
//!
//! The family is read, `rules::token::refresh` decides, and the rotation is stored only if the row
//! did not change in between. Of two concurrent refreshes, on any replica, one rotates. The other
//! one finds a changed row, reads again, and gets the same successor. The usual refresh is batched
//! with others that wait (`FamilyQueues`), so its decision owns everything that it needs.

use std::sync::Arc;

use crate::actions::clients::scopes_restriction::RestrictionRules;
use crate::actions::context::Context;
use crate::actions::tokens::error::TokenError;
use crate::actions::tokens::issue::{Issued, Issuer, TokenContent};
use crate::actions::tokens::revoke_family::{RevocationReason, revoke_family};
use crate::clock::Clock;
use crate::db::engine::decisions::Decision;
use crate::db::engine::error::DbError;
use crate::db::families::queues::Attempt;
use crate::db::families::rotations::Rotation;
use crate::db::families::{Family, ForRefresh, last_tokens};
use crate::rules::authorization::resource::Resource;
use crate::rules::client::ClientId;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::scope::configured::ConfiguredScopes;
use crate::rules::scope::offered::ScopeLimits;
use crate::rules::secret::{Digest, Secret};
use crate::rules::timestamp::Timestamp;
use crate::rules::token::refresh::{
    IssuedRefreshToken, RefreshDecision, RefreshRequest, StoredFamily, decide_refresh,
};
use crate::rules::token::refresh_token::{FamilyState, PURPOSE, RefreshRules, RefreshToken};
use crate::rules::token::request::TokenRefusal;

/// Each further attempt means that another request changed the row, so this is enough.
const ATTEMPTS: [Attempt; 5] =
    [Attempt::First, Attempt::Again, Attempt::Again, Attempt::Again, Attempt::Again];

/// The request of a client.
#[derive(Clone, Copy, Debug)]
pub struct Refreshing<'a> {
    pub client_id: ClientId,
    /// The `client_id` as the client sent it.
    pub client: &'a str,
    /// The scopes that a confidential client may get. `None` for public clients.
    pub configured_scopes: Option<&'a ConfiguredScopes>,
    pub refresh_token: &'a Secret,
    pub scope: Option<&'a ScopeSet>,
    pub resources: &'a [Resource],
}

pub async fn refresh_tokens(
    context: &Context,
    issuer: &Arc<Issuer>,
    rules: RestrictionRules<'_>,
    refreshing: Refreshing<'_>,
) -> Result<Issued, TokenError> {
    let token = RefreshToken::parse(refreshing.refresh_token.expose())
        .map_err(|_| TokenRefusal::InvalidRefreshToken)?;
    let deciding = Arc::new(Deciding {
        issuer: Arc::clone(issuer),
        clock: context.clock.clone(),
        catalog: Arc::clone(rules.catalog),
        required: rules.required.clone(),
        client_id: refreshing.client_id,
        configured_scopes: refreshing.configured_scopes.cloned(),
        token,
        scope: refreshing.scope.cloned(),
        resources: refreshing.resources.to_vec(),
    });
    for attempt in ATTEMPTS {
        let deciding = Arc::clone(&deciding);
        let decided = issuer
            .families
            .decide_refresh(token.family, attempt, move |found| deciding.decide(found))
            .await;
        match decided {
            Ok(Some(Answer::Issue(refreshed))) => {
                return refreshed.issue(context, issuer, refreshing.client).await;
            }
            Ok(Some(Answer::Refuse(refusal))) => return Err(refusal.into()),
            Ok(Some(Answer::RevokeFamily)) => {
                revoke_family(context, issuer, token.family, RevocationReason::RefreshTokenReused)
                    .await?;
                return Err(TokenRefusal::InvalidRefreshToken.into());
            }
            // The row changed. After a deadlock or a lock timeout, nothing did. Either way, the
            // next attempt reads again.
            Ok(None) | Err(DbError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(TokenError::Busy)
}

/// The answer of a decision.
enum Answer {
    Issue(Box<Refreshed>),
    Refuse(TokenRefusal),
    RevokeFamily,
}

/// Everything needed to issue the tokens of the response.
struct Refreshed {
    family: Family,
    refresh_token: Secret,
    /// Scopes and resources of the access token.
    scopes: ScopeSet,
    resources: Vec<Resource>,
    repeats: Option<RepeatedResponse>,
}

/// An earlier response is repeated. Nothing was rotated.
struct RepeatedResponse {
    /// When a repeated response last issued an access token.
    reissued_at: Option<Timestamp>,
}

impl Refreshed {
    /// A refresh returns no ID token, since it does not sign the user in (optional by OpenID Connect
    /// Core section 12.2).
    async fn issue(
        self,
        context: &Context,
        issuer: &Issuer,
        client: &str,
    ) -> Result<Issued, TokenError> {
        let Self { family, refresh_token, scopes, resources, repeats } = self;
        if let Some(RepeatedResponse { reissued_at }) = repeats {
            note_reissue(context, &family, reissued_at).await;
        }
        let access_token = issuer.access_token(
            context,
            &family,
            TokenContent { client, scopes: &scopes, resources: &resources },
        )?;
        issuer.uses.note(family.id, context.clock.now());
        Ok(Issued {
            access_token,
            expires_in: issuer.lifetimes.access,
            refresh_token: Some(refresh_token),
            scope: scopes,
            id_token: None,
        })
    }
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

/// A refresh request with everything needed to decide it.
struct Deciding {
    issuer: Arc<Issuer>,
    clock: Clock,
    catalog: Arc<ScopeCatalog>,
    required: ScopeSet,
    client_id: ClientId,
    configured_scopes: Option<ConfiguredScopes>,
    token: RefreshToken,
    scope: Option<ScopeSet>,
    resources: Vec<Resource>,
}

impl Deciding {
    fn decide(&self, found: Option<ForRefresh>) -> Decision<Rotation, Answer> {
        let now = self.clock.now();
        let (refresh_token, scopes, resources) = match self.apply_rules(found.as_ref(), now) {
            RefreshDecision::Issue { refresh_token, scopes, resources } => {
                (refresh_token, scopes, resources)
            }
            RefreshDecision::Refuse(refusal) => return Decision::Keep(Answer::Refuse(refusal)),
            RefreshDecision::RevokeFamily => return Decision::Keep(Answer::RevokeFamily),
        };
        let refused = || Decision::Keep(Answer::Refuse(TokenRefusal::InvalidRefreshToken));
        let Some(ForRefresh { family, reissued_at, .. }) = found else { return refused() };
        let issue = |family, refresh_token, repeats| {
            Answer::Issue(Box::new(Refreshed { family, refresh_token, scopes, resources, repeats }))
        };
        let repeated = match refresh_token {
            IssuedRefreshToken::Next => {
                let key = self.issuer.ring.newest();
                let successor = self.issuer.successor(key, &self.token);
                let rotation = self.rotation(&family, key.id(), &successor, now);
                return Decision::Swap(rotation, issue(family, successor, None));
            }
            IssuedRefreshToken::Presented => {
                let presented = self.token.secret();
                let repeats = Some(RepeatedResponse { reissued_at });
                return Decision::Keep(issue(family, presented, repeats));
            }
            IssuedRefreshToken::Current => family.current_digest,
            IssuedRefreshToken::Previous => family.previous_digest,
        };
        match self.derive_again(repeated) {
            Some(successor) => {
                Decision::Keep(issue(family, successor, Some(RepeatedResponse { reissued_at })))
            }
            None => refused(),
        }
    }

    fn apply_rules(&self, found: Option<&ForRefresh>, now: Timestamp) -> RefreshDecision {
        let request = RefreshRequest {
            client_id: self.client_id,
            token: &self.token,
            scope: self.scope.as_ref(),
            resources: &self.resources,
            now,
        };
        let lifetimes = self.issuer.lifetimes;
        let configured = self.configured_scopes.as_ref();
        let rules = RefreshRules {
            // The tokens of confidential clients neither expire nor rotate.
            idle: if configured.is_some() { 0 } else { lifetimes.refresh_idle },
            grace: lifetimes.grace,
            repeat: lifetimes.repeat,
            rotates: configured.is_none(),
        };
        let limits = ScopeLimits { catalog: &self.catalog, required: &self.required, configured };
        decide_refresh(request, found.map(stored), rules, limits, || {
            was_derived(&self.issuer, &self.token)
        })
    }

    fn rotation(
        &self,
        family: &Family,
        key_id: &str,
        successor: &Secret,
        now: Timestamp,
    ) -> Rotation {
        Rotation {
            id: family.id,
            from_sequence: family.sequence,
            scopes: family.scopes.clone(),
            key_id: key_id.to_owned(),
            new_digest: successor.digest(),
            now,
            forget_at: self.issuer.forget_at(now, true, family.ends_at),
        }
    }

    /// Derives the successor of the presented token again. Returns `None` if its key is no longer in
    /// the ring.
    fn derive_again(&self, successor: Option<Digest>) -> Option<Secret> {
        let mut candidates =
            self.issuer.ring.keys().map(|key| self.issuer.successor(key, &self.token));
        candidates.find(|candidate| Some(candidate.digest()) == successor)
    }
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

/// Whether this server derived the token under any key of its ring.
fn was_derived(issuer: &Issuer, token: &RefreshToken) -> bool {
    issuer.ring.keys().any(|key| token.was_derived(|message| key.mac(PURPOSE, message)))
}

/// Whether it is or was a refresh token of the family.
pub(in crate::actions) fn is_authentic(
    issuer: &Issuer,
    family: &Family,
    token: &RefreshToken,
) -> bool {
    let digest = Some(token.digest());
    digest == family.current_digest
        || digest == family.previous_digest
        || was_derived(issuer, token)
}
