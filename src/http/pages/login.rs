//! `GET` and `POST /login`, `POST /logout`. How attempts are limited: `http/middleware/attempts.rs`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use crate::actions::sign_in::{SignInError, SignedIn, SigningIn, is_known_browser, sign_in, sign_out};
use crate::app::App;
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::middleware::attempts::Attempt;
use crate::http::oauth::authorize::go_on;
use crate::http::oauth::pending::{Next, Pending, see_other};
use crate::http::pages::{form, handle, visitor};
use crate::http::views::{LoginFailure, LoginPage};
use crate::rules::syntax::parameters::Parameters;
use crate::secret::Secret;

pub async fn show(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let browser = visitor(&app, &request).await?;
    match handle(&request)? {
        Some(handle) => {
            let pending = Pending::find(&app, &browser, &handle).await?;
            match pending.next(&app, &browser).await? {
                Next::SignIn | Next::ChooseSite => Ok(page(&browser, Some(&pending), String::new(), None)),
                next => go_on(&app, &browser, &pending, next).await,
            }
        }
        None if browser.signed_in.is_some() => Ok(see_other("/account")),
        None if browser.choosing_password.is_some() => Ok(see_other("/password")),
        None => Ok(page(&browser, None, String::new(), None)),
    }
}

pub async fn submit(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let (browser, form) = form(&app, request).await?;
    let pending = match form.get("request") {
        Some(handle) => Some(Pending::find(&app, &browser, handle).await?),
        None => None,
    };
    let email = form.get("email").unwrap_or_default().trim().to_lowercase();
    let is_known = is_known_browser(&app.context, browser.known_digest(), &email).await?;
    let known = browser.known_digest().filter(|_| is_known);
    let counted = match Attempt::begin(&app.limits, browser.address(), &email, known) {
        Ok(counted) => counted,
        Err(refusal) => {
            app.metrics.login("limited");
            app.metrics.refused(refusal.class.name());
            tracing::warn!(reference = browser.reference(), "too many attempts to sign in");
            let failure = LoginFailure::TooMany { seconds: refusal.reset };
            return Ok(page(&browser, pending.as_ref(), email, Some(failure)));
        }
    };
    let outcome = attempt(&app, &browser, &form, &email, is_known).await;
    if !matches!(outcome, Err(SignInError::Refused)) {
        counted.give_back();
    }
    match outcome {
        Ok(made) => Ok(signed_in(&app, &browser, pending.as_ref(), &made)),
        Err(SignInError::Refused) => {
            app.metrics.login("refused");
            // Not to whom: what is typed there may be a password.
            tracing::warn!(reference = browser.reference(), "an attempt to sign in was refused");
            Ok(page(&browser, pending.as_ref(), email, Some(LoginFailure::WrongCredentials)))
        }
        Err(SignInError::Busy(_)) => Ok(page(&browser, pending.as_ref(), email, Some(LoginFailure::Busy))),
        Err(SignInError::Db(cause)) => Err(cause.into()),
    }
}

pub async fn sign_out_here(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let (browser, form) = form(&app, request).await?;
    if let Some(signed_in) = browser.session() {
        sign_out(&app.context, signed_in.session.id, signed_in.user.id).await?;
    }
    let answer = match form.get("request") {
        // Somebody else wants to answer the request.
        Some(handle) => see_other(&format!("/login?request={}", percent_encoded(handle))),
        None => crate::http::views::SignedOutPage.render(browser.language),
    };
    Ok(browser.without_session(answer))
}

/// A handle is base64url; whatever else was sent leads nowhere.
fn percent_encoded(handle: &str) -> String {
    form_urlencoded::byte_serialize(handle.as_bytes()).collect()
}

async fn attempt(
    app: &App,
    browser: &Browser,
    form: &Parameters,
    email: &str,
    is_known: bool,
) -> Result<SignedIn, SignInError> {
    let attempt = SigningIn {
        email,
        password: Secret::new(form.get("password").unwrap_or_default().to_owned()),
        user_agent: &browser.user_agent,
        address: browser.address(),
        replaces: browser.session().map(|signed_in| (signed_in.session.id, signed_in.user.id)),
        browser: browser.known_digest(),
        is_known,
    };
    sign_in(&app.context, attempt).await
}

/// On to what the browser came for, with a session that nobody could have planted (RFC 6819 section 4.4.1.10).
fn signed_in(app: &App, browser: &Browser, pending: Option<&Pending>, made: &SignedIn) -> Response {
    app.metrics.login("ok");
    let to = match pending {
        Some(pending) => format!("/consent?request={}", pending.handle.expose()),
        None => "/account".to_owned(),
    };
    let answer = browser.with_session(see_other(&to), &made.session);
    browser.with_known_browser(answer, &made.known_browser)
}

fn page(browser: &Browser, pending: Option<&Pending>, email: String, failure: Option<LoginFailure>) -> Response {
    let hint = pending.and_then(|pending| pending.stored.request.login_hint.clone());
    let page = LoginPage {
        request: pending.map(|pending| pending.handle.expose().to_owned()),
        csrf: browser.csrf(),
        email: if email.is_empty() { hint.unwrap_or_default() } else { email },
        app: pending.map(Pending::app_name),
        failure,
    };
    browser.bound(page.render(pending.map_or(browser.language, |pending| pending.language(browser))))
}
