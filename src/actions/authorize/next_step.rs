//! Finds the next step of a pending authorization request. `rules/authorization/next_step.rs`
//! decides; this file loads the facts, and only those that the stage needs.

use crate::actions::authorize::offer_scopes::{ConsentRequest, Offer, OfferError, offer_scopes};
use crate::actions::authorize::pending::Pending;
use crate::actions::clients::scopes_restriction::RestrictionRules;
use crate::actions::context::Context;
use crate::db::authorizations::{connection_starts, requests};
use crate::db::engine::error::DbError;
use crate::db::orgs::memberships;
use crate::db::users::User;
use crate::rules::authorization::next_step::{
    BrowserSession, OrganizationStep, SignInFacts, SignInStep, organization_step, sign_in_step,
};
use crate::rules::id::OrgId;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::offered::{ScopesRefused, withheld_by_role};

/// The next step, with the data that its page shows.
#[derive(Clone, Debug)]
pub enum NextStep {
    ChoosePassword,
    ChooseSite,
    SignIn,
    /// The organizations of the user, with their names.
    ChooseOrganization(Vec<(OrgId, String)>),
    Consent(OrgId, Box<Offer>),
    /// The user granted all of this before, so a code is issued without a page.
    Approve(OrgId),
    /// The client belongs to an organization that the user does not belong to.
    ForeignClient,
    /// The user does not belong to an organization.
    NoOrganization,
    /// The organization has disabled the client.
    Disabled(OrgId),
    /// The user began at the tile of the client, and their role does not permit these scopes.
    NotPermitted(OrgId, ScopeSet),
    /// None of the requested scopes can be granted in this organization.
    Withheld(OrgId, ScopesRefused),
}

/// The browser that continues the request.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    pub session: BrowserSession,
    /// The user who is signed in.
    pub user: Option<&'a User>,
    /// Whether the service has sites other than this one.
    pub has_other_sites: bool,
}

/// Runs no query until the user is signed in, one for their organizations, and one for what they
/// can grant in the selected organization.
pub async fn find_next_step(
    context: &Context,
    rules: RestrictionRules<'_>,
    pending: &Pending,
    visit: Visit<'_>,
) -> Result<NextStep, DbError> {
    let facts = SignInFacts {
        request: &pending.request,
        started_at: pending.started_at,
        started_in: pending.started_in,
        session: visit.session,
        now: context.clock.now(),
        has_other_sites: visit.has_other_sites,
        has_chosen_organization: pending.chosen_org.is_some(),
    };
    let user = match (sign_in_step(&facts), visit.user) {
        (SignInStep::Done, Some(user)) => user,
        (SignInStep::ChoosePassword, _) => return Ok(NextStep::ChoosePassword),
        (SignInStep::ChooseSite, _) => return Ok(NextStep::ChooseSite),
        (SignInStep::SignIn | SignInStep::Done, _) => return Ok(NextStep::SignIn),
    };
    let organizations = memberships::list_of_user(&context.db, user.id).await?;
    let organizations: Vec<(OrgId, String)> =
        organizations.into_iter().map(|(id, name, _)| (id, name)).collect();
    if let Some(owner) = pending.client.only_organization() {
        let is_theirs = organizations.iter().any(|(id, _)| *id == owner);
        if !is_theirs {
            return Ok(NextStep::ForeignClient);
        }
        let consent = pending.consent_request(user, owner, rules.issuer);
        let is_from_tile = start_at_tile(context, pending, user).await?.is_some();
        return consent_step(context, rules, consent, is_from_tile).await;
    }
    if let Some(org_id) = start_at_tile(context, pending, user).await?
        && organizations.iter().any(|(id, _)| *id == org_id)
    {
        let consent = pending.consent_request(user, org_id, rules.issuer);
        return consent_step(context, rules, consent, true).await;
    }
    match organization_step(pending.chosen_org, pending.request.org_id, &organizations) {
        OrganizationStep::NoOrganization => Ok(NextStep::NoOrganization),
        OrganizationStep::Choose => Ok(NextStep::ChooseOrganization(organizations)),
        OrganizationStep::Act(org_id) => {
            let consent = pending.consent_request(user, org_id, rules.issuer);
            consent_step(context, rules, consent, false).await
        }
    }
}

/// The organization for which the user has just begun to connect the client from its tile. Public
/// clients have no tiles.
async fn start_at_tile(
    context: &Context,
    pending: &Pending,
    user: &User,
) -> Result<Option<OrgId>, DbError> {
    if !pending.client.kind.is_confidential() {
        return Ok(None);
    }
    let (browser, client_id, now) = (pending.browser, pending.client.id, context.clock.now());
    connection_starts::find_org(&context.db, browser, client_id, user.id, now).await
}

/// From a tile, the user must be permitted everything that the client requests.
async fn consent_step(
    context: &Context,
    rules: RestrictionRules<'_>,
    consent: ConsentRequest<'_>,
    is_from_tile: bool,
) -> Result<NextStep, DbError> {
    let org_id = consent.org_id;
    let offered = offer_scopes(&context.db, rules, consent).await;
    let withheld = match &offered {
        Ok(offer) => Some(&offer.scopes.withheld),
        Err(OfferError::Refused(refused)) => Some(&refused.withheld),
        Err(_) => None,
    };
    let missing = withheld.filter(|_| is_from_tile).map(|withheld| withheld_by_role(withheld));
    if let Some(missing) = missing.filter(|missing| !missing.is_empty()) {
        return Ok(NextStep::NotPermitted(org_id, missing));
    }
    match offered {
        Ok(offer) if offer.is_remembered => Ok(NextStep::Approve(org_id)),
        Ok(offer) => Ok(NextStep::Consent(org_id, Box::new(offer))),
        // The membership ended a moment ago.
        Err(OfferError::NotAMember) => Ok(NextStep::NoOrganization),
        Err(OfferError::Disabled) => Ok(NextStep::Disabled(org_id)),
        Err(OfferError::Refused(refused)) => Ok(NextStep::Withheld(org_id, refused)),
        Err(OfferError::Db(cause)) => Err(cause),
    }
}

/// Stores the organization that the user chose, if they had to choose one and belong to it. Returns
/// the step that is next in any case.
pub async fn choose_organization(
    context: &Context,
    rules: RestrictionRules<'_>,
    pending: &mut Pending,
    visit: Visit<'_>,
    chosen: OrgId,
) -> Result<NextStep, DbError> {
    let step = find_next_step(context, rules, pending, visit).await?;
    let (NextStep::ChooseOrganization(organizations), Some(user)) = (&step, visit.user) else {
        return Ok(step);
    };
    if !organizations.iter().any(|(id, _)| *id == chosen) {
        return Ok(step);
    }
    requests::choose_org(&context.db, pending.handle.digest(), pending.browser, chosen).await?;
    pending.chosen_org = Some(chosen);
    let consent = pending.consent_request(user, chosen, rules.issuer);
    consent_step(context, rules, consent, false).await
}
