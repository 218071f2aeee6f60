//! Somebody signs in at a browser, or out of one, or changes the password they sign in with.

use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::conflict::again_after_conflict;
use super::create_user::has_length;
use super::set_password::set_password;
use super::{By, Context, Issuer, UserError};
use crate::db::users::{self, User};
use crate::db::{DbError, sessions};
use crate::oauth::{SessionId, UserId};
use crate::passwords::Busy;
use crate::sealing::same;
use crate::secret::Secret;

/// An attempt.
#[derive(Debug)]
pub struct SigningIn<'a> {
    pub email: &'a str,
    pub password: Secret,
    pub user_agent: &'a str,
    pub address: Option<IpAddr>,
    /// The session that the browser had before.
    pub replaces: Option<(SessionId, UserId)>,
}

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Which of address, password and account is wrong is never told.
    #[error("e-mail address or password are wrong")]
    Refused,
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The session's secret, drawn now: one that was planted in the browser before is worth nothing. Whether there is such an
/// account or not, the same work is done.
pub async fn sign_in(context: &Context, attempt: SigningIn<'_>) -> Result<Secret, SignInError> {
    let (user, hash) = users::find_for_login(&context.db, attempt.email).await?.unzip();
    let matches = context.passwords.verify(attempt.password, hash.clone()).await?;
    let user = user.filter(|user| matches && user.disabled_at.is_none()).ok_or(SignInError::Refused)?;
    let secret = context.random.token("");
    let session = sessions::NewSession {
        id: SessionId(context.new_id()),
        digest: secret.digest(),
        user_id: user.id,
        now: context.clock.now(),
        user_agent: attempt.user_agent,
        address: attempt.address,
    };
    // Only while the password is the one that was checked: it may have been set anew meanwhile, since somebody knew it.
    let hash = hash.unwrap_or_default();
    let insert = || sessions::insert_while_password_is(&context.db, &session, &hash);
    if !again_after_conflict(context, insert).await? {
        return Err(SignInError::Refused);
    }
    if let Some((replaced, whose)) = attempt.replaces {
        sessions::delete(&context.db, replaced, whose).await?;
    }
    tracing::info!(user.id = %user.id, session.id = %session.id, "signed in");
    Ok(secret)
}

/// Ends one session of a person.
pub async fn sign_out(context: &Context, id: SessionId, user_id: UserId) -> Result<bool, DbError> {
    sessions::delete(&context.db, id, user_id).await
}

pub async fn end_other_sessions(context: &Context, user_id: UserId, keep: SessionId) -> Result<u64, DbError> {
    sessions::delete_all(&context.db, user_id, Some(keep)).await
}

#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("the present password is wrong")]
    WrongPassword,
    #[error("a password needs 8 to 1024 characters")]
    Length,
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// All other sessions end: whoever has stolen one must not keep it.
pub async fn change_password(
    context: &Context,
    user: &User,
    keep: SessionId,
    current: Secret,
    new: Secret,
    by: &By,
) -> Result<(), ChangePasswordError> {
    if !has_length(&new) {
        return Err(ChangePasswordError::Length);
    }
    let hash = users::find_password_hash(&context.db, user.id).await?;
    if !context.passwords.verify(current, hash).await? {
        return Err(ChangePasswordError::WrongPassword);
    }
    match set_password(context, &user.email, Some(new), Some(keep), by).await {
        Ok(_) => Ok(()),
        Err(UserError::Db(cause)) => Err(ChangePasswordError::Db(cause)),
        Err(UserError::PasswordLength) => Err(ChangePasswordError::Length),
        Err(UserError::Password(_)) => Err(ChangePasswordError::Busy(Busy)),
        Err(UserError::NoSuchUser(_)) => Err(ChangePasswordError::WrongPassword),
    }
}

/// What a browser keeps in which an account has signed in: it tells the owner from those who guess. Made from the ring, so
/// that nothing is stored, and worth nothing without the password.
pub fn device_for(issuer: &Issuer, email: &str) -> Secret {
    let mac = issuer.ring.newest().mac("device", email.as_bytes());
    Secret::new(BASE64_URL_SAFE_NO_PAD.encode(mac))
}

pub fn is_device_of(issuer: &Issuer, device: &Secret, email: &str) -> bool {
    let Ok(presented) = BASE64_URL_SAFE_NO_PAD.decode(device.expose()) else { return false };
    issuer.ring.keys().any(|key| same(&key.mac("device", email.as_bytes()), &presented))
}
