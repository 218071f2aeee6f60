//! Takes every access from a person at once, in all organisations.

use serde_json::json;

use super::audit::{self, Change};
use super::create_user::parse_email;
use super::{By, Context};
use crate::db::{DbError, OperatorCache, memberships, users};
use crate::secret::PasswordError;

#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("there is no user {0}; `grantor user list` shows all")]
    NoSuchUser(String),
    #[error("a password needs 8 to 1024 characters")]
    PasswordLength,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Their application keys stop as revoked keys do. Disabling twice is fine.
pub async fn disable_user(context: &Context, operators: &OperatorCache, email: &str, by: &By) -> Result<(), UserError> {
    let no_such_user = || UserError::NoSuchUser(email.escape_debug().to_string());
    let address = parse_email(email).map_err(|_| no_such_user())?;
    let mut tx = context.db.begin().await?;
    let user = users::find_by_email(&mut tx, &address).await?.ok_or_else(no_such_user)?;
    let now = context.clock.now();
    if users::disable(&mut tx, user.id, now).await? {
        let subject = format!("user:{}", user.id);
        for org_id in memberships::list_orgs(&mut tx, user.id).await? {
            let after = Some(json!({"disabled_at": now}));
            let change = Change { org_id, action: "user.disabled", subject: &subject, before: None, after };
            audit::record(context, &mut tx, by, change).await?;
        }
    }
    let committed = tx.commit().await;
    // Also where the outcome is unknown: it may have been revoked.
    operators.forget_all();
    Ok(committed?)
}
