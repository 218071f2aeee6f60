//! A user lets a client in: the grant is written, and a code is made that the client exchanges for tokens.
//!
//! Begins with the row of organisation and client, as every change of a restriction does, so that the two cannot
//! overlap: what is granted here was allowed when it was committed.

use serde_json::json;

use crate::actions::audit::{By, Change};
use crate::actions::authorize::offer_scopes::{Asking, Offer, OfferError, offer_scopes, parties};
use crate::actions::clients::restrict_scopes::Bounds;
use crate::actions::context::Context;
use crate::actions::webhooks::announce::record_and_announce;
use crate::db::authorizations::codes::AuthorizationCode;
use crate::db::authorizations::{codes, consents, requests};
use crate::db::clients::Client;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::grants::NewGrant;
use crate::db::grants::end;
use crate::db::orgs::org_clients;
use crate::db::users::User;
use crate::db::{clients, families, grants, users};
use crate::rules::authorization::request::AuthorizationRequest;
use crate::rules::id::{AuthorizedClientId, GrantId, OrgId};
use crate::rules::scope::ScopeSet;
use crate::rules::scope::offered::{OFFLINE_ACCESS, withheld_by_organization};
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::{Event, GrantTold, Outcome};
use crate::secret::{Digest, Secret};

/// A user's answer to one pending request.
#[derive(Clone, Copy, Debug)]
pub struct Approval<'a> {
    pub request: Requested<'a>,
    pub client: &'a Client,
    pub user: &'a User,
    pub signed_in_at: Timestamp,
    pub org_id: OrgId,
    /// `None`: the user was not asked again, and what they have given before is given.
    pub answer: Option<Answer<'a>>,
    /// Seconds for which the code may be exchanged.
    pub code_ttl: i64,
}

/// The request that a user answers.
#[derive(Clone, Copy, Debug)]
pub enum Requested<'a> {
    /// It waited for its user. The answer takes its row out, so it is answered once.
    Waiting { handle: Digest, browser: Digest },
    /// It is answered as it arrives and was never a row.
    New(&'a AuthorizationRequest),
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
    crate::actions::conflict::again_after_conflict(context, || approve(context, bounds, approval, by)).await
}

async fn approve(
    context: &Context,
    bounds: Bounds<'_>,
    approval: Approval<'_>,
    by: &By,
) -> Result<Approved, ApproveError> {
    let Approval { client, user, org_id, .. } = approval;
    let now = context.clock.now();
    let mut tx = context.db.begin().await?;
    match org_clients::lock(&mut tx, org_id, client.id, now).await {
        Err(DbError::Reference) => return Err(ApproveError::NotPending),
        outcome => drop(outcome?),
    }
    if !users::lock_enabled(&mut tx, user.id).await? {
        return Err(ApproveError::NotPending);
    }
    let request = take_request(&mut tx, approval, now).await?;
    let asking = Asking { client, request: &request, user, org_id, issuer: bounds.issuer };
    let offer = offer_scopes(&mut tx, bounds, asking).await?;
    // Decided here once more: a revocation, or another restriction, may have come in between.
    let holds = approval.answer.map_or(offer.is_remembered, |answer| answer.shown == asking.shown(&offer));
    if !holds {
        return Err(ApproveError::Changed);
    }
    let scopes =
        approval.answer.map_or_else(|| offer.given_before.clone(), |answer| offer.scopes.chosen(answer.ticked));
    if scopes.is_empty() {
        return Err(ApproveError::NothingChosen);
    }
    let stored = match (&offer.granted, approval.answer) {
        (Some(granted), None) => Stored { id: granted.id, is_first: false },
        _ => store_grant(context, &mut tx, asking, &offer, &scopes).await?,
    };
    let code = context.random.token("ac_");
    let issued = AuthorizationCode {
        grant_id: stored.id,
        client_id: client.id,
        redirect_uri: request.redirect_uri_was_sent.then_some(request.redirect_uri),
        code_challenge: request.code_challenge,
        scopes: scopes.clone(),
        resources: request.resources,
        nonce: request.nonce,
        signed_in_at: approval.signed_in_at,
        expires_at: now.plus(approval.code_ttl),
        may_refresh: offer.scopes.allows_refresh(&scopes) && !offer.declined_now(&scopes).contains(OFFLINE_ACCESS),
    };
    codes::insert(&mut tx, code.digest(), &issued).await?;
    if approval.answer.is_some() {
        tell(context, &mut tx, approval, &offer, &scopes, stored, by).await?;
    }
    tx.commit().await?;
    Ok(Approved { code, org_name: offer.org_name, scopes })
}

async fn take_request(
    tx: &mut Tx,
    approval: Approval<'_>,
    now: Timestamp,
) -> Result<AuthorizationRequest, ApproveError> {
    match approval.request {
        Requested::New(request) => Ok(request.clone()),
        Requested::Waiting { handle, browser } => {
            let pending = requests::take(tx, handle, browser, now).await?;
            let pending = pending.filter(|pending| pending.client_id == approval.client.id);
            Ok(pending.ok_or(ApproveError::NotPending)?.request)
        }
    }
}

#[derive(Clone, Copy)]
struct Stored {
    id: GrantId,
    /// Nobody in the organisation had authorised the client before.
    is_first: bool,
}

async fn store_grant(
    context: &Context,
    tx: &mut Tx,
    asking: Asking<'_>,
    offer: &Offer,
    scopes: &ScopeSet,
) -> Result<Stored, DbError> {
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
    let id = grants::upsert(&mut *tx, &grant).await?;
    let keys: Vec<&str> = asking.reach().keys().collect();
    consents::agree(&mut *tx, id, &asking.redirect_uri(), &keys, scopes).await?;
    consents::decline(&mut *tx, id, &offer.declined_now(scopes)).await?;
    let cleared = cleared(offer, scopes);
    if !cleared.is_empty() {
        end_connections(&mut *tx, id, &cleared, now).await?;
        end::take_scopes(tx, &[id], &cleared, now).await?;
    }
    let new = AuthorizedClientId(context.new_id());
    let is_first = org_clients::authorize(&mut *tx, org_id, client.id, new, now).await? == new;
    clients::adopt(&mut *tx, client.id, now).await?;
    Ok(Stored { id, is_first })
}

/// A user who clears the box of `offline_access` ends the connections that the client holds by it.
async fn end_connections(tx: &mut Tx, id: GrantId, cleared: &ScopeSet, now: Timestamp) -> Result<(), DbError> {
    match cleared.contains(OFFLINE_ACCESS) {
        true => families::revoke_with_scope(tx, id, OFFLINE_ACCESS, now).await,
        false => Ok(()),
    }
}

/// Boxes that were shown ticked, since their scopes were given before, and that the user cleared: these are taken from
/// every token.
fn cleared(offer: &Offer, scopes: &ScopeSet) -> ScopeSet {
    let before = offer.granted.as_ref().map(|granted| granted.scopes.intersection(&offer.scopes.optional));
    before.unwrap_or_default().difference(scopes)
}

/// The last step. A consent that changes nothing is no news, but that the restriction was hit is.
async fn tell(
    context: &Context,
    tx: &mut Tx,
    approval: Approval<'_>,
    offer: &Offer,
    scopes: &ScopeSet,
    stored: Stored,
    by: &By,
) -> Result<(), DbError> {
    let (org_id, (client, user)) = (approval.org_id, parties(approval.client, approval.user));
    let before = offer.granted.as_ref().map(|granted| &granted.scopes);
    let holds =
        before.map_or_else(|| scopes.clone(), |before| before.difference(&cleared(offer, scopes)).union(scopes));
    let grant = GrantTold { id: stored.id, org_id, client, user, scopes: &holds };
    let withheld = withheld_by_organization(&offer.scopes.withheld);
    let (mut changes, mut events) = (Vec::new(), Vec::new());
    if stored.is_first {
        events.push(Event::ClientFirstAuthorized { grant });
    }
    let subject = format!("grant:{} client:{}", stored.id, client.id);
    if before != Some(scopes) {
        let before_it = before.map(|scopes| json!({"scopes": scopes}));
        let after = Some(json!({"scopes": scopes}));
        changes.push(Change { org_id, action: "grant.given", subject: &subject, before: before_it, after });
        events.push(Event::GrantGiven { grant, before });
    }
    if !withheld.is_empty() {
        events.push(Event::RestrictionHit { org_id, client, user, withheld: &withheld, outcome: Outcome::Narrowed });
    }
    record_and_announce(context, tx, by, changes, &events).await
}
