//! `GET /consent`: shows the user what a client requests. The form posts the decision to
//! `POST /oauth2/v1/authorize`, which shows the page again if the form has no decision.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::actions::authorize::next_step::NextStep;
use crate::actions::authorize::offer_scopes::Offer;
use crate::actions::authorize::pending::Pending;
use crate::app::App;
use crate::db::engine::error::DbError;
use crate::db::{grants, orgs, resources};
use crate::http::error::PageError;
use crate::http::extract::RequestHandle;
use crate::http::extract::browser::Browser;
use crate::http::oauth::authorize::flow::Flow;
use crate::http::views::{
    ClientOwner, ClientSummary, ConsentPage, Destination, ReachSummary, ResourceSummary,
    ScopeGroup, Usage, WithheldScope,
};
use crate::rules::authorization::consent::Reach;
use crate::rules::authorization::resource::Resource;
use crate::rules::client::proof::authority;
use crate::rules::id::OrgId;
use crate::rules::redirect::uri::RedirectKind;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::offered::Withheld;
use crate::rules::secret::hex;

pub async fn show(
    State(app): State<Arc<App>>,
    browser: Browser,
    RequestHandle(handle): RequestHandle,
) -> Result<Response, PageError> {
    let handle = handle.ok_or(PageError::NotPending)?;
    let flow = Flow::find(&app, &browser, &handle).await?;
    match flow.next_step().await? {
        NextStep::Consent(org_id, offer) => consent_page(&flow, org_id, &offer, None).await,
        step => flow.go_to(step).await,
    }
}

/// `ticked` holds the boxes as the user left them, if the form was already submitted.
pub async fn consent_page(
    flow: &Flow<'_>,
    org_id: OrgId,
    offer: &Offer,
    ticked: Option<&ScopeSet>,
) -> Result<Response, PageError> {
    let Flow { app, browser, pending } = flow;
    let signed_in = browser.signed_in.as_ref().ok_or(PageError::NotPending)?;
    let client = &pending.client;
    let max = Usage::MAX_COUNTED.saturating_add(1);
    let others =
        grants::count_others(&app.context.db, org_id, client.id, signed_in.user.id, max).await?;
    let owner = match client.owner {
        None => None,
        Some(owner) => orgs::find(&app.context.db, owner).await?,
    };
    let page = ConsentPage {
        request: pending.handle.expose().to_owned(),
        csrf: browser.csrf(),
        shown: hex(&flow.consent_request(&signed_in.user, org_id).page_digest(offer)),
        now: app.context.clock.now(),
        client: ClientSummary {
            name: client.metadata.client_name().as_str().to_owned(),
            owner: owner
                .map(|org| ClientOwner { org_name: org.name, reviewed_at: client.published_at }),
            document_host: client.document.as_deref().and_then(authority).map(str::to_owned),
            proof: pending.proof(),
            first_seen: client.registered_at,
        },
        destination: destination(pending),
        org_name: offer.org_name.clone(),
        email: signed_in.user.email.clone(),
        usage: Usage { by_this_person: offer.granted.is_some(), others },
        groups: groups(app, offer, ticked),
        withheld: offer
            .scopes
            .withheld
            .iter()
            .map(|withheld| withheld_scope(app, withheld))
            .collect(),
        reach: reach(flow).await?,
        asked_before: offer.granted.is_some(),
    };
    Ok(browser.bound(page.render(flow.language())))
}

fn groups(app: &App, offer: &Offer, ticked: Option<&ScopeSet>) -> Vec<ScopeGroup> {
    let offered = &offer.scopes;
    let cleared = ticked
        .map_or_else(|| offer.declined_before(), |ticked| offered.optional.difference(ticked));
    ScopeGroup::list(&app.catalog, &offered.optional, &offered.fixed, &cleared)
}

fn withheld_scope(app: &App, withheld: &Withheld) -> WithheldScope {
    let known = app.catalog.find(withheld.scope.as_str());
    WithheldScope {
        name: withheld.scope.to_string(),
        description: known.map(|scope| scope.description.clone()).unwrap_or_default(),
        by: withheld.by,
    }
}

/// The requested resources, with the names that the operator gave them.
async fn reach(flow: &Flow<'_>) -> Result<ReachSummary, DbError> {
    let Flow { app, pending, .. } = flow;
    let Reach { this_server, resources: named } =
        Reach::of(&pending.request.resources, &app.issuer.name);
    let declared =
        if named.is_empty() { Vec::new() } else { resources::list(&app.context.db).await? };
    let summary = |uri: &Resource| {
        let name = declared
            .iter()
            .find(|resource| resource.uri == *uri)
            .map(|resource| resource.name.clone());
        ResourceSummary { name, uri: uri.to_string() }
    };
    Ok(ReachSummary { this_server, resources: named.into_iter().map(summary).collect() })
}

fn destination(pending: &Pending) -> Destination {
    let redirect = pending.redirect.as_str();
    let host = || authority(redirect).unwrap_or(redirect).to_owned();
    match pending.redirect.kind() {
        RedirectKind::Https => Destination::Host(host()),
        RedirectKind::Loopback => Destination::Loopback(host()),
        RedirectKind::PrivateUse => {
            Destination::Scheme(redirect.split(':').next().unwrap_or_default().to_owned())
        }
    }
}
