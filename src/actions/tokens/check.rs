//! Checks whether an access token is valid and which scopes it still has, for introspection, the
//! userinfo endpoint, and the API of this server.
//!
//! A signature is verified once, or was made here, and is then cached by the digest of the token,
//! which takes a third of the time. Whether the token is revoked is read from the database each
//! time, so that a revocation on any replica is visible to the next check on every other one.

use crate::actions::clients::scopes_restriction::RestrictionRules;
use crate::actions::context::Context;
use crate::actions::tokens::issue::Issuer;
use crate::db::clients;
use crate::db::clients::Client;
use crate::db::engine::error::DbError;
use crate::db::families::Liveness;
use crate::rules::client::ClientId;
use crate::rules::identity::permission::Role;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::offered::{ScopeLimits, permitted_by_role};
use crate::rules::secret::Digest;
use crate::rules::token::claims::{ACCESS_TOKEN_TYPE, AccessTokenClaims};
use crate::signing::SigningKeys;

/// Tokens of this server are never longer.
const MAX_TOKEN_LENGTH: usize = 8_192;

/// A valid access token.
#[derive(Clone, Debug)]
pub struct ActiveToken {
    pub claims: AccessTokenClaims,
    /// The scopes of the token, without those that were removed from its grant since or that the
    /// role of its user does not permit.
    pub scopes: ScopeSet,
    /// The current role of its user.
    pub role: Role,
    pub liveness: Liveness,
}

impl Issuer {
    /// Returns `None` if the token is not from this server or no longer valid. `rules` returns the
    /// rules of its client.
    pub async fn find_live<'a>(
        &self,
        context: &Context,
        rules: impl FnOnce(ClientId) -> RestrictionRules<'a>,
        token: &str,
    ) -> Result<Option<ActiveToken>, DbError> {
        let Some(claims) = self.verify(token).await else { return Ok(None) };
        let now = context.clock.now();
        if !claims.is_current(&self.name, now) {
            return Ok(None);
        }
        let found = self.families.find_liveness(claims.family).await?;
        let Some(liveness) = found.filter(|liveness| liveness.revoked_at.is_none()) else {
            return Ok(None);
        };
        let Some(role) = liveness.role else { return Ok(None) };
        let mut client = None;
        if liveness.client_id.may_be_confidential() {
            client = clients::find(&context.db, liveness.client_id).await?;
            if client.as_ref().is_none_or(|client| !client.state.is_usable()) {
                return Ok(None);
            }
        }
        let RestrictionRules { required, catalog, .. } = rules(liveness.client_id);
        let configured = client.as_ref().and_then(Client::configured_scopes);
        let mut scopes = claims.scope.intersection(&liveness.scopes);
        if let Some(configured) = configured {
            scopes = scopes.intersection(&configured.available(catalog));
        }
        let limits = ScopeLimits { catalog, required, configured };
        let scopes = permitted_by_role(&scopes, role, limits);
        self.uses.note(claims.family, now);
        Ok(Some(ActiveToken { claims, scopes, role, liveness }))
    }

    /// Returns the claims if this server signed the token, which may have expired or been revoked.
    pub async fn verify(&self, token: &str) -> Option<AccessTokenClaims> {
        if token.len() > MAX_TOKEN_LENGTH {
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
