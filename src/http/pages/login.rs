//! `GET` and `POST /login`, `POST /logout`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::actions::authorize::next_step::NextStep;
use crate::actions::sign_in::{SignedIn, sign_out};
use crate::app::App;
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::extract::{PageForm, PageQuery, RequestHandle};
use crate::http::oauth::authorize::flow::Flow;
use crate::http::pages::sign_in_attempt::{SignInOutcome, attempt_sign_in};
use crate::http::redirect::see_other;
use crate::http::views::{LoginFailure, LoginPage};
use crate::rules::authorization::next_step::Interaction;
use crate::rules::client::ClientId;
use crate::rules::secret::Secret;
use crate::rules::syntax::parameters::Parameters;

/// Where a user who signs in without an authorization request goes. The form has an id, never a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnTo {
    Account,
    Tiles,
    Tile(ClientId),
}

const TILES: &str = "all";

impl ReturnTo {
    fn parse(parameters: &Parameters) -> Self {
        match parameters.get("connect") {
            Some(TILES) => Self::Tiles,
            Some(text) => ClientId::parse(text).map_or(Self::Account, Self::Tile),
            None => Self::Account,
        }
    }

    /// The value of the parameter `connect`.
    fn parameter(self) -> Option<String> {
        match self {
            Self::Account => None,
            Self::Tiles => Some(TILES.to_owned()),
            Self::Tile(id) => Some(id.to_string()),
        }
    }

    pub fn login_url(self) -> String {
        let connect = self.parameter();
        connect.map_or_else(|| "/login".to_owned(), |value| format!("/login?connect={value}"))
    }

    fn url(self) -> String {
        match self {
            Self::Account => "/account".to_owned(),
            Self::Tiles => "/connect".to_owned(),
            Self::Tile(id) => format!("/connect/{id}"),
        }
    }
}

pub async fn show(
    State(app): State<Arc<App>>,
    browser: Browser,
    RequestHandle(handle): RequestHandle,
    PageQuery(query): PageQuery,
) -> Result<Response, PageError> {
    let to = ReturnTo::parse(&query);
    match handle {
        Some(handle) => {
            let flow = Flow::find(&app, &browser, &handle).await?;
            match flow.next_step().await? {
                NextStep::SignIn | NextStep::ChooseSite => {
                    Ok(page(&browser, Continuing::With(&flow), String::new(), None))
                }
                step => flow.go_to(step).await,
            }
        }
        None if browser.signed_in.is_some() => Ok(see_other(&to.url())),
        None if browser.choosing_password.is_some() => Ok(see_other("/password")),
        None => Ok(page(&browser, Continuing::To(to), String::new(), None)),
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
    let continuing = match &flow {
        Some(flow) => Continuing::With(flow),
        None => Continuing::To(ReturnTo::parse(&form)),
    };
    let email = form.get("email").unwrap_or_default().trim().to_lowercase();
    let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
    match attempt_sign_in(&app, &browser, &email, password).await? {
        SignInOutcome::SignedIn(made) => Ok(signed_in(&browser, continuing, &made)),
        SignInOutcome::Failed(failure) => Ok(page(&browser, continuing, email, Some(failure))),
    }
}

pub async fn sign_out_here(
    State(app): State<Arc<App>>,
    PageForm { browser, form }: PageForm,
) -> Result<Response, PageError> {
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

/// Continues the pending request, or opens the account, with a new session. A session that an
/// attacker planted is never reused (RFC 6819 section 4.4.1.10).
fn signed_in(browser: &Browser, continuing: Continuing<'_>, made: &SignedIn) -> Response {
    let next = match continuing {
        Continuing::With(flow) => flow.to_page(Interaction::Consent),
        Continuing::To(to) => see_other(&to.url()),
    };
    let answer = browser.with_session(next, &made.session);
    browser.with_known_browser(answer, &made.known_browser)
}

/// What follows after the user has signed in.
#[derive(Clone, Copy)]
enum Continuing<'a> {
    With(&'a Flow<'a>),
    To(ReturnTo),
}

fn page(
    browser: &Browser,
    continuing: Continuing<'_>,
    email: String,
    failure: Option<LoginFailure>,
) -> Response {
    let (flow, to) = match continuing {
        Continuing::With(flow) => (Some(flow), ReturnTo::Account),
        Continuing::To(to) => (None, to),
    };
    let hint = flow.and_then(|flow| flow.pending.request.login_hint.clone());
    let page = LoginPage {
        request: flow.map(|flow| flow.pending.handle.expose().to_owned()),
        connect: to.parameter(),
        csrf: browser.csrf(),
        email: if email.is_empty() { hint.unwrap_or_default() } else { email },
        app: flow.map(Flow::app_name),
        failure,
    };
    browser.bound(page.render(flow.map_or(browser.language, Flow::language)))
}
