//! Issues the tokens of a family: access tokens (RFC 9068), refresh tokens, and ID tokens (OpenID
//! Connect Core section 2).

use crate::actions::context::Context;
use crate::actions::tokens::verified::VerifiedTokens;
use crate::db::families::Family;
use crate::db::families::last_uses::LastUses;
use crate::db::families::queues::FamilyQueues;
use crate::db::users::User;
use crate::rules::authorization::resource::Resource;
use crate::rules::id::FamilyId;
use crate::rules::scope::ScopeSet;
use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;
use crate::rules::token::claims::{
    ACCESS_TOKEN_TYPE, AccessTokenClaims, Audience, ID_TOKEN_TYPE, IdTokenClaims, UserClaims,
};
use crate::rules::token::refresh_token::{PURPOSE, RefreshToken, Seed};
use crate::sealing::{KeyRing, RingKey};
use crate::signing::{SigningError, SigningKeys};

/// The lifetimes from the settings, in seconds. Each setting documents what 0 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    pub code: i64,
    pub access: i64,
    pub refresh_idle: i64,
    pub refresh: i64,
    pub grace: i64,
    pub repeat: i64,
}

/// Issues and checks tokens.
pub struct Issuer {
    /// The issuer, verbatim as in every token and every response.
    pub name: String,
    pub signing: SigningKeys,
    pub ring: KeyRing,
    pub lifetimes: Lifetimes,
    /// Tokens that this server signed need not be verified here.
    pub verified: VerifiedTokens,
    pub uses: LastUses,
    pub families: FamilyQueues,
}

/// The members of a token response (RFC 6749 section 5.1).
#[derive(Debug)]
pub struct Issued {
    pub access_token: Secret,
    pub expires_in: i64,
    pub refresh_token: Option<Secret>,
    pub scope: ScopeSet,
    pub id_token: Option<Secret>,
}

/// What the tokens of one response carry in addition to their family, which may be less than the
/// family allows.
#[derive(Clone, Copy, Debug)]
pub struct TokenContent<'a> {
    /// The `client_id` as the client sends it.
    pub client: &'a str,
    pub scopes: &'a ScopeSet,
    pub resources: &'a [Resource],
}

impl Issuer {
    pub fn access_token(
        &self,
        context: &Context,
        family: &Family,
        content: TokenContent<'_>,
    ) -> Result<Secret, SigningError> {
        let now = context.clock.now();
        let claims = AccessTokenClaims {
            iss: self.name.clone(),
            sub: family.user_id,
            aud: Audience::of(content.resources, &self.name),
            exp: now.plus(self.lifetimes.access),
            iat: now,
            auth_time: family.signed_in_at,
            jti: context.new_id(),
            client_id: content.client.to_owned(),
            scope: content.scopes.clone(),
            org_id: family.org_id,
            family: family.id,
        };
        let generation = self.signing.generation();
        let token = self.signing.sign(ACCESS_TOKEN_TYPE, &claims, now).map(Secret::new)?;
        self.verified.remember(&token.digest(), generation);
        Ok(token)
    }

    /// Returns an ID token if the scope includes `openid`.
    pub fn id_token(
        &self,
        context: &Context,
        family: &Family,
        content: TokenContent<'_>,
        nonce: Option<String>,
        user: &User,
    ) -> Result<Option<Secret>, SigningError> {
        if !content.scopes.contains("openid") {
            return Ok(None);
        }
        let now = context.clock.now();
        let claims = IdTokenClaims {
            iss: self.name.clone(),
            sub: family.user_id,
            aud: content.client.to_owned(),
            exp: now.plus(self.lifetimes.access),
            iat: now,
            auth_time: family.signed_in_at,
            nonce,
            user: user_claims(content.scopes, user),
        };
        self.signing.sign(ID_TOKEN_TYPE, &claims, now).map(|token| Some(Secret::new(token)))
    }

    /// The first refresh token of a family.
    pub fn refresh_token(&self, key: &RingKey, id: FamilyId, seed: Seed) -> Secret {
        RefreshToken::derive(id, 0, seed, |message| key.mac(PURPOSE, message)).secret()
    }

    /// The successor of a presented refresh token. The same key always derives the same successor.
    pub fn successor(&self, key: &RingKey, presented: &RefreshToken) -> Secret {
        presented.successor(|message| key.mac(PURPOSE, message)).secret()
    }

    /// When a chain of refresh tokens that begins now expires, however often it is used.
    pub fn ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        (self.lifetimes.refresh > 0).then(|| now.plus(self.lifetimes.refresh))
    }

    /// When the row of a family that is used now can be deleted: its tokens have expired, with some
    /// extra time in which a client may still present one.
    pub fn forget_at(
        &self,
        now: Timestamp,
        has_refresh_token: bool,
        ends_at: Option<Timestamp>,
    ) -> Option<Timestamp> {
        const EXTRA: i64 = 3_600;
        let access = now.plus(self.lifetimes.access);
        if !has_refresh_token {
            return Some(access.plus(EXTRA));
        }
        let idle = (self.lifetimes.refresh_idle > 0).then(|| now.plus(self.lifetimes.refresh_idle));
        let end = match (idle, ends_at) {
            (Some(idle), Some(end)) => Some(idle.min(end)),
            (idle, end) => idle.or(end),
        };
        end.map(|end| end.max(access).plus(EXTRA))
    }

    /// When the row of a family that is revoked now can be deleted.
    pub fn forget_ended_at(&self, now: Timestamp) -> Timestamp {
        now.plus(self.lifetimes.access)
    }
}

/// The claims about a user that these scopes allow.
pub fn user_claims(scopes: &ScopeSet, user: &User) -> UserClaims {
    let is_verified = user.email_verified_at.is_some();
    UserClaims::for_scopes(scopes, &user.email, is_verified, user.name.as_deref())
}
