//! Approves an authorization request: stores the grant, and issues a code that the client exchanges
//! for tokens.
//!
//! The transaction locks the row of organization and client first, as every change of a restriction
//! does. So the two cannot overlap, and a grant never exceeds the restriction at the time of its
//! commit.

use serde_json::json;

use crate::actions::audit::{AuditActor, Change};
use crate::actions::authorize::offer_scopes::{
    ConsentRequest, Offer, OfferError, client_and_user_info, offer_scopes,
};
use crate::actions::clients::scopes_restriction::RestrictionRules;
use crate::actions::context::Context;
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::authorizations::codes::AuthorizationCode;
use crate::db::authorizations::{codes, consents, requests};
use crate::db::clients::Client;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::grants::NewGrant;
use crate::db::grants::revocations;
use crate::db::orgs::org_clients;
use crate::db::users::User;
use crate::db::{clients, families, grants, users};
use crate::rules::authorization::request::AuthorizationRequest;
use crate::rules::id::{AuthorizedClientId, GrantId, OrgId};
use crate::rules::scope::ScopeSet;
use crate::rules::scope::offered::{OFFLINE_ACCESS, withheld_by_organization};
use crate::rules::secret::{Digest, Secret};
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::{Event, GrantInfo, Outcome};

/// A user's answer to an authorization request.
#[derive(Clone, Copy, Debug)]
pub struct Approval<'a> {
    pub request: Requested<'a>,
    pub client: &'a Client,
    pub user: &'a User,
    pub signed_in_at: Timestamp,
    pub org_id: OrgId,
    /// `None`: the consent page was skipped, and the scopes that the user agreed to before are
    /// granted.
    pub answer: Option<Answer<'a>>,
    /// How long the code is valid, in seconds.
    pub code_ttl: i64,
}

/// The authorization request that is approved.
#[derive(Clone, Copy, Debug)]
pub enum Requested<'a> {
    /// It is stored. The approval deletes its row, so that it can be answered only once.
    Waiting { handle: Digest, browser: Digest },
    /// It is answered at once and was never stored.
    New(&'a AuthorizationRequest),
}

/// The digest of the consent page that the user answered, and the optional scopes they checked.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub page_digest: [u8; 32],
    pub chosen: &'a ScopeSet,
}

#[derive(Debug)]
pub struct Approved {
    pub code: Secret,
    pub org_name: String,
    pub scopes: ScopeSet,
}

#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// It was already answered, has expired, or belongs to another browser.
    #[error("the authorization request is no longer pending")]
    NotPending,
    /// The consent page would show something else now.
    #[error("the consent page has changed since it was shown")]
    Changed,
    /// The user unchecked every scope that could be granted.
    #[error("the user chose no scope")]
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
    rules: RestrictionRules<'_>,
    approval: Approval<'_>,
    by: &AuditActor,
) -> Result<Approved, ApproveError> {
    context
        .transact("request.approve", |tx| Box::pin(approve(context, tx, rules, approval, by)))
        .await
}

async fn approve(
    context: &Context,
    tx: &mut Tx,
    rules: RestrictionRules<'_>,
    approval: Approval<'_>,
    by: &AuditActor,
) -> Result<Approved, ApproveError> {
    let Approval { client, user, org_id, .. } = approval;
    let now = context.clock.now();
    match org_clients::lock(tx, org_id, client.id, now).await {
        Err(DbError::Reference) => return Err(ApproveError::NotPending),
        outcome => drop(outcome?),
    }
    if !users::lock_enabled(tx, user.id).await? {
        return Err(ApproveError::NotPending);
    }
    let request = take_request(tx, approval, now).await?;
    let consent = ConsentRequest { client, request: &request, user, org_id, issuer: rules.issuer };
    let offer = offer_scopes(&mut *tx, rules, consent).await?;
    // This is checked again here, since a grant may have been revoked or a restriction changed.
    let is_current = approval
        .answer
        .map_or(offer.is_remembered, |answer| answer.page_digest == consent.page_digest(&offer));
    if !is_current {
        return Err(ApproveError::Changed);
    }
    let scopes = approval
        .answer
        .map_or_else(|| offer.given_before.clone(), |answer| offer.scopes.chosen(answer.chosen));
    if scopes.is_empty() {
        return Err(ApproveError::NothingChosen);
    }
    let stored = match (&offer.granted, approval.answer) {
        (Some(granted), None) => Stored { id: granted.id, is_first: false },
        _ => store_grant(context, tx, consent, &offer, &scopes).await?,
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
        may_refresh: offer.scopes.allows_refresh(&scopes)
            && !offer.declined_now(&scopes).contains(OFFLINE_ACCESS),
    };
    codes::insert(tx, code.digest(), &issued).await?;
    if approval.answer.is_some() {
        let given = Given { approval, offer: &offer, scopes: &scopes, stored };
        publish(context, tx, given, by).await?;
    }
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
    /// Whether no user of the organization had authorized the client before.
    is_first: bool,
}

async fn store_grant(
    context: &Context,
    tx: &mut Tx,
    consent: ConsentRequest<'_>,
    offer: &Offer,
    scopes: &ScopeSet,
) -> Result<Stored, DbError> {
    let ConsentRequest { client, user, org_id, .. } = consent;
    let now = context.clock.now();
    let grant = NewGrant {
        id: GrantId(context.new_id()),
        org_id,
        client_id: client.id,
        user_id: user.id,
        scopes,
        consent_digest: consent.page_digest(offer),
        now,
    };
    let id = grants::upsert(&mut *tx, &grant).await?;
    let keys: Vec<&str> = consent.reach().keys().collect();
    consents::add_agreed_scopes(&mut *tx, id, &consent.redirect_uri(), &keys, scopes).await?;
    consents::set_declined_scopes(&mut *tx, id, &offer.declined_now(scopes)).await?;
    let cleared = cleared(offer, scopes);
    if !cleared.is_empty() {
        end_connections(&mut *tx, id, &cleared, now).await?;
        revocations::remove_scopes(tx, &[id], &cleared, now).await?;
    }
    let new = AuthorizedClientId(context.new_id());
    let is_first =
        org_clients::assign_authorized_id(&mut *tx, org_id, client.id, new, now).await? == new;
    clients::adopt(&mut *tx, client.id, now).await?;
    Ok(Stored { id, is_first })
}

/// A user who unchecks `offline_access` revokes the refresh tokens that the client has because of
/// it.
async fn end_connections(
    tx: &mut Tx,
    id: GrantId,
    cleared: &ScopeSet,
    now: Timestamp,
) -> Result<(), DbError> {
    match cleared.contains(OFFLINE_ACCESS) {
        true => families::revocations::revoke_with_scope(tx, id, OFFLINE_ACCESS, now).await,
        false => Ok(()),
    }
}

/// Returns the scopes that were granted before and that the user unchecked. They are removed from
/// every token.
fn cleared(offer: &Offer, scopes: &ScopeSet) -> ScopeSet {
    let before =
        offer.granted.as_ref().map(|granted| granted.scopes.intersection(&offer.scopes.optional));
    before.unwrap_or_default().difference(scopes)
}

/// The consent that the user gave.
#[derive(Clone, Copy)]
struct Given<'a> {
    approval: Approval<'a>,
    offer: &'a Offer,
    scopes: &'a ScopeSet,
    stored: Stored,
}

/// Records and publishes the consent, as the last step of the transaction. A consent that changes
/// nothing is not published, but a restriction that withheld scopes is.
async fn publish(
    context: &Context,
    tx: &mut Tx,
    given: Given<'_>,
    by: &AuditActor,
) -> Result<(), DbError> {
    let Given { approval, offer, scopes, stored } = given;
    let org_id = approval.org_id;
    let (client, user) = client_and_user_info(approval.client, approval.user);
    let before = offer.granted.as_ref().map(|granted| &granted.scopes);
    let granted = before.map_or_else(
        || scopes.clone(),
        |before| before.difference(&cleared(offer, scopes)).union(scopes),
    );
    let grant = GrantInfo { id: stored.id, org_id, client, user, scopes: &granted };
    let withheld = withheld_by_organization(&offer.scopes.withheld);
    let (mut changes, mut events) = (Vec::new(), Vec::new());
    if stored.is_first {
        events.push(Event::ClientFirstAuthorized { grant });
    }
    let subject = format!("grant:{} client:{}", stored.id, client.id);
    if before != Some(scopes) {
        changes.push(Change {
            org_id,
            action: "grant.given",
            subject: &subject,
            before: before.map(|scopes| json!({"scopes": scopes})),
            after: Some(json!({"scopes": scopes})),
        });
        events.push(Event::GrantGiven { grant, before });
    }
    if !withheld.is_empty() {
        events.push(Event::RestrictionHit {
            org_id,
            client,
            user,
            withheld: &withheld,
            outcome: Outcome::Narrowed,
        });
    }
    record_and_publish(context, tx, by, changes, &events).await
}
