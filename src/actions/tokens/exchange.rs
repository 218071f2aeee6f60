//! A client exchanges an authorization code for tokens (RFC 6749 section 4.1.3).
//!
//! The code is read, `rules::token::exchange` decides, and the code is redeemed only if no
//! concurrent request redeemed it and its grant is still active. The usual exchange is batched with
//! others that wait (`FamilyQueues`).

use std::sync::Arc;

use crate::actions::clients::scopes_restriction::RestrictionRules;
use crate::actions::context::Context;
use crate::actions::tokens::error::TokenError;
use crate::actions::tokens::issue::{Issued, Issuer, TokenContent};
use crate::actions::tokens::revoke_family::{RevocationReason, revoke_family};
use crate::db::authorizations::codes::FoundCode;
use crate::db::clients::Client;
use crate::db::engine::decisions::Decision;
use crate::db::engine::error::DbError;
use crate::db::families::Family;
use crate::db::families::queues::Attempt;
use crate::db::families::redemptions::Redemption;
use crate::db::users::User;
use crate::rules::authorization::resource::Resource;
use crate::rules::client::ClientId;
use crate::rules::client::grant_types::GrantType;
use crate::rules::id::FamilyId;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::scope::configured::ConfiguredScopes;
use crate::rules::scope::offered::ScopeLimits;
use crate::rules::secret::{Digest, Secret};
use crate::rules::timestamp::Timestamp;
use crate::rules::token::exchange::{
    ExchangeDecision, ExchangeRequest, StoredCode, decide_exchange,
};
use crate::rules::token::request::TokenRefusal;

/// The first attempt is batched, and the second one waits for the transaction that holds the row.
/// After a conflict, the third attempt waits again. The last one only reads the result of the
/// others.
const ATTEMPTS: [Attempt; 4] = [Attempt::First, Attempt::Again, Attempt::Again, Attempt::Again];

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
    issuer: &Arc<Issuer>,
    rules: RestrictionRules<'_>,
    exchange: Exchange<'_>,
) -> Result<Issued, TokenError> {
    let code = exchange.code.digest();
    let deciding = Arc::new(Deciding {
        issuer: Arc::clone(issuer),
        catalog: Arc::clone(rules.catalog),
        required: rules.required.clone(),
        client_id: exchange.client.id,
        configured_scopes: exchange.client.configured_scopes().cloned(),
        code,
        redirect_uri: exchange.redirect_uri.map(str::to_owned),
        code_verifier: exchange.code_verifier.cloned(),
        resources: exchange.resources.to_vec(),
        new_family: NewFamily::of(context, issuer, exchange.client),
    });
    let mut conflict = None;
    for attempt in ATTEMPTS {
        let deciding = Arc::clone(&deciding);
        let decided = issuer
            .families
            .decide_exchange(code, attempt, move |found| deciding.decide(found))
            .await;
        match decided {
            Ok(Some(Answer::Issue(exchanged))) => {
                return exchanged.issue(context, issuer, &exchange.client.wire_id());
            }
            Ok(Some(Answer::Refuse(refusal))) => return Err(refusal.into()),
            Ok(Some(Answer::RevokeFamily(id))) => {
                revoke_family(context, issuer, id, RevocationReason::CodeUsedTwice).await?;
                return Err(TokenRefusal::UsedCode.into());
            }
            // Another request redeemed the code, or its grant was revoked.
            Ok(None) => conflict = None,
            // A deadlock or a lock timeout: nothing changed.
            Err(error @ DbError::Conflict(_)) => conflict = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    // Without a conflict, the code is unused, so its grant was revoked.
    Err(conflict.map_or(TokenRefusal::InvalidCode.into(), TokenError::from))
}

/// The answer of a decision.
enum Answer {
    Issue(Box<Exchanged>),
    Refuse(TokenRefusal),
    RevokeFamily(FamilyId),
}

/// Everything needed to issue the tokens of the response.
struct Exchanged {
    family: Family,
    refresh_token: Option<Secret>,
    /// Scopes and resources of the access token.
    scopes: ScopeSet,
    resources: Vec<Resource>,
    nonce: Option<String>,
    user: User,
}

impl Exchanged {
    fn issue(self, context: &Context, issuer: &Issuer, client: &str) -> Result<Issued, TokenError> {
        let Self { family, refresh_token, scopes, resources, nonce, user } = self;
        let content = TokenContent { client, scopes: &scopes, resources: &resources };
        let access_token = issuer.access_token(context, &family, content)?;
        let id_token = issuer.id_token(context, &family, content, nonce, &user)?;
        issuer.uses.note(family.id, family.created_at);
        Ok(Issued {
            access_token,
            expires_in: issuer.lifetimes.access,
            refresh_token,
            scope: scopes,
            id_token,
        })
    }
}

/// A token request with everything needed to decide it.
struct Deciding {
    issuer: Arc<Issuer>,
    catalog: Arc<ScopeCatalog>,
    required: ScopeSet,
    client_id: ClientId,
    configured_scopes: Option<ConfiguredScopes>,
    code: Digest,
    redirect_uri: Option<String>,
    code_verifier: Option<Secret>,
    resources: Vec<Resource>,
    new_family: NewFamily,
}

impl Deciding {
    fn decide(&self, found: Option<FoundCode>) -> Decision<Redemption, Answer> {
        let (scopes, resources) = match self.apply_rules(found.as_ref()) {
            ExchangeDecision::Issue { scopes, resources } => (scopes, resources),
            ExchangeDecision::Refuse(refusal) => return Decision::Keep(Answer::Refuse(refusal)),
            ExchangeDecision::RevokeFamily(id) => return Decision::Keep(Answer::RevokeFamily(id)),
        };
        let Some(found) = found else {
            return Decision::Keep(Answer::Refuse(TokenRefusal::InvalidCode));
        };
        let mut new_family = self.new_family.clone();
        if !found.code.may_refresh {
            new_family.omit_refresh_token(&self.issuer);
        }
        let family = new_family.family(&found);
        let redemption =
            Redemption { code: self.code, family: family.clone(), forget_at: new_family.forget_at };
        let exchanged = Exchanged {
            family,
            refresh_token: new_family.refresh_token,
            scopes,
            resources,
            nonce: found.code.nonce,
            user: found.user,
        };
        Decision::Swap(redemption, Answer::Issue(Box::new(exchanged)))
    }

    fn apply_rules(&self, found: Option<&FoundCode>) -> ExchangeDecision {
        let request = ExchangeRequest {
            client_id: self.client_id,
            redirect_uri: self.redirect_uri.as_deref(),
            code_verifier: self.code_verifier.as_ref(),
            resources: &self.resources,
        };
        let configured = self.configured_scopes.as_ref();
        let limits = ScopeLimits { catalog: &self.catalog, required: &self.required, configured };
        decide_exchange(request, found.map(stored), limits, self.new_family.now)
    }
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

/// The token family that the exchange creates.
#[derive(Clone)]
struct NewFamily {
    id: FamilyId,
    key_id: String,
    refresh_token: Option<Secret>,
    now: Timestamp,
    ends_at: Option<Timestamp>,
    forget_at: Option<Timestamp>,
}

impl NewFamily {
    fn of(context: &Context, issuer: &Issuer, client: &Client) -> Self {
        let (id, now, key) =
            (FamilyId(context.new_id()), context.clock.now(), issuer.ring.newest());
        let may_refresh = client.metadata.may_use(GrantType::RefreshToken);
        let refresh_token =
            may_refresh.then(|| issuer.refresh_token(key, id, context.random.bytes()));
        // The refresh tokens of confidential clients do not expire.
        let is_endless = client.kind.is_confidential();
        let ends_at = issuer.ends_at(now).filter(|_| !is_endless);
        let forget_at =
            issuer.forget_at(now, may_refresh, ends_at).filter(|_| !(is_endless && may_refresh));
        Self { id, key_id: key.id().to_owned(), refresh_token, now, ends_at, forget_at }
    }

    /// The user declined `offline_access`.
    fn omit_refresh_token(&mut self, issuer: &Issuer) {
        self.refresh_token = None;
        self.forget_at = issuer.forget_at(self.now, false, self.ends_at);
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
