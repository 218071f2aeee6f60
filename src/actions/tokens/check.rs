//! Whether an access token lives, and what it still allows: for introspection, user information and this server's own
//! API.
//!
//! A signature is verified once, or was made here, and is remembered by the token's digest, which takes a third of the
//! time; whether the token lives is read from the database each time, so that a revocation on any replica is seen by the next check on every other.

use crate::actions::clients::restrict_scopes::Bounds;
use crate::actions::context::Context;
use crate::actions::tokens::issue::Issuer;
use crate::db::engine::error::DbError;
use crate::db::families::Liveness;
use crate::rules::client::ClientId;
use crate::rules::identity::permission::Role;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::offered::permitted_by_role;
use crate::rules::token::claims::{ACCESS_TOKEN_TYPE, AccessTokenClaims};
use crate::secret::Digest;
use crate::signing::SigningKeys;

/// Longer ones are none of ours.
const LONGEST: usize = 8_192;

/// A token that lives.
#[derive(Clone, Debug)]
pub struct LiveToken {
    pub claims: AccessTokenClaims,
    /// The scopes of the token, without those that were taken from its grant since or that its user's role does not permit.
    pub scopes: ScopeSet,
    /// The role that its user has now.
    pub role: Role,
    pub liveness: Liveness,
}

impl Issuer {
    /// `None`: not a token of this server, or it is not valid anymore. `bounds` are those of its client.
    pub async fn find_live<'a>(
        &self,
        context: &Context,
        bounds: impl FnOnce(ClientId) -> Bounds<'a>,
        token: &str,
    ) -> Result<Option<LiveToken>, DbError> {
        let Some(claims) = self.verify(token).await else { return Ok(None) };
        let now = context.clock.now();
        if !claims.holds(&self.name, now) {
            return Ok(None);
        }
        let found = self.families.find_liveness(claims.family).await?;
        let Some(liveness) = found.filter(|liveness| liveness.revoked_at.is_none()) else { return Ok(None) };
        let Some(role) = liveness.role else { return Ok(None) };
        let Bounds { required, catalog, .. } = bounds(liveness.client_id);
        let scopes = permitted_by_role(&claims.scope.intersection(&liveness.scopes), required, role, catalog);
        self.uses.note(claims.family, now);
        Ok(Some(LiveToken { claims, scopes, role, liveness }))
    }

    /// What the token says, where this server has said it; it may have ended since.
    pub async fn verify(&self, token: &str) -> Option<AccessTokenClaims> {
        if token.len() > LONGEST {
            return None;
        }
        let digest = Digest::of(token);
        let generation = self.signing.generation();
        if self.verified.knows(&digest, generation) {
            return SigningKeys::read_verified(token);
        }
        let claims = self.signing.verify(ACCESS_TOKEN_TYPE, token).await?;
        self.verified.remember(&digest, generation);
        Some(claims)
    }
}
