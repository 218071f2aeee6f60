//! Begins an authorization request: finds the client, checks the request, and completes it or
//! stores it for the first page.

use axum::http::HeaderMap;
use axum::response::Response;

use crate::actions::authorize::pending::Pending;
use crate::actions::clients::find::FindClientError;
use crate::app::App;
use crate::db::clients::Client;
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::middleware::origin::Origin;
use crate::http::oauth::authorize::flow::{Advance, Flow};
use crate::http::oauth::authorize::respond::{Recipient, respond_with_refusal};
use crate::limits::rate_limit::{Class, Counted};
use crate::rules::authorization::refused_request::RefusedRequest;
use crate::rules::authorization::request::{AuthorizationRequest, RequestRules};
use crate::rules::client::ClientId;
use crate::rules::redirect::trusted::{MismatchingRedirect, TrustedRedirect};
use crate::rules::syntax::network::Network;
use crate::rules::syntax::parameters::Parameters;

/// `instead` is the response to a valid request, if it cannot start here.
pub async fn begin(
    app: &App,
    headers: &HeaderMap,
    origin: Option<Origin>,
    parameters: &Parameters,
    instead: Option<Response>,
) -> Result<Response, PageError> {
    let source = origin.as_ref().map(|origin| Counted::Network(origin.address.into()));
    let (client, redirect) = find_client(app, origin.as_ref(), parameters).await?;
    let browser = Browser::of(app, headers, origin).await?;
    let resources = app.known_resources().await?;
    let rules = RequestRules {
        catalog: &app.catalog,
        known_resources: &resources,
        unknown_resources: app.config.resources.unknown,
        configured_scopes: client.configured_scopes(),
    };
    let request = match AuthorizationRequest::parse(parameters, &redirect, &rules) {
        Ok(request) => request,
        Err(refusal) => {
            let state = AuthorizationRequest::state_of(parameters);
            let to = Recipient {
                client_id: client.id,
                redirect: &redirect,
                state,
                reference: browser.reference(),
            };
            return Ok(respond_with_refusal(app, to, &refusal));
        }
    };
    if let Some(response) = instead {
        return Ok(response);
    }
    let pending = Pending {
        handle: app.context.random.token(""),
        browser: browser.binding_digest(),
        client,
        redirect,
        request,
        started_at: app.context.clock.now(),
        started_in: browser.signed_in.as_ref().map(|signed_in| signed_in.session.id),
        chosen_org: None,
        is_stored: false,
    };
    let response = start(Flow { app, browser: &browser, pending }, source).await?;
    Ok(browser.bound(response))
}

/// Errors of this step are never redirected (RFC 6749 section 4.1.2.1).
async fn find_client(
    app: &App,
    origin: Option<&Origin>,
    parameters: &Parameters,
) -> Result<(Client, TrustedRedirect), PageError> {
    let sent = parameters.get("redirect_uri");
    let Some(client_id) = parameters.get("client_id") else {
        return Err(PageError::UnknownClient(RefusedRequest::new(None, sent, None).into()));
    };
    count_new_document(app, client_id, origin).await?;
    let network = origin.map(|origin| Network::from(origin.address));
    let client = match app.find_client.find(&app.context, client_id, network).await {
        Err(FindClientError::Unknown) => {
            let refused = RefusedRequest::new(Some(client_id), sent, None);
            return Err(PageError::UnknownClient(refused.into()));
        }
        found => found?,
    };
    match TrustedRedirect::of(sent, &client.metadata) {
        Ok(redirect) => Ok((client, redirect)),
        Err(MismatchingRedirect) => {
            let refused = RefusedRequest::new(Some(client_id), sent, Some(&client.metadata));
            Err(PageError::MismatchingRedirect(refused.into()))
        }
    }
}

/// An unknown metadata document creates a client, so it counts as a registration.
async fn count_new_document(
    app: &App,
    client_id: &str,
    origin: Option<&Origin>,
) -> Result<(), PageError> {
    let is_url = ClientId::parse(client_id).is_err();
    if !is_url || app.find_client.id_of(client_id).is_none() {
        return Ok(());
    }
    match app.find_client.find_known(&app.context, client_id).await {
        Err(FindClientError::Unknown) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return Ok(()),
    }
    let network = origin.map(|origin| Network::from(origin.address));
    if let Some(network) = network {
        app.limits.take(Class::Register, Counted::Network(network)).map_err(PageError::TooMany)?;
    }
    app.limits.take_registration(network).map_err(PageError::TooMany)
}

/// Stores the request only if it waits for its user, and only after it was admitted. So neither an
/// error nor a lost connection leaves an uncounted row.
async fn start(mut flow: Flow<'_>, source: Option<Counted>) -> Result<Response, PageError> {
    let step = flow.next_step().await?;
    match flow.advance(step).await? {
        Advance::Completed(response) => Ok(response),
        // No page may be shown (OpenID Connect Core section 3.1.2.6).
        Advance::WaitsFor(interaction) if flow.pending.request.prompt.none => {
            flow.refuse(interaction.refusal()).await
        }
        Advance::WaitsFor(interaction) => {
            admit(flow.app, source)?;
            flow.pending.store(&flow.app.context).await?;
            Ok(flow.to_page(interaction))
        }
    }
}

/// Counts a request that waits for its user against its source.
fn admit(app: &App, source: Option<Counted>) -> Result<(), PageError> {
    let Some(source) = source else { return Ok(()) };
    app.waiting.admit(&app.limits, source).map_err(PageError::TooManyWaiting)
}
