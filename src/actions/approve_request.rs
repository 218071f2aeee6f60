//! A user lets a client in: the grant is written, and a code is made that the client exchanges for tokens.
//!
//! Begins with the row of organisation and client, as every change of a restriction does, so that the two cannot
//! overlap: what is granted here was allowed when it was committed.

use serde_json::json;

use super::audit::{self, Change};
use super::offer_scopes::{Asking, Offer, OfferError, offer_scopes};
use super::{Bounds, By, Context};
use crate::db::authorization_codes::{self, AuthorizationCode};
use crate::db::clients::{self, Client};
use crate::db::grants::{self, NewGrant};
use crate::db::users::{self, User};
use crate::db::{DbError, Tx, authorization_requests, consents, org_clients};
use crate::oauth::scope::ScopeSet;
use crate::oauth::{AuthorizedClientId, GrantId, OrgId, Timestamp};
use crate::secret::{Digest, Secret};

/// A user's answer to one pending request.
#[derive(Clone, Copy, Debug)]
pub struct Approval<'a> {
    /// Of the pending request: it is answered once.
    pub handle: Digest,
    pub browser: Digest,
    pub client: &'a Client,
    pub user: &'a User,
    pub signed_in_at: Timestamp,
    pub org_id: OrgId,
    /// `None`: all is given, since the user has given it before and was not asked again.
    pub answer: Option<Answer<'a>>,
    /// Seconds for which the code may be exchanged.
    pub code_ttl: i64,
}

/// What a user was shown, and ticked of the optional scopes.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub shown: [u8; 32],
    pub ticked: &'a ScopeSet,
}

#[derive(Debug)]
pub struct Approved {
    pub code: Secret,
    pub org_name: String,
    pub scopes: ScopeSet,
}

#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// Answered already, or too old, or of another browser.
    #[error("the request does not wait any more")]
    NotPending,
    /// Somebody else would be asked now, or for something else.
    #[error("what was shown is no longer what is asked")]
    Changed,
    /// The user has unticked everything that could be given.
    #[error("nothing is left to give")]
    NothingChosen,
    #[error(transparent)]
    Offer(OfferError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<OfferError> for ApproveError {
    fn from(error: OfferError) -> Self {
        match error {
            OfferError::Db(cause) => Self::Db(cause),
            other => Self::Offer(other),
        }
    }
}

pub async fn approve_request(
    context: &Context,
    bounds: Bounds<'_>,
    approval: Approval<'_>,
    by: &By,
) -> Result<Approved, ApproveError> {
    super::again_after_conflict(context, || approve(context, bounds, approval, by)).await
}

async fn approve(
    context: &Context,
    bounds: Bounds<'_>,
    approval: Approval<'_>,
    by: &By,
) -> Result<Approved, ApproveError> {
    let Approval { handle, browser, client, user, org_id, .. } = approval;
    let now = context.clock.now();
    let mut tx = context.db.begin().await?;
    match org_clients::lock(&mut tx, org_id, client.id, now).await {
        Err(DbError::Reference) => return Err(ApproveError::NotPending),
        outcome => drop(outcome?),
    }
    if !users::lock_enabled(&mut tx, user.id).await? {
        return Err(ApproveError::NotPending);
    }
    let pending = authorization_requests::take(&mut tx, handle, browser, now).await?;
    let pending = pending.filter(|pending| pending.client_id == client.id).ok_or(ApproveError::NotPending)?;
    let asking = Asking { client, request: &pending.request, user, org_id };
    let offer = offer_scopes(&mut tx, bounds, asking).await?;
    // Decided here once more: a revocation, or another restriction, may have come in between.
    let holds = approval.answer.map_or(offer.is_remembered, |answer| answer.shown == asking.shown(&offer));
    if !holds {
        return Err(ApproveError::Changed);
    }
    let scopes = approval.answer.map_or_else(|| offer.scopes.all(), |answer| offer.scopes.chosen(answer.ticked));
    if scopes.is_empty() {
        return Err(ApproveError::NothingChosen);
    }
    let grant_id = match (&offer.granted, approval.answer) {
        (Some(granted), None) => granted.id,
        _ => store_grant(context, &mut tx, asking, &offer, &scopes, by).await?,
    };
    let code = context.random.token("ac_");
    let stored = AuthorizationCode {
        grant_id,
        client_id: client.id,
        redirect_uri: pending.request.redirect_uri_was_sent.then_some(pending.request.redirect_uri),
        code_challenge: pending.request.code_challenge,
        scopes: scopes.clone(),
        resources: pending.request.resources,
        nonce: pending.request.nonce,
        signed_in_at: approval.signed_in_at,
        expires_at: now.plus(approval.code_ttl),
    };
    authorization_codes::insert(&mut tx, code.digest(), &stored).await?;
    tx.commit().await?;
    Ok(Approved { code, org_name: offer.org_name, scopes })
}

async fn store_grant(
    context: &Context,
    tx: &mut Tx,
    asking: Asking<'_>,
    offer: &Offer,
    scopes: &ScopeSet,
    by: &By,
) -> Result<GrantId, DbError> {
    let Asking { client, user, org_id, .. } = asking;
    let now = context.clock.now();
    let grant = NewGrant {
        id: GrantId(context.new_id()),
        org_id,
        client_id: client.id,
        user_id: user.id,
        scopes,
        consent_digest: asking.shown(offer),
        now,
    };
    let grant_id = grants::upsert(&mut *tx, &grant).await?;
    consents::agree(&mut *tx, grant_id, &asking.redirect_uri(), &asking.resources()).await?;
    take_unticked(tx, offer, scopes, grant_id, now).await?;
    org_clients::authorize(&mut *tx, org_id, client.id, AuthorizedClientId(context.new_id()), now).await?;
    clients::adopt(&mut *tx, client.id, now).await?;
    if offer.granted.as_ref().is_some_and(|granted| granted.scopes == *scopes) {
        return Ok(grant_id);
    }
    let subject = format!("grant:{grant_id} client:{}", client.id);
    let names = |set: &ScopeSet| set.names().map(str::to_owned).collect::<Vec<_>>();
    let before = offer.granted.as_ref().map(|granted| json!({"scopes": names(&granted.scopes)}));
    let after = Some(json!({"scopes": names(scopes)}));
    audit::record(context, tx, by, Change { org_id, action: "grant.given", subject: &subject, before, after }).await?;
    Ok(grant_id)
}

/// A box that was shown ticked, since its scope was given before, and that the user cleared: it is taken from every token.
async fn take_unticked(
    tx: &mut Tx,
    offer: &Offer,
    scopes: &ScopeSet,
    grant_id: GrantId,
    now: Timestamp,
) -> Result<(), DbError> {
    let Some(granted) = &offer.granted else { return Ok(()) };
    let cleared = granted.scopes.intersection(&offer.scopes.optional).difference(scopes);
    if cleared.is_empty() { Ok(()) } else { grants::take_scopes(tx, &[grant_id], &cleared, now).await }
}
