//! Signs users in and out of a browser, and changes their passwords.

pub mod audit_refused;
pub mod set_password;

use std::net::IpAddr;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::sign_in::set_password::{KeptSession, NewPassword, set_password};
use crate::actions::users::disable_user::UserError;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::users;
use crate::db::users::{User, known_browsers, sessions, sign_in_failures};
use crate::passwords::{AttemptSource, Busy};
use crate::rules::id::{SessionId, UserId};
use crate::rules::identity::password::PasswordError;
use crate::rules::secret::{Digest, Secret};

/// How long a browser is known after an account last signed in with it, in seconds: half a year.
pub const KNOWN_FOR: i64 = 182 * 86_400;

#[derive(Debug)]
pub struct SignInAttempt<'a> {
    pub email: &'a str,
    pub password: Secret,
    pub user_agent: &'a str,
    pub address: Option<IpAddr>,
    /// The session that the browser had before.
    pub replaces: Option<(SessionId, UserId)>,
    /// The cookie by which the browser may be known.
    pub browser: Option<Digest>,
    /// Whether the account has signed in with this browser before: [`is_known_browser`].
    pub is_known: bool,
}

/// The cookies that the browser keeps.
#[derive(Debug)]
pub struct SignedIn {
    pub session: Secret,
    pub known_browser: Secret,
}

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The error never reveals whether the address, the password or the account is wrong.
    #[error("wrong email address or password")]
    Refused,
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Whether the account with this address has signed in with the browser before.
pub async fn is_known_browser(
    context: &Context,
    browser: Option<Digest>,
    email: &str,
) -> Result<bool, DbError> {
    match browser {
        Some(browser) => {
            known_browsers::is_known(
                &context.db,
                browser,
                email,
                context.clock.now().minus(KNOWN_FOR),
            )
            .await
        }
        None => Ok(false),
    }
}

/// Signs a user in. Both cookies are new, so planting one in the browser beforehand has no effect.
/// The work is the same whether or not the account exists.
pub async fn sign_in(
    context: &Context,
    attempt: SignInAttempt<'_>,
) -> Result<SignedIn, SignInError> {
    let (user, hash) = users::find_for_login(&context.db, attempt.email).await?.unzip();
    let source =
        if attempt.is_known { AttemptSource::KnownBrowser } else { AttemptSource::Stranger };
    let matches = context.passwords.verify(attempt.password.clone(), hash.clone(), source).await?;
    let account = user.as_ref().map(|user| user.id);
    let Some(user) = user.filter(|user| matches && user.disabled_at.is_none()) else {
        sign_in_failures::record(&context.db, account, context.clock.now()).await?;
        return Err(SignInError::Refused);
    };
    let signed_in =
        SignedIn { session: context.random.token(""), known_browser: context.random.token("") };
    let session = sessions::NewSession {
        id: SessionId(context.new_id()),
        digest: signed_in.session.digest(),
        user_id: user.id,
        now: context.clock.now(),
        user_agent: attempt.user_agent,
        address: attempt.address,
    };
    let known_browser = signed_in.known_browser.digest();
    let hash = hash.unwrap_or_default();
    let begin = context
        .transact("sign_in", |tx| Box::pin(begin(tx, &session, &hash, known_browser, &attempt)));
    let begun = begin.await?;
    if !begun {
        return Err(SignInError::Refused);
    }
    tracing::info!(user.id = %user.id, session.id = %session.id, "signed in");
    Ok(signed_in)
}

/// Stores the session only if the password is still the one that was checked. The user may have
/// changed it in the meantime, because it was stolen.
async fn begin(
    tx: &mut Tx,
    session: &sessions::NewSession<'_>,
    hash: &str,
    known_browser: Digest,
    attempt: &SignInAttempt<'_>,
) -> Result<bool, DbError> {
    if !sessions::insert_if_password_is(&mut *tx, session, hash).await? {
        return Ok(false);
    }
    if let Some(before) = attempt.browser {
        known_browsers::replace(tx, before, known_browser).await?;
    }
    known_browsers::remember(tx, known_browser, session.user_id, session.now).await?;
    if let Some((replaced, user_id)) = attempt.replaces {
        sessions::delete(&mut *tx, replaced, user_id).await?;
    }
    Ok(true)
}

/// Ends one session of a user.
pub async fn sign_out(context: &Context, id: SessionId, user_id: UserId) -> Result<bool, DbError> {
    sessions::delete(&context.db, id, user_id).await
}

pub async fn end_other_sessions(
    context: &Context,
    user_id: UserId,
    keep: SessionId,
) -> Result<u64, DbError> {
    sessions::delete_all(&context.db, user_id, Some(keep)).await
}

#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("the current password is wrong")]
    WrongPassword,
    #[error("the new password is the current one: choose another")]
    Same,
    #[error(transparent)]
    Weak(#[from] PasswordError),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<UserError> for ChangePasswordError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Db(cause) => Self::Db(cause),
            UserError::Weak(cause) => Self::Weak(cause),
            UserError::Password(_) => Self::Busy(Busy),
            UserError::NoSuchUser(_) => Self::WrongPassword,
        }
    }
}

/// A signed-in user and their browser.
#[derive(Clone, Copy, Debug)]
pub struct AtBrowser<'a> {
    pub user: &'a User,
    pub session: SessionId,
    /// The cookie by which the browser may be known.
    pub browser: Option<Digest>,
}

/// A new password, and the current one as proof.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    pub current: Secret,
    pub new: Secret,
    /// Whether all grants of the user are revoked too.
    pub end_grants: bool,
}

/// Changes the password. All other sessions end and all known browsers are forgotten, since one of
/// them may be stolen. Returns the cookie by which this browser is known from now on.
pub async fn change_password(
    context: &Context,
    at: AtBrowser<'_>,
    change: PasswordChange,
    by: &AuditActor,
) -> Result<Secret, ChangePasswordError> {
    let PasswordChange { current, new, end_grants } = change;
    let hash = users::find_password_hash(&context.db, at.user.id).await?;
    if !context.passwords.verify(current, hash, AttemptSource::KnownBrowser).await? {
        return Err(ChangePasswordError::WrongPassword);
    }
    replace(context, at, new, end_grants, by).await
}

/// Replaces a password that the server generated and that the user has just signed in with.
pub async fn choose_password(
    context: &Context,
    at: AtBrowser<'_>,
    new: Secret,
    by: &AuditActor,
) -> Result<Secret, ChangePasswordError> {
    let hash = users::find_password_hash(&context.db, at.user.id).await?;
    if context.passwords.verify(new.clone(), hash, AttemptSource::KnownBrowser).await? {
        return Err(ChangePasswordError::Same);
    }
    replace(context, at, new, false, by).await
}

async fn replace(
    context: &Context,
    at: AtBrowser<'_>,
    new: Secret,
    end_grants: bool,
    by: &AuditActor,
) -> Result<Secret, ChangePasswordError> {
    let known_browser = context.random.token("");
    let keep = KeptSession {
        session: at.session,
        browser: at.browser,
        known_browser: known_browser.digest(),
    };
    let new = NewPassword { password: Some(new), keep: Some(keep), end_grants };
    set_password(context, &at.user.email, new, by).await?;
    Ok(known_browser)
}
