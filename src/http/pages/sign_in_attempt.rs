//! A sign-in attempt from a page, with its limits and its log lines.
//! `http/middleware/sign_in_attempts.rs` limits the attempts.

use crate::actions::sign_in::{SignInAttempt, SignInError, SignedIn, is_known_browser, sign_in};
use crate::app::App;
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::middleware::sign_in_attempts::Attempt;
use crate::http::views::LoginFailure;
use crate::rules::secret::Secret;

pub enum SignInOutcome {
    SignedIn(SignedIn),
    Failed(LoginFailure),
}

/// `email` is in lower case.
pub async fn attempt_sign_in(
    app: &App,
    browser: &Browser,
    email: &str,
    password: Secret,
) -> Result<SignInOutcome, PageError> {
    let is_known = is_known_browser(&app.context, browser.known_digest(), email).await?;
    let known = browser.known_digest().filter(|_| is_known);
    let counted = match Attempt::begin(&app.limits, browser.address(), email, known) {
        Ok(counted) => counted,
        Err(refusal) => {
            app.metrics.login("limited");
            app.metrics.refused(refusal.class.name());
            tracing::warn!(reference = browser.reference(), "too many sign-in attempts");
            return Ok(SignInOutcome::Failed(LoginFailure::TooMany { seconds: refusal.reset }));
        }
    };
    let attempt = SignInAttempt {
        email,
        password,
        user_agent: &browser.user_agent,
        address: browser.address(),
        replaces: browser.session().map(|signed_in| (signed_in.session.id, signed_in.user.id)),
        browser: browser.known_digest(),
        is_known,
    };
    let outcome = sign_in(&app.context, attempt).await;
    if !matches!(outcome, Err(SignInError::Refused)) {
        counted.give_back();
    }
    match outcome {
        Ok(made) => {
            app.metrics.login("ok");
            Ok(SignInOutcome::SignedIn(made))
        }
        Err(SignInError::Refused) => {
            app.metrics.login("refused");
            // The log has no email address: people sometimes type their password into that field.
            tracing::warn!(reference = browser.reference(), "sign-in refused");
            Ok(SignInOutcome::Failed(LoginFailure::WrongCredentials))
        }
        Err(SignInError::Busy(_)) => Ok(SignInOutcome::Failed(LoginFailure::Busy)),
        Err(SignInError::Db(cause)) => Err(cause.into()),
    }
}
