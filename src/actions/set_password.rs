//! A new password for a person, chosen or made here.

use serde_json::json;

use super::audit::{self, Change};
use super::create_user::{parse_email, parse_password};
use super::disable_user::UserError;
use super::{By, Context};
use crate::db::{memberships, users};
use crate::secret::{Secret, hash_password};

/// Returns the password where it was made here: shown once.
pub async fn set_password(
    context: &Context,
    email: &str,
    password: Option<Secret>,
    by: &By,
) -> Result<Option<Secret>, UserError> {
    let no_such_user = || UserError::NoSuchUser(email.escape_debug().to_string());
    let address = parse_email(email).map_err(|_| no_such_user())?;
    let made = password.is_none().then(|| context.random.password());
    let chosen = parse_password(made.as_ref().or(password.as_ref())).map_err(|_| UserError::PasswordLength)?;
    let hash = hash_password(chosen, &context.random)?;

    let mut tx = context.db.begin().await?;
    let user = users::find_by_email(&mut tx, &address).await?.ok_or_else(no_such_user)?;
    users::update_password_hash(&mut tx, user.id, &hash).await?;
    let subject = format!("user:{}", user.id);
    for org_id in memberships::list_orgs(&mut tx, user.id).await? {
        let after = Some(json!({"made_by_server": made.is_some()}));
        let change = Change { org_id, action: "user.password_set", subject: &subject, before: None, after };
        audit::record(context, &mut tx, by, change).await?;
    }
    tx.commit().await?;
    Ok(made)
}
