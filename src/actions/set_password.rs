//! A new password for a person, chosen or made here. Whoever was signed in with the old one is signed out.

use serde_json::json;

use super::audit::{self, Change};
use super::create_user::{HashedPassword, has_length, parse_email};
use super::disable_user::UserError;
use super::{By, Context};
use crate::db::{memberships, sessions, users};
use crate::oauth::SessionId;
use crate::secret::Secret;

/// Returns the password where it was made here: shown once. `keep` is the browser in which the person asks for it.
pub async fn set_password(
    context: &Context,
    email: &str,
    password: Option<Secret>,
    keep: Option<SessionId>,
    by: &By,
) -> Result<Option<Secret>, UserError> {
    let no_such_user = || UserError::NoSuchUser(email.escape_debug().to_string());
    let address = parse_email(email).map_err(|_| no_such_user())?;
    if password.as_ref().is_some_and(|password| !has_length(password)) {
        return Err(UserError::PasswordLength);
    }
    let HashedPassword { made, hash } = HashedPassword::new(context, password).await?;

    let mut tx = context.db.begin().await?;
    let user = users::find_by_email(&mut tx, &address).await?.ok_or_else(no_such_user)?;
    users::update_password_hash(&mut tx, user.id, &hash).await?;
    let sessions = sessions::delete_all(&mut tx, user.id, keep).await?;
    let subject = format!("user:{}", user.id);
    for org_id in memberships::list_orgs(&mut tx, user.id).await? {
        let after = Some(json!({"made_by_server": made.is_some(), "sessions_ended": sessions}));
        let change = Change { org_id, action: "user.password_set", subject: &subject, before: None, after };
        audit::record(context, &mut tx, by, change).await?;
    }
    tx.commit().await?;
    Ok(made)
}
