//! `GET /consent`: what a client asks for, in words, for the user to decide. The decision goes to
//! `POST /oauth2/v1/authorize`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::{handle, visitor};
use crate::actions::Offer;
use crate::app::App;
use crate::http::browser::Browser;
use crate::http::error::PageError;
use crate::http::oauth::authorize::go_on;
use crate::http::pending::{Next, Pending};
use crate::http::views::{ClientShown, ConsentPage, GoesTo, ScopeGroup, WithheldScope};
use crate::oauth::OrgId;
use crate::oauth::offered_scopes::Withheld;
use crate::oauth::redirect_uri::RedirectKind;
use crate::secret::hex;

pub async fn show(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let browser = visitor(&app, &request).await?;
    let handle = handle(&request)?.ok_or(PageError::NotPending)?;
    let pending = Pending::find(&app, &browser, &handle).await?;
    match pending.next(&app, &browser).await? {
        Next::Consent(org_id, offer) => {
            let page = page(&app, &browser, &pending, org_id, &offer);
            Ok(browser.bound(page.render(pending.language(&browser))))
        }
        next => go_on(&app, &browser, &pending, next).await,
    }
}

fn page(app: &App, browser: &Browser, pending: &Pending, org_id: OrgId, offer: &Offer) -> ConsentPage {
    let signed_in = browser.signed_in.as_ref();
    let client = &pending.client;
    ConsentPage {
        request: pending.handle.expose().to_owned(),
        csrf: browser.csrf(),
        shown: signed_in.map(|signed_in| hex(&pending.shown(signed_in, org_id, offer))).unwrap_or_default(),
        now: app.context.clock.now(),
        client: ClientShown {
            name: client.metadata.client_name().as_str().to_owned(),
            verified_host: client.document.as_deref().and_then(host_of).map(str::to_owned),
            first_seen: client.registered_at,
        },
        goes_to: goes_to(pending),
        org_name: offer.org_name.clone(),
        email: signed_in.map(|signed_in| signed_in.user.email.clone()).unwrap_or_default(),
        answer_stays_on_device: pending.redirect.kind() != RedirectKind::Https,
        groups: groups(app, offer),
        withheld: offer.scopes.withheld.iter().map(|withheld| shown(app, withheld)).collect(),
        resources: pending.stored.request.resources.iter().map(ToString::to_string).collect(),
        asked_before: offer.granted.is_some(),
    }
}

fn groups(app: &App, offer: &Offer) -> Vec<ScopeGroup> {
    ScopeGroup::list(&app.catalog, &offer.scopes.optional, &offer.scopes.fixed, &offer.declined_before())
}

fn shown(app: &App, withheld: &Withheld) -> WithheldScope {
    let known = app.catalog.find(withheld.scope.as_str());
    WithheldScope {
        name: withheld.scope.to_string(),
        description: known.map(|scope| scope.description.clone()).unwrap_or_default(),
        by: withheld.by,
    }
}

fn goes_to(pending: &Pending) -> GoesTo {
    let redirect = pending.redirect.as_str();
    let host = || host_of(redirect).unwrap_or(redirect).to_owned();
    match pending.redirect.kind() {
        RedirectKind::Https => GoesTo::Host(host()),
        RedirectKind::Loopback => GoesTo::Loopback(host()),
        RedirectKind::PrivateUse => GoesTo::Scheme(redirect.split(':').next().unwrap_or_default().to_owned()),
    }
}

/// The host, with its port, of an address that was parsed before, for people to read.
fn host_of(uri: &str) -> Option<&str> {
    uri.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest))
}
