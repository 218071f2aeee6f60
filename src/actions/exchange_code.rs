//! A client exchanges an authorization code for tokens (RFC 6749 section 4.1.3): once, and only the client that it was
//! made for, with the verifier of the challenge that it sent (RFC 7636 section 4.6).

use super::issue_tokens::{Issued, Issuer, Narrowed};
use super::revoke_family::{Why, revoke_family};
use super::{Context, TokenError};
use crate::db::authorization_codes::{self, AuthorizationCode, FoundCode};
use crate::db::clients::Client;
use crate::db::families::{self, Family, Redeeming};
use crate::oauth::client_metadata::GrantType;
use crate::oauth::pkce::CodeChallenge;
use crate::oauth::resource::Resource;
use crate::oauth::token_request::{TokenRefusal, narrower_resources};
use crate::oauth::{FamilyId, Timestamp};
use crate::secret::Secret;

/// What a client presents.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    pub client: &'a Client,
    pub code: &'a Secret,
    pub redirect_uri: Option<&'a str>,
    pub code_verifier: Option<&'a Secret>,
    pub resources: &'a [Resource],
}

pub async fn exchange_code(context: &Context, issuer: &Issuer, exchange: Exchange<'_>) -> Result<Issued, TokenError> {
    let beginning = Beginning::new(context, issuer, exchange.client);
    let found = match begin_at_once(issuer, &beginning, exchange).await? {
        Some(found) => found,
        None => begin(context, issuer, &beginning, exchange).await?,
    };
    let resources = narrower_resources(exchange.resources, &found.code.resources)?;
    let family = beginning.family(&found);
    let (client_id, scopes) = (exchange.client.wire_id(), &family.scopes);
    let narrowed = Narrowed { client: &client_id, scopes, resources: &resources };
    Ok(Issued {
        access_token: issuer.access_token(context, &family, narrowed)?,
        expires_in: issuer.lifetimes.access,
        refresh_token: beginning.refresh_token,
        scope: scopes.clone(),
        id_token: issuer.id_token(context, &family, &client_id, scopes, found.code.nonce, &found.user)?,
    })
}

/// The family that is to begin.
struct Beginning {
    id: FamilyId,
    key_id: String,
    refresh_token: Option<Secret>,
    now: Timestamp,
    ends_at: Option<Timestamp>,
    forget_at: Option<Timestamp>,
}

impl Beginning {
    fn new(context: &Context, issuer: &Issuer, client: &Client) -> Self {
        let (id, now, key) = (FamilyId(context.new_id()), context.clock.now(), issuer.ring.newest());
        let may_refresh = client.metadata.may_use(GrantType::RefreshToken);
        let refresh_token = may_refresh.then(|| issuer.refresh_token(key, id, context.random.bytes()));
        let ends_at = issuer.ends_at(now);
        let forget_at = issuer.forget_at(now, may_refresh, ends_at);
        Self { id, key_id: key.id().to_owned(), refresh_token, now, ends_at, forget_at }
    }

    fn family(&self, found: &FoundCode) -> Family {
        let code = &found.code;
        Family {
            id: self.id,
            grant_id: code.grant_id,
            org_id: found.org_id,
            client_id: code.client_id,
            user_id: found.user.id,
            scopes: code.scopes.clone(),
            resources: code.resources.clone(),
            signed_in_at: code.signed_in_at,
            created_at: self.now,
            key_id: self.key_id.clone(),
            sequence: 0,
            current_digest: self.refresh_token.as_ref().map(Secret::digest),
            previous_digest: None,
            rotated_at: self.now,
            ends_at: self.ends_at,
            revoked_at: None,
        }
    }
}

/// Nothing is wrong, as nearly always. `None`: something is, and no family has begun.
async fn begin_at_once(
    issuer: &Issuer,
    beginning: &Beginning,
    exchange: Exchange<'_>,
) -> Result<Option<FoundCode>, TokenError> {
    let challenge = exchange.code_verifier.map(|verifier| CodeChallenge::of_verifier(verifier.expose()));
    let redeeming = Redeeming {
        code: exchange.code.digest(),
        client_id: exchange.client.id,
        redirect_uri: exchange.redirect_uri.map(str::to_owned),
        challenge,
        resources: exchange.resources.to_vec(),
        family_id: beginning.id,
        key_id: beginning.key_id.clone(),
        refresh_token: beginning.refresh_token.as_ref().map(Secret::digest),
        now: beginning.now,
        ends_at: beginning.ends_at,
        forget_at: beginning.forget_at,
    };
    Ok(issuer.families.begin(redeeming).await?)
}

/// Reads the code, says what is wrong with it, and else uses it. The grant is locked together with it, as by everything that
/// ends grants, so that no family outlives its grant.
async fn begin(
    context: &Context,
    issuer: &Issuer,
    beginning: &Beginning,
    exchange: Exchange<'_>,
) -> Result<FoundCode, TokenError> {
    let digest = exchange.code.digest();
    let found = authorization_codes::find(&context.db, digest).await?;
    let found = found.filter(|found| found.code.client_id == exchange.client.id).ok_or(TokenRefusal::InvalidCode)?;
    if let Some(family_id) = found.family_id {
        // RFC 6749 section 4.1.2: a second use ends what the first one gave.
        revoke_family(context, issuer, family_id, Why::CodeUsedTwice).await?;
        return Err(TokenRefusal::InvalidCode.into());
    }
    check(&found.code, exchange)?;
    narrower_resources(exchange.resources, &found.code.resources)?;
    match families::begin(&context.db, digest, &beginning.family(&found), beginning.forget_at).await? {
        true => Ok(found),
        false => {
            // Somebody was quicker with it.
            if let Some(used) =
                authorization_codes::find_family_of_used(&context.db, digest, exchange.client.id).await?
            {
                revoke_family(context, issuer, used, Why::CodeUsedTwice).await?;
            }
            Err(TokenRefusal::InvalidCode.into())
        }
    }
}

/// RFC 6749 section 4.1.3 and RFC 7636 section 4.6. Which of them failed is not told.
fn check(code: &AuthorizationCode, exchange: Exchange<'_>) -> Result<(), TokenRefusal> {
    let redirect_matches = match (&code.redirect_uri, exchange.redirect_uri) {
        (Some(named), again) => Some(named.as_str()) == again,
        // The request named none, since the client has only one.
        (None, _) => true,
    };
    let verifier_matches = match (&code.code_challenge, exchange.code_verifier) {
        (Some(challenge), Some(verifier)) => challenge.verify(verifier.expose()),
        // RFC 9700 section 4.8.2: a verifier without a challenge is a downgrade somebody tried.
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => true,
    };
    if redirect_matches && verifier_matches { Ok(()) } else { Err(TokenRefusal::InvalidCode) }
}
