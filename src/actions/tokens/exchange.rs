//! A client exchanges an authorization code for tokens (RFC 6749 section 4.1.3).
//!
//! The code is read, `rules::token::exchange` decides, and the code is redeemed only if no
//! concurrent request redeemed it and its grant is still active. The usual exchange is batched with
//! others that wait (`FamilyQueues`).

use crate::actions::clients::restrict_scopes::Bounds;
use crate::actions::context::Context;
use crate::actions::tokens::error::TokenError;
use crate::actions::tokens::issue::{Issued, Issuer, Narrowed};
use crate::actions::tokens::revoke_family::{RevocationReason, revoke_family};
use crate::db::authorizations::codes::FoundCode;
use crate::db::clients::Client;
use crate::db::engine::error::DbError;
use crate::db::engine::read_then_swap::{Read, Store};
use crate::db::families::Family;
use crate::db::families::redemptions;
use crate::db::families::redemptions::Redemption;
use crate::rules::authorization::resource::Resource;
use crate::rules::client::metadata::GrantType;
use crate::rules::id::FamilyId;
use crate::rules::timestamp::Timestamp;
use crate::rules::token::exchange::{ExchangeDecision, ExchangeRequest, StoredCode, decide_exchange};
use crate::rules::token::request::TokenRefusal;
use crate::secret::Secret;

/// The first attempt is batched, and the second one waits for the transaction that holds the row.
/// After a conflict, the third attempt waits again. The last one only reads the result of the
/// others.
const MAX_ATTEMPTS: u32 = 4;

/// The request of a client.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    pub client: &'a Client,
    pub code: &'a Secret,
    pub redirect_uri: Option<&'a str>,
    pub code_verifier: Option<&'a Secret>,
    pub resources: &'a [Resource],
}

pub async fn exchange_code(
    context: &Context,
    issuer: &Issuer,
    bounds: Bounds<'_>,
    exchange: Exchange<'_>,
) -> Result<Issued, TokenError> {
    let mut beginning = Beginning::new(context, issuer, exchange.client);
    for attempt in 0..MAX_ATTEMPTS {
        let Read { found, store } = issuer.families.find_code(exchange.code.digest()).await?;
        let (scopes, resources) = match decide(found.as_ref(), bounds, exchange, beginning.now) {
            ExchangeDecision::Issue { scopes, resources } => (scopes, resources),
            ExchangeDecision::Refuse(refusal) => return Err(refusal.into()),
            ExchangeDecision::RevokeFamily(id) => {
                drop(store);
                revoke_family(context, issuer, id, RevocationReason::CodeUsedTwice).await?;
                return Err(TokenRefusal::UsedCode.into());
            }
        };
        let Some(found) = found else { continue };
        if !found.code.may_refresh {
            beginning.without_refresh_token(issuer);
        }
        let redemption = beginning.redemption(&found, exchange.code);
        if redeem(context, store, redemption, attempt).await? {
            let client = exchange.client.wire_id();
            let narrowed = Narrowed { client: &client, scopes: &scopes, resources: &resources };
            return issue(context, issuer, beginning, found, narrowed);
        }
    }
    // The code is unused, so its grant was revoked.
    Err(TokenRefusal::InvalidCode.into())
}

fn decide(found: Option<&FoundCode>, bounds: Bounds<'_>, exchange: Exchange<'_>, now: Timestamp) -> ExchangeDecision {
    let Exchange { client, redirect_uri, code_verifier, resources, .. } = exchange;
    let request = ExchangeRequest { client_id: client.id, redirect_uri, code_verifier, resources };
    decide_exchange(request, found.map(stored), bounds.limits(), now)
}

fn stored(found: &FoundCode) -> StoredCode<'_> {
    let code = &found.code;
    StoredCode {
        client_id: code.client_id,
        redirect_uri: code.redirect_uri.as_deref(),
        code_challenge: code.code_challenge.as_ref(),
        scopes: &code.scopes,
        resources: &code.resources,
        expires_at: code.expires_at,
        used_by: found.family_id,
        standing: &found.standing,
    }
}

/// Returns false if another request redeemed the code, or if its grant was revoked. On Postgres,
/// the first attempt skips rows that another transaction holds; the next ones wait for it.
async fn redeem(
    context: &Context,
    store: Store<Redemption>,
    redemption: Redemption,
    attempt: u32,
) -> Result<bool, TokenError> {
    if attempt == 0 {
        return Ok(store.swap(redemption).await?);
    }
    drop(store);
    match redemptions::begin(&context.db, &redemption).await {
        // A deadlock or a lock timeout: nothing changed, so the next attempt reads again.
        Err(DbError::Conflict(_)) if attempt + 1 < MAX_ATTEMPTS => Ok(false),
        outcome => Ok(outcome?),
    }
}

fn issue(
    context: &Context,
    issuer: &Issuer,
    beginning: Beginning,
    found: FoundCode,
    narrowed: Narrowed<'_>,
) -> Result<Issued, TokenError> {
    let family = beginning.family(&found);
    let Narrowed { client, scopes, .. } = narrowed;
    let access_token = issuer.access_token(context, &family, narrowed)?;
    let id_token = issuer.id_token(context, &family, client, scopes, found.code.nonce, &found.user)?;
    issuer.uses.note(family.id, beginning.now);
    Ok(Issued {
        access_token,
        expires_in: issuer.lifetimes.access,
        refresh_token: beginning.refresh_token,
        scope: scopes.clone(),
        id_token,
    })
}

/// The token family that is about to be created.
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

    /// The user declined `offline_access`.
    fn without_refresh_token(&mut self, issuer: &Issuer) {
        self.refresh_token = None;
        self.forget_at = issuer.forget_at(self.now, false, self.ends_at);
    }

    fn redemption(&self, found: &FoundCode, code: &Secret) -> Redemption {
        Redemption { code: code.digest(), family: self.family(found), forget_at: self.forget_at }
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
