//! `GET` and `POST /login`, `POST /logout`. `http/middleware/attempts.rs` limits the attempts.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use crate::actions::sign_in::{SignInAttempt, SignInError, SignedIn, is_known_browser, sign_in, sign_out};
use crate::app::App;
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::middleware::attempts::Attempt;
use crate::http::oauth::authorize::continue_flow;
use crate::http::oauth::pending::{Next, Pending, see_other};
use crate::http::pages::{read_browser, read_form, request_handle};
use crate::http::views::{LoginFailure, LoginPage};
use crate::rules::syntax::parameters::Parameters;
use crate::secret::Secret;

pub async fn show(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let browser = read_browser(&app, &request).await?;
    match request_handle(&request)? {
        Some(handle) => {
            let pending = Pending::find(&app, &browser, &handle).await?;
            match pending.next(&app, &browser).await? {
                Next::SignIn | Next::ChooseSite => Ok(page(&browser, Some(&pending), String::new(), None)),
                next => continue_flow(&app, &browser, &pending, next).await,
            }
        }
        None if browser.signed_in.is_some() => Ok(see_other("/account")),
        None if browser.choosing_password.is_some() => Ok(see_other("/password")),
        None => Ok(page(&browser, None, String::new(), None)),
    }
}

pub async fn submit(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let (browser, form) = read_form(&app, request).await?;
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
            tracing::warn!(reference = browser.reference(), "too many sign-in attempts");
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
            // The log has no email address: people sometimes type their password into that field.
            tracing::warn!(reference = browser.reference(), "sign-in refused");
            Ok(page(&browser, pending.as_ref(), email, Some(LoginFailure::WrongCredentials)))
        }
        Err(SignInError::Busy(_)) => Ok(page(&browser, pending.as_ref(), email, Some(LoginFailure::Busy))),
        Err(SignInError::Db(cause)) => Err(cause.into()),
    }
}

pub async fn sign_out_here(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let (browser, form) = read_form(&app, request).await?;
    if let Some(signed_in) = browser.session() {
        sign_out(&app.context, signed_in.session.id, signed_in.user.id).await?;
    }
    let answer = match form.get("request") {
        // The user chose "Not you?", so someone else continues the pending request.
        Some(handle) => see_other(&format!("/login?request={}", percent_encoded(handle))),
        None => crate::http::views::SignedOutPage.render(browser.language),
    };
    Ok(browser.without_session(answer))
}

/// Real handles are base64url. Any other value is escaped and then matches no request.
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
    let attempt = SignInAttempt {
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

/// Continues the pending request, or opens the account, with a new session. A session that an
/// attacker planted is never reused (RFC 6819 section 4.4.1.10).
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
