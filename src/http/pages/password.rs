//! `GET` and `POST /password`: users who signed in with a password that this server generated must
//! choose their own before they can continue.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::actions::sign_in::{AtBrowser, ChangePasswordError, choose_password};
use crate::app::App;
use crate::http::error::PageError;
use crate::http::extract::browser::{Browser, SignedIn};
use crate::http::extract::{PageForm, RequestHandle};
use crate::http::oauth::authorize::flow::Flow;
use crate::http::redirect::see_other;
use crate::http::views::{ChoosePasswordPage, PasswordFailure};
use crate::rules::authorization::next_step::Interaction;
use crate::rules::secret::Secret;

pub async fn show(
    State(app): State<Arc<App>>,
    browser: Browser,
    RequestHandle(handle): RequestHandle,
) -> Result<Response, PageError> {
    let flow = match handle {
        Some(handle) => Some(Flow::find(&app, &browser, &handle).await?),
        None => None,
    };
    match &browser.choosing_password {
        Some(signed_in) => Ok(page(&browser, signed_in, flow.as_ref(), None)),
        None => Ok(to_next_page(flow.as_ref())),
    }
}

pub async fn submit(
    State(app): State<Arc<App>>,
    PageForm { browser, form }: PageForm,
) -> Result<Response, PageError> {
    let flow = match form.get("request") {
        Some(handle) => Some(Flow::find(&app, &browser, handle).await?),
        None => None,
    };
    let Some(signed_in) = &browser.choosing_password else {
        return Ok(to_next_page(flow.as_ref()));
    };
    let at = AtBrowser {
        user: &signed_in.user,
        session: signed_in.session.id,
        browser: browser.known_digest(),
    };
    let new = Secret::new(form.get("new").unwrap_or_default().to_owned());
    let failure = match choose_password(&app.context, at, new, &browser.by()).await {
        Ok(known) => return Ok(browser.with_known_browser(to_next_page(flow.as_ref()), &known)),
        Err(ChangePasswordError::Weak(cause)) => PasswordFailure::Weak(cause),
        Err(ChangePasswordError::Same) => PasswordFailure::Same,
        Err(ChangePasswordError::Busy(_)) => return Err(PageError::Busy),
        Err(ChangePasswordError::WrongPassword) => return Err(PageError::NotPending),
        Err(ChangePasswordError::Db(cause)) => return Err(cause.into()),
    };
    Ok(page(&browser, signed_in, flow.as_ref(), Some(failure)))
}

/// Redirects to the page that follows once no password has to be chosen.
fn to_next_page(flow: Option<&Flow<'_>>) -> Response {
    flow.map_or_else(|| see_other("/account"), |flow| flow.to_page(Interaction::Consent))
}

fn page(
    browser: &Browser,
    signed_in: &SignedIn,
    flow: Option<&Flow<'_>>,
    failure: Option<PasswordFailure>,
) -> Response {
    let page = ChoosePasswordPage {
        request: flow.map(|flow| flow.pending.handle.expose().to_owned()),
        csrf: browser.csrf(),
        email: signed_in.user.email.clone(),
        failure,
    };
    browser.bound(page.render(flow.map_or(browser.language, Flow::language)))
}
