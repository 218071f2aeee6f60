//! The responses of the authorization endpoint to the client, through the user's browser.

use axum::response::Response;

use crate::actions::authorize::approve::Approved;
use crate::actions::authorize::pending::Pending;
use crate::app::App;
use crate::http::redirect::see_other;
use crate::rules::authorization::refusal::Refusal;
use crate::rules::client::ClientId;
use crate::rules::id::OrgId;
use crate::rules::redirect::trusted::{CodeResponse, TrustedRedirect};

/// The client that receives a refusal.
#[derive(Clone, Copy)]
pub struct Recipient<'a> {
    pub client_id: ClientId,
    pub redirect: &'a TrustedRedirect,
    pub state: Option<&'a str>,
    /// The id of the HTTP request.
    pub reference: &'a str,
}

/// The error response (RFC 6749 section 4.1.2.1). It contains a reference that the user can give to
/// the operator, who finds it in the log.
pub fn respond_with_refusal(app: &App, to: Recipient<'_>, refusal: &Refusal) -> Response {
    let Recipient { client_id, redirect, state, reference } = to;
    let code = refusal.code.as_str();
    app.metrics.authorization(code);
    tracing::info!(client.id = %client_id, error = code, reason = refusal.description, reference,
        "authorization refused");
    let description = format!("{} (reference {reference})", refusal.description);
    let refusal = Refusal { code: refusal.code, description };
    see_other(&redirect.with_refusal(&refusal, state, &app.config.http.public_url))
}

/// The successful response (RFC 6749 section 4.1.2).
pub fn respond_with_code(
    app: &App,
    pending: &Pending,
    org_id: OrgId,
    approved: &Approved,
) -> Response {
    let response = CodeResponse {
        code: approved.code.expose(),
        state: pending.request.state.as_deref(),
        issuer: &app.config.http.public_url,
        domain: app.domain(),
        site: &app.config.http.public_url,
        org_id,
        org_name: &approved.org_name,
    };
    see_other(&pending.redirect.with_code(&response))
}
