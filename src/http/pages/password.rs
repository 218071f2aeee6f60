//! `GET` and `POST /password`: users who signed in with a password that this server generated must
//! choose their own before they can continue.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use crate::actions::sign_in::{AtBrowser, ChangePasswordError, choose_password};
use crate::app::App;
use crate::http::error::PageError;
use crate::http::extract::browser::{Browser, SignedIn};
use crate::http::oauth::pending::{Pending, see_other};
use crate::http::pages::{read_browser, read_form, request_handle};
use crate::http::views::{ChoosePasswordPage, PasswordFailure};
use crate::secret::Secret;

pub async fn show(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let browser = read_browser(&app, &request).await?;
    let pending = match request_handle(&request)? {
        Some(handle) => Some(Pending::find(&app, &browser, &handle).await?),
        None => None,
    };
    match &browser.choosing_password {
        Some(signed_in) => Ok(page(&browser, signed_in, pending.as_ref(), None)),
        None => Ok(see_other(&next_page(pending.as_ref()))),
    }
}

pub async fn submit(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let (browser, form) = read_form(&app, request).await?;
    let pending = match form.get("request") {
        Some(handle) => Some(Pending::find(&app, &browser, handle).await?),
        None => None,
    };
    let Some(signed_in) = &browser.choosing_password else { return Ok(see_other(&next_page(pending.as_ref()))) };
    let at = AtBrowser { user: &signed_in.user, session: signed_in.session.id, browser: browser.known_digest() };
    let new = Secret::new(form.get("new").unwrap_or_default().to_owned());
    let failure = match choose_password(&app.context, at, new, &browser.by()).await {
        Ok(known) => return Ok(browser.with_known_browser(see_other(&next_page(pending.as_ref())), &known)),
        Err(ChangePasswordError::Weak(cause)) => PasswordFailure::Weak(cause),
        Err(ChangePasswordError::Same) => PasswordFailure::Same,
        Err(ChangePasswordError::Busy(_)) => return Err(PageError::Busy),
        Err(ChangePasswordError::WrongPassword) => return Err(PageError::NotPending),
        Err(ChangePasswordError::Db(cause)) => return Err(cause.into()),
    };
    Ok(page(&browser, signed_in, pending.as_ref(), Some(failure)))
}

/// The page that follows once no password has to be chosen.
fn next_page(pending: Option<&Pending>) -> String {
    match pending {
        Some(pending) => format!("/consent?request={}", pending.handle.expose()),
        None => "/account".to_owned(),
    }
}

fn page(
    browser: &Browser,
    signed_in: &SignedIn,
    pending: Option<&Pending>,
    failure: Option<PasswordFailure>,
) -> Response {
    let page = ChoosePasswordPage {
        request: pending.map(|pending| pending.handle.expose().to_owned()),
        csrf: browser.csrf(),
        email: signed_in.user.email.clone(),
        failure,
    };
    browser.bound(page.render(pending.map_or(browser.language, |pending| pending.language(browser))))
}
