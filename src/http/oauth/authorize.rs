//! `GET` and `POST /oauth2/v1/authorize` (RFC 6749 section 3.1): where a client sends its user.
//!
//! A request goes this way, and may wait at each page for as long as ten minutes, on any replica:
//!
//! ```text
//! parse ── find the client ── match the redirect          a mistake up to here is told to the person, on a page (400)
//!    └─ read the rest of the request                      from here on to the client, at its redirect URI
//!        └─ find what it waits for                     for a page, it waits as a row, bound to this browser
//!            ├─ /choose-site      where the service has several, and nothing tells which
//!            ├─ /login            nobody is signed in, or not lately enough
//!            ├─ /password         the user signed in with a password that this server made
//!            ├─ /organization     the user belongs to several
//!            ├─ /consent          the user looks at what is asked for
//!            └─ a code            now, or without a click where all of it was given before
//! ```
//!
//! The row is taken out by whatever answers the request, so that it is answered once. A request that is answered as it
//! arrives is never a row, so every row has been counted against the source that it came from. The form of the consent
//! page carries the row's handle and the decision, and nothing that the client sent.

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
use crate::http::oauth::pending::{Next, Pending, denied, refused, see_other};
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

/// Seconds for which a request waits for its user.
const WAITS_FOR: i64 = 600;

pub async fn by_query(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let query = request.uri().query().unwrap_or_default();
    let parameters = Parameters::of_authorization(query.as_bytes())?;
    begin(&app, request.headers(), request.extensions().get().cloned(), &parameters, None).await
}

/// The decision of a consent page, or a request that a client sent as a form (OpenID Connect Core section 3.1.2.1).
pub async fn by_form(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let (headers, origin) = (request.headers().clone(), request.extensions().get().cloned());
    let uri = request.uri().clone();
    let bytes = body::read(request, &[body::FORM], app.body_bounds()).await?;
    let form = Parameters::form_with_lists(&bytes, &["scope"]);
    if let Some(form) = form.ok().filter(|form| form.get("decision").is_some()) {
        return decide(&app, &headers, origin, &form).await;
    }
    let parameters = Parameters::of_authorization(&bytes)?;
    let again = (!Browser::has_binding(&app, &headers)).then(|| again_by_query(&uri, &bytes));
    begin(&app, &headers, origin, &parameters, again).await
}

/// Browsers send no cookies with a form of another site. They do once they open the same request as an address, so a
/// browser that has a binding keeps it, and one that has none gets it there.
fn again_by_query(uri: &Uri, form: &[u8]) -> Response {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(form_urlencoded::parse(form)).finish();
    see_other(&format!("{}?{query}", uri.path()))
}

/// `instead`: the response to a good request that cannot be kept here.
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
        Ok(asked) => match instead {
            Some(response) => Ok(response),
            None => keep(app, browser, (client, redirect), asked, source).await,
        },
        Err(refusal) => {
            let state = AuthorizationRequest::state_of(parameters);
            Ok(refused(app, &client, &redirect, &refusal, state, browser.reference()))
        }
    }
}

/// Mistakes up to here are never redirected (RFC 6749 section 4.1.2.1).
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

/// A document that was never seen makes a client, so it counts as a registration.
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

/// The request becomes a row only if it waits for its user, and only after it was admitted. So neither an error nor a lost
/// connection leaves an uncounted row.
async fn keep(
    app: &App,
    browser: Browser,
    (client, redirect): (Client, TrustedRedirect),
    asked: AuthorizationRequest,
    source: Option<Counted>,
) -> Result<Response, PageError> {
    let now = app.context.clock.now();
    let is_silent = asked.prompt.none;
    let stored = PendingRequest {
        client_id: client.id,
        request: asked,
        org_id: None,
        session_id: browser.signed_in.as_ref().map(|signed_in| signed_in.session.id),
        created_at: now,
        expires_at: now.plus(WAITS_FOR),
    };
    let pending = Pending { handle: app.context.random.token(""), stored, client, redirect, is_stored: false };
    let next = pending.next(app, &browser).await?;
    let (answer, waits) = if is_silent {
        (silently(app, &browser, &pending, next).await?, false)
    } else {
        first_step(app, &browser, &pending, next).await?
    };
    if waits {
        admit(app, source)?;
        insert(app, &browser, &pending).await?;
    }
    Ok(browser.bound(answer))
}

/// And whether the request waits for its user then.
async fn first_step(
    app: &App,
    browser: &Browser,
    pending: &Pending,
    next: Next,
) -> Result<(Response, bool), PageError> {
    let Next::Nothing(org_id) = next else {
        let waits = next.waits();
        return Ok((go_on(app, browser, pending, next).await?, waits));
    };
    // What was given before may have been taken back a moment ago. Then the user is asked.
    let answer = pending.approve(app, browser, org_id, None).await?;
    Ok(answer.map_or_else(|| (pending.to_page("consent"), true), |answer| (answer, false)))
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
        // The client was forgotten a moment ago.
        Err(DbError::Reference) => Err(PageError::UnknownClient(Box::default())),
        outcome => outcome.map_err(PageError::from),
    }
}

/// Only requests that wait for their user are counted.
fn admit(app: &App, source: Option<Counted>) -> Result<(), PageError> {
    let Some(source) = source else { return Ok(()) };
    app.waiting.admit(&app.limits, source).map_err(PageError::TooManyWaiting)
}

/// Where the browser goes for what the request waits for.
pub async fn go_on(app: &App, browser: &Browser, pending: &Pending, next: Next) -> Result<Response, PageError> {
    match next {
        Next::SignIn => Ok(pending.to_page("login")),
        Next::ChoosePassword => Ok(pending.to_page("password")),
        Next::ChooseSite => Ok(pending.to_page("choose-site")),
        Next::ChooseOrganization(_) => Ok(pending.to_page("organization")),
        Next::Consent(..) => Ok(pending.to_page("consent")),
        Next::Nothing(org_id) => {
            let answer = pending.approve(app, browser, org_id, None).await?;
            Ok(answer.unwrap_or_else(|| pending.to_page("consent")))
        }
        Next::NoOrganization => Err(PageError::NoOrganization),
        Next::Refuse(refusal) => pending.refuse(app, browser, refusal).await,
        Next::Withheld(org_id, refused) => pending.refuse_withheld(app, browser, org_id, refused).await,
    }
}

/// `prompt=none`: the user must not be shown anything (OpenID Connect Core section 3.1.2.6).
async fn silently(app: &App, browser: &Browser, pending: &Pending, next: Next) -> Result<Response, PageError> {
    let refusal = match next {
        Next::SignIn | Next::ChoosePassword | Next::ChooseSite => {
            Refusal::new(ErrorCode::LoginRequired, "the user has to sign in")
        }
        Next::ChooseOrganization(_) => {
            Refusal::new(ErrorCode::InteractionRequired, "the user has to choose an organization")
        }
        Next::NoOrganization => Refusal::new(ErrorCode::AccessDenied, "the user belongs to no organization"),
        Next::Consent(..) => consent_required(),
        Next::Nothing(org_id) => match pending.approve(app, browser, org_id, None).await? {
            Some(answer) => return Ok(answer),
            None => consent_required(),
        },
        next => return go_on(app, browser, pending, next).await,
    };
    pending.refuse(app, browser, refusal).await
}

fn consent_required() -> Refusal {
    Refusal::new(ErrorCode::ConsentRequired, "the user has to be asked")
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
        return pending.refuse(app, &browser, denied()).await;
    }
    let ticked: ScopeSet = form.all("scope").filter_map(|name| ScopeToken::parse(name).ok()).collect();
    match pending.next(app, &browser).await? {
        Next::Consent(org_id, offer) if decision == Decision::None => {
            consent_page(app, &browser, &pending, (org_id, &offer), Some(&ticked)).await
        }
        Next::Consent(org_id, _) | Next::Nothing(org_id) if decision == Decision::Approve => {
            let shown = form.get("shown").and_then(Digest::from_hex).map(|digest| *digest.bytes()).unwrap_or_default();
            let answer = pending.approve(app, &browser, org_id, Some(Answer { shown, ticked: &ticked })).await?;
            Ok(answer.unwrap_or_else(|| pending.to_page("consent")))
        }
        // Signed out meanwhile, for example.
        next => go_on(app, &browser, &pending, next).await,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Decision {
    Approve,
    Deny,
    /// Enter in the form: the same page again.
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
