//! Builds the consent page of a pending request, when it is opened and again when its form was
//! submitted without a decision.

use axum::response::Response;

use crate::actions::authorize::offer_scopes::Offer;
use crate::app::App;
use crate::db::engine::error::DbError;
use crate::db::{grants, resources};
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::oauth::pending::Pending;
use crate::http::views::{
    ClientSummary, ConsentPage, Destination, ReachSummary, ResourceSummary, ScopeGroup, Usage, WithheldScope,
};
use crate::rules::authorization::consent::Reach;
use crate::rules::client::proof::authority;
use crate::rules::id::OrgId;
use crate::rules::redirect::uri::RedirectKind;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::offered::Withheld;
use crate::secret::hex;

/// `ticked` holds the boxes as the user left them, if the form was already submitted.
pub async fn consent_page(
    app: &App,
    browser: &Browser,
    pending: &Pending,
    (org_id, offer): (OrgId, &Offer),
    ticked: Option<&ScopeSet>,
) -> Result<Response, PageError> {
    let signed_in = browser.signed_in.as_ref().ok_or(PageError::NotPending)?;
    let client = &pending.client;
    let max = Usage::MAX_COUNTED.saturating_add(1);
    let others = grants::count_others(&app.context.db, org_id, client.id, signed_in.user.id, max).await?;
    let page = ConsentPage {
        request: pending.handle.expose().to_owned(),
        csrf: browser.csrf(),
        shown: hex(&pending.page_digest(app, signed_in, org_id, offer)),
        now: app.context.clock.now(),
        client: ClientSummary {
            name: client.metadata.client_name().as_str().to_owned(),
            document_host: client.document.as_deref().and_then(authority).map(str::to_owned),
            proof: pending.proof(),
            first_seen: client.registered_at,
        },
        destination: destination(pending),
        org_name: offer.org_name.clone(),
        email: signed_in.user.email.clone(),
        usage: Usage { by_this_person: offer.granted.is_some(), others },
        groups: groups(app, offer, ticked),
        withheld: offer.scopes.withheld.iter().map(|withheld| withheld_scope(app, withheld)).collect(),
        reach: reach(app, pending).await?,
        asked_before: offer.granted.is_some(),
    };
    Ok(browser.bound(page.render(pending.language(browser))))
}

fn groups(app: &App, offer: &Offer, ticked: Option<&ScopeSet>) -> Vec<ScopeGroup> {
    let offered = &offer.scopes;
    let cleared = ticked.map_or_else(|| offer.declined_before(), |ticked| offered.optional.difference(ticked));
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
async fn reach(app: &App, pending: &Pending) -> Result<ReachSummary, DbError> {
    let Reach { this_server, resources: named } = Reach::of(&pending.stored.request.resources, &app.issuer.name);
    let declared = if named.is_empty() { Vec::new() } else { resources::list(&app.context.db).await? };
    let summary = |uri: &crate::rules::authorization::resource::Resource| {
        let name = declared.iter().find(|resource| resource.uri == *uri).map(|resource| resource.name.clone());
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
        RedirectKind::PrivateUse => Destination::Scheme(redirect.split(':').next().unwrap_or_default().to_owned()),
    }
}
