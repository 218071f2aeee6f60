//! Whether an access token lives, and what it still allows: for introspection, user information and this server's own
//! API.
//!
//! A signature is verified once, or was made here, and is remembered by the token's digest, which takes a third of the
//! time; whether the token lives is read from the database each time, so that a revocation on any replica is seen by the next check on every other.

use super::{Context, Issuer};
use crate::db::DbError;
use crate::db::families::Liveness;
use crate::oauth::claims::{ACCESS_TOKEN_TYPE, AccessTokenClaims};
use crate::oauth::scope::ScopeSet;
use crate::secret::Digest;
use crate::signing::SigningKeys;

/// Longer ones are none of ours.
const LONGEST: usize = 8_192;

/// A token that lives.
#[derive(Clone, Debug)]
pub struct LiveToken {
    pub claims: AccessTokenClaims,
    /// What it says, less what was taken from its grant since.
    pub scopes: ScopeSet,
    pub liveness: Liveness,
}

impl Issuer {
    /// `None`: no token of ours, or not any more.
    pub async fn find_live(&self, context: &Context, token: &str) -> Result<Option<LiveToken>, DbError> {
        let Some(claims) = self.verify(token).await else { return Ok(None) };
        let now = context.clock.now();
        if !claims.holds(&self.name, now) {
            return Ok(None);
        }
        let found = self.families.find_liveness(claims.family).await?;
        let Some(liveness) = found.filter(|liveness| liveness.revoked_at.is_none()) else { return Ok(None) };
        let scopes = claims.scope.intersection(&liveness.scopes);
        self.uses.note(claims.family, now);
        Ok(Some(LiveToken { claims, scopes, liveness }))
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
