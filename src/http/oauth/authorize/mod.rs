//! `GET` and `POST /oauth2/v1/authorize` (RFC 6749 section 3.1): clients send their users here.
//!
//! A request is a state machine. `begin.rs` checks it, `flow.rs` takes it from step to step, and
//! `decide.rs` handles the user's decision. It may wait up to ten minutes at each page, on any
//! replica:
//!
//! ```text
//! begin    parse ── find the client ── match the redirect     errors up to here: a page for the user (400)
//!             └─ read the rest of the request                 errors from here on: to the redirect URI
//! flow            └─ find the next step                       a page stores the request, bound to the browser
//!                     ├─ /choose-site      the service has several sites, and the request names none
//!                     ├─ /login            no user is signed in, or not recently enough
//!                     ├─ /password         the user signed in with a generated password
//!                     ├─ /organization     the user belongs to several organizations
//!                     ├─ /consent          the user decides on the requested scopes
//! decide              │    └─ the decision, posted back to this URL
//!                     └─ a code            after consent, or without a page if all was granted before
//! ```
//!
//! After each page the next step is found again: `rules/authorization/next_step.rs` decides, and
//! `actions/authorize/next_step.rs` loads the facts. So a page that was opened too early or too
//! late leads to the right one.
//!
//! The response that completes a request deletes its row, so it is completed only once. A request
//! that is completed without a page never becomes a row, so every row has been counted against its
//! source. The form of the consent page contains the row's handle and the decision, but nothing
//! that the client sent.

pub mod begin;
pub mod decide;
pub mod flow;
pub mod respond;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::Response;

use crate::app::App;
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::middleware::body;
use crate::http::middleware::body::BodyBounds;
use crate::http::oauth::authorize::begin::begin;
use crate::http::oauth::authorize::decide::decide;
use crate::http::redirect::see_other;
use crate::rules::syntax::parameters::Parameters;

pub async fn by_query(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, PageError> {
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
    let bytes = body::read(request, &[body::FORM], BodyBounds::of(&app.config)).await?;
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
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form_urlencoded::parse(form))
        .finish();
    see_other(&format!("{}?{query}", uri.path()))
}
