//! Takes every access from a person at once, in all organisations.

use serde_json::json;

use super::audit::{self, Change};
use super::create_user::parse_email;
use super::{By, Context};
use crate::db::{DbError, OperatorCache, Tx, grants, memberships, sessions, users};
use crate::oauth::{GrantId, OrgId, Timestamp, UserId};
use crate::passwords::HashError;

#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("there is no user {0}; `grantor user list` shows all")]
    NoSuchUser(String),
    #[error("a password needs 8 to 1024 characters")]
    PasswordLength,
    #[error(transparent)]
    Password(#[from] HashError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Their application keys stop as revoked keys do; all that they authorised ends, and every browser of theirs is signed out.
/// Disabling twice is fine.
pub async fn disable_user(context: &Context, operators: &OperatorCache, email: &str, by: &By) -> Result<(), UserError> {
    let no_such_user = || UserError::NoSuchUser(email.escape_debug().to_string());
    let address = parse_email(email).map_err(|_| no_such_user())?;
    let mut tx = context.db.begin().await?;
    let user = users::find_by_email(&mut tx, &address).await?.ok_or_else(no_such_user)?;
    let now = context.clock.now();
    if users::disable(&mut tx, user.id, now).await? {
        take_everything(context, &mut tx, user.id, now, by).await?;
    }
    let committed = tx.commit().await;
    // Also where the outcome is unknown: it may have been revoked.
    operators.forget_all();
    Ok(committed?)
}

async fn take_everything(
    context: &Context,
    tx: &mut Tx,
    user_id: UserId,
    now: Timestamp,
    by: &By,
) -> Result<(), DbError> {
    let (grants, orgs): (Vec<GrantId>, Vec<OrgId>) = grants::ids_of_user(tx, user_id).await?.into_iter().unzip();
    grants::end(tx, &grants, now).await?;
    let sessions = sessions::delete_all(&mut *tx, user_id, None).await?;
    let subject = format!("user:{user_id}");
    for org_id in memberships::list_orgs(&mut *tx, user_id).await? {
        let ended = orgs.iter().filter(|of| **of == org_id).count();
        let after = Some(json!({"disabled_at": now, "grants_ended": ended, "sessions_ended": sessions}));
        let change = Change { org_id, action: "user.disabled", subject: &subject, before: None, after };
        audit::record(context, tx, by, change).await?;
    }
    Ok(())
}
