//! `GET` and `POST /invitation/{token}`: an invited person joins an organization. A new person
//! chooses a password, and the owner of an account signs in with it first and then accepts. GET
//! changes nothing.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use axum::response::Response;

use crate::actions::people::accept::{
    AcceptError, ShownInvitation, accept_as_new_user, accept_as_user, find_invitation,
};
use crate::app::App;
use crate::http::error::PageError;
use crate::http::extract::PageForm;
use crate::http::extract::browser::{Browser, SignedIn};
use crate::http::pages::sign_in_attempt::{SignInOutcome, attempt_sign_in};
use crate::http::redirect::see_other;
use crate::http::views::{InvitationGonePage, InvitationPage, InvitationStep, PasswordFailure};
use crate::passwords::HashError;
use crate::rules::identity::invitation_link::INVITATION_PATH;
use crate::rules::secret::Secret;

/// The token in the path. Longer ones cannot be valid and are not looked up.
pub struct Token(Secret);

const MAX_TOKEN_LEN: usize = 64;

impl<S: Send + Sync> FromRequestParts<S> for Token {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| PageError::NotFound)?;
        let text = params.iter().next().map(|(_, text)| text).unwrap_or_default();
        let is_plausible = (1..=MAX_TOKEN_LEN).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        match is_plausible {
            true => Ok(Self(Secret::new(text.to_owned()))),
            false => Err(PageError::NotFound),
        }
    }
}

pub async fn show(
    State(app): State<Arc<App>>,
    browser: Browser,
    Token(token): Token,
) -> Result<Response, PageError> {
    match find_invitation(&app.context, &token).await? {
        Some(shown) => {
            let step = step(&browser, &shown);
            Ok(page(&browser, &token, shown, step))
        }
        None => Ok(gone(&browser)),
    }
}

/// The step that the person has to take next.
fn step(browser: &Browser, shown: &ShownInvitation) -> InvitationStep {
    match browser.session() {
        Some(signed_in) if signed_in.user.email == shown.invitation.email => InvitationStep::Accept,
        Some(signed_in) => InvitationStep::OtherAccount(signed_in.user.email.clone()),
        None if shown.has_account => InvitationStep::SignIn(None),
        None => InvitationStep::ChoosePassword(None),
    }
}

/// The form of the step that the page shows.
pub async fn accept(
    State(app): State<Arc<App>>,
    Token(token): Token,
    PageForm { browser, form }: PageForm,
) -> Result<Response, PageError> {
    let Some(shown) = find_invitation(&app.context, &token).await? else {
        return Ok(gone(&browser));
    };
    let field = |name| Secret::new(form.get(name).unwrap_or_default().to_owned());
    match step(&browser, &shown) {
        InvitationStep::Accept => match browser.session() {
            Some(signed_in) => join_as(&app, &browser, &token, signed_in).await,
            None => Ok(to_page(&token)),
        },
        InvitationStep::SignIn(_) => {
            sign_in(&app, &browser, &token, shown, field("password")).await
        }
        InvitationStep::ChoosePassword(_) => {
            create_account(&app, &browser, &token, shown, field("new")).await
        }
        step @ InvitationStep::OtherAccount(_) => Ok(page(&browser, &token, shown, step)),
    }
}

async fn join_as(
    app: &App,
    browser: &Browser,
    token: &Secret,
    signed_in: &SignedIn,
) -> Result<Response, PageError> {
    match accept_as_user(&app.context, token, &signed_in.user, &browser.by()).await {
        Ok(()) => Ok(see_other("/account")),
        Err(error) => otherwise(browser, token, error),
    }
}

/// The owner of the account signs in, and then the page asks whether they accept.
async fn sign_in(
    app: &App,
    browser: &Browser,
    token: &Secret,
    shown: ShownInvitation,
    password: Secret,
) -> Result<Response, PageError> {
    match attempt_sign_in(app, browser, &shown.invitation.email, password).await? {
        SignInOutcome::SignedIn(made) => {
            let answer = browser.with_session(to_page(token), &made.session);
            Ok(browser.with_known_browser(answer, &made.known_browser))
        }
        SignInOutcome::Failed(failure) => {
            Ok(page(browser, token, shown, InvitationStep::SignIn(Some(failure))))
        }
    }
}

async fn create_account(
    app: &App,
    browser: &Browser,
    token: &Secret,
    shown: ShownInvitation,
    password: Secret,
) -> Result<Response, PageError> {
    let by = browser.by();
    let email = match accept_as_new_user(&app.context, token, password.clone(), &by).await {
        Ok(email) => email,
        Err(AcceptError::Weak(cause)) => {
            let step = InvitationStep::ChoosePassword(Some(PasswordFailure::Weak(cause)));
            return Ok(page(browser, token, shown, step));
        }
        Err(error) => return otherwise(browser, token, error),
    };
    match attempt_sign_in(app, browser, &email, password).await? {
        SignInOutcome::SignedIn(made) => {
            let answer = browser.with_session(see_other("/account"), &made.session);
            Ok(browser.with_known_browser(answer, &made.known_browser))
        }
        SignInOutcome::Failed(_) => Ok(see_other("/login")),
    }
}

/// If the state changed since the page was shown, the page shows the new one.
fn otherwise(browser: &Browser, token: &Secret, error: AcceptError) -> Result<Response, PageError> {
    match error {
        AcceptError::NoSuchInvitation => Ok(gone(browser)),
        AcceptError::HasAccount | AcceptError::OtherAccount | AcceptError::Weak(_) => {
            Ok(to_page(token))
        }
        AcceptError::Password(HashError::Busy(_)) => Err(PageError::Busy),
        AcceptError::Password(HashError::Password(_)) => Err(PageError::Internal),
        AcceptError::Db(cause) => Err(cause.into()),
    }
}

fn to_page(token: &Secret) -> Response {
    see_other(&path(token))
}

fn path(token: &Secret) -> String {
    format!("{INVITATION_PATH}{}", token.expose())
}

fn gone(browser: &Browser) -> Response {
    browser.bound(InvitationGonePage.render(browser.language))
}

fn page(
    browser: &Browser,
    token: &Secret,
    shown: ShownInvitation,
    step: InvitationStep,
) -> Response {
    let page = InvitationPage {
        action: path(token),
        csrf: browser.csrf(),
        org_name: shown.org_name,
        role: shown.invitation.role,
        invited_by: shown.invited_by,
        email: shown.invitation.email,
        step,
    };
    browser.bound(page.render(browser.language))
}
