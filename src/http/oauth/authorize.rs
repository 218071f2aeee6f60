//! `GET` and `POST /oauth2/v1/authorize` (RFC 6749 section 3.1): clients send their users here.
//!
//! A request passes these steps. It may wait up to ten minutes at each page, on any replica:
//!
//! ```text
//! parse ── find the client ── match the redirect    errors up to here: a page for the user (400)
//!    └─ read the rest of the request                 errors from here on: to the redirect URI
//!        └─ find the next step                       a page stores the request, bound to the browser
//!            ├─ /choose-site      the service has several sites, and the request names none
//!            ├─ /login            no user is signed in, or not recently enough
//!            ├─ /password         the user signed in with a generated password
//!            ├─ /organization     the user belongs to several organizations
//!            ├─ /consent          the user decides on the requested scopes
//!            └─ a code            after consent, or without a page if all was granted before
//! ```
//!
//! The response that completes a request deletes its row, so it is completed only once. A request
//! that is completed without a page never becomes a row, so every row has been counted against its
//! source. The form of the consent page contains the row's handle and the decision, but nothing
//! that the client sent.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use crate::actions::authorize::approve::Answer;
use crate::actions::clients::find::FindClientError;
use crate::app::App;
use crate::db::authorizations::requests;
use crate::db::authorizations::requests::{NewPendingRequest, PendingRequest};
use crate::db::clients::Client;
use crate::db::engine::error::DbError;
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::middleware::body;
use crate::http::middleware::edge::Origin;
use crate::http::middleware::rate_limit::{Class, Counted};
use crate::http::oauth::pending::{Next, Pending, refusal_response, see_other, user_denied};
use crate::http::pages::consent_page::consent_page;
use crate::rules::authorization::refused_request::RefusedRequest;
use crate::rules::authorization::request::{
    AuthorizationRequest, ErrorCode, MismatchingRedirect, Refusal, RequestRules, TrustedRedirect,
};
use crate::rules::client::ClientId;
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::syntax::network::Network;
use crate::rules::syntax::parameters::Parameters;
use crate::secret::Digest;

/// Seconds that a request waits for its user.
const PENDING_TTL: i64 = 600;

pub async fn by_query(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let query = request.uri().query().unwrap_or_default();
    let parameters = Parameters::from_authorization_request(query.as_bytes())?;
    begin(&app, request.headers(), request.extensions().get().cloned(), &parameters, None).await
}

/// Handles the decision of a consent page, or a request that a client sent as a form (OpenID
/// Connect Core section 3.1.2.1).
pub async fn by_form(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let headers = request.headers().clone();
    let origin = request.extensions().get().cloned();
    let uri = request.uri().clone();
    let bytes = body::read(request, &[body::FORM], app.body_bounds()).await?;
    let form = Parameters::from_form_with_lists(&bytes, &["scope"]);
    if let Some(form) = form.ok().filter(|form| form.get("decision").is_some()) {
        return decide(&app, &headers, origin, &form).await;
    }
    let parameters = Parameters::from_authorization_request(&bytes)?;
    let redirect = (!Browser::has_binding(&app, &headers)).then(|| redirect_to_query(&uri, &bytes));
    begin(&app, &headers, origin, &parameters, redirect).await
}

/// Browsers send no cookies with a form of another site, but they do when they follow a redirect to
/// the same request as a GET. There the browser keeps its binding, or gets one if it has none.
fn redirect_to_query(uri: &Uri, form: &[u8]) -> Response {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(form_urlencoded::parse(form)).finish();
    see_other(&format!("{}?{query}", uri.path()))
}

/// `instead` is the response to a valid request, if it cannot start here.
async fn begin(
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
    };
    match AuthorizationRequest::parse(parameters, &redirect, &rules) {
        Ok(parsed) => match instead {
            Some(response) => Ok(response),
            None => start(app, browser, (client, redirect), parsed, source).await,
        },
        Err(refusal) => {
            let state = AuthorizationRequest::state_of(parameters);
            Ok(refusal_response(app, &client, &redirect, &refusal, state, browser.reference()))
        }
    }
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
async fn count_new_document(app: &App, client_id: &str, origin: Option<&Origin>) -> Result<(), PageError> {
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
async fn start(
    app: &App,
    browser: Browser,
    (client, redirect): (Client, TrustedRedirect),
    parsed: AuthorizationRequest,
    source: Option<Counted>,
) -> Result<Response, PageError> {
    let now = app.context.clock.now();
    let is_silent = parsed.prompt.none;
    let stored = PendingRequest {
        client_id: client.id,
        request: parsed,
        org_id: None,
        session_id: browser.signed_in.as_ref().map(|signed_in| signed_in.session.id),
        created_at: now,
        expires_at: now.plus(PENDING_TTL),
    };
    let pending = Pending { handle: app.context.random.token(""), stored, client, redirect, is_stored: false };
    let next = pending.next(app, &browser).await?;
    let (response, waits) = if is_silent {
        (respond_silently(app, &browser, &pending, next).await?, false)
    } else {
        first_step(app, &browser, &pending, next).await?
    };
    if waits {
        admit(app, source)?;
        insert(app, &browser, &pending).await?;
    }
    Ok(browser.bound(response))
}

/// Also returns whether the request now waits for its user.
async fn first_step(
    app: &App,
    browser: &Browser,
    pending: &Pending,
    next: Next,
) -> Result<(Response, bool), PageError> {
    let Next::Approve(org_id) = next else {
        let waits = next.waits();
        return Ok((continue_flow(app, browser, pending, next).await?, waits));
    };
    // The earlier grant may have been revoked a moment ago. Then the user has to consent.
    let response = pending.approve(app, browser, org_id, None).await?;
    Ok(response.map_or_else(|| (pending.to_page("consent"), true), |response| (response, false)))
}

async fn insert(app: &App, browser: &Browser, pending: &Pending) -> Result<(), PageError> {
    let stored = &pending.stored;
    let row = NewPendingRequest {
        digest: pending.digest(),
        browser_digest: browser.binding_digest(),
        client_id: stored.client_id,
        request: &stored.request,
        session_id: stored.session_id,
        created_at: stored.created_at,
        expires_at: stored.expires_at,
    };
    match requests::insert(&app.context.db, &row).await {
        // The client was removed a moment ago.
        Err(DbError::Reference) => Err(PageError::UnknownClient(Box::default())),
        outcome => outcome.map_err(PageError::from),
    }
}

/// Counts a request that waits for its user against its source.
fn admit(app: &App, source: Option<Counted>) -> Result<(), PageError> {
    let Some(source) = source else { return Ok(()) };
    app.waiting.admit(&app.limits, source).map_err(PageError::TooManyWaiting)
}

/// Sends the browser to the page of the next step, or completes the request.
pub async fn continue_flow(app: &App, browser: &Browser, pending: &Pending, next: Next) -> Result<Response, PageError> {
    match next {
        Next::SignIn => Ok(pending.to_page("login")),
        Next::ChoosePassword => Ok(pending.to_page("password")),
        Next::ChooseSite => Ok(pending.to_page("choose-site")),
        Next::ChooseOrganization(_) => Ok(pending.to_page("organization")),
        Next::Consent(..) => Ok(pending.to_page("consent")),
        Next::Approve(org_id) => {
            let response = pending.approve(app, browser, org_id, None).await?;
            Ok(response.unwrap_or_else(|| pending.to_page("consent")))
        }
        Next::NoOrganization => Err(PageError::NoOrganization),
        Next::Refuse(refusal) => pending.refuse(app, browser, refusal).await,
        Next::Withheld(org_id, refused) => pending.refuse_withheld(app, browser, org_id, refused).await,
    }
}

/// With `prompt=none`, no page may be shown (OpenID Connect Core section 3.1.2.6).
async fn respond_silently(app: &App, browser: &Browser, pending: &Pending, next: Next) -> Result<Response, PageError> {
    let refusal = match next {
        Next::SignIn | Next::ChoosePassword | Next::ChooseSite => {
            Refusal::new(ErrorCode::LoginRequired, "the user has to sign in")
        }
        Next::ChooseOrganization(_) => {
            Refusal::new(ErrorCode::InteractionRequired, "the user has to choose an organization")
        }
        Next::NoOrganization => Refusal::new(ErrorCode::AccessDenied, "the user does not belong to an organization"),
        Next::Consent(..) => consent_required(),
        Next::Approve(org_id) => match pending.approve(app, browser, org_id, None).await? {
            Some(response) => return Ok(response),
            None => consent_required(),
        },
        next => return continue_flow(app, browser, pending, next).await,
    };
    pending.refuse(app, browser, refusal).await
}

fn consent_required() -> Refusal {
    Refusal::new(ErrorCode::ConsentRequired, "the user has to consent")
}

async fn decide(
    app: &App,
    headers: &HeaderMap,
    origin: Option<Origin>,
    form: &Parameters,
) -> Result<Response, PageError> {
    let browser = Browser::of(app, headers, origin).await?;
    browser.check_form(app, headers, form)?;
    let handle = form.get("request").ok_or(PageError::NotPending)?;
    let pending = Pending::find(app, &browser, handle).await?;
    let decision = Decision::of(form);
    if decision == Decision::Deny {
        return pending.refuse(app, &browser, user_denied()).await;
    }
    let ticked: ScopeSet = form.all("scope").filter_map(|name| ScopeToken::parse(name).ok()).collect();
    match pending.next(app, &browser).await? {
        Next::Consent(org_id, offer) if decision == Decision::None => {
            consent_page(app, &browser, &pending, (org_id, &offer), Some(&ticked)).await
        }
        Next::Consent(org_id, _) | Next::Approve(org_id) if decision == Decision::Approve => {
            let shown = form.get("shown").and_then(Digest::from_hex).map(|digest| *digest.bytes()).unwrap_or_default();
            let answer = Answer { page_digest: shown, chosen: &ticked };
            let response = pending.approve(app, &browser, org_id, Some(answer)).await?;
            Ok(response.unwrap_or_else(|| pending.to_page("consent")))
        }
        // The state has changed since the page was shown, for example by signing out.
        next => continue_flow(app, &browser, &pending, next).await,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Decision {
    Approve,
    Deny,
    /// The form was submitted with Enter: the same page is shown again.
    None,
}

impl Decision {
    fn of(form: &Parameters) -> Self {
        match form.get("decision") {
            Some("approve") => Self::Approve,
            Some("none") => Self::None,
            _ => Self::Deny,
        }
    }
}
