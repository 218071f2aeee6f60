//! Disables a user in all organizations, which revokes all their access, or enables them again.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::{RevokedAccess, RevokedGrants};
use crate::actions::users::create_user::parse_email;
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::engine::DbHandle;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::grants::revocations;
use crate::db::keys::callers::CallerCache;
use crate::db::orgs::memberships;
use crate::db::users::{User, sessions};
use crate::db::{grants, users};
use crate::passwords::HashError;
use crate::rules::id::UserId;
use crate::rules::identity::password::PasswordError;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::RevocationCause;

#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("there is no user {0}; `grantor user list` lists all users")]
    NoSuchUser(String),
    #[error(transparent)]
    Weak(#[from] PasswordError),
    #[error(transparent)]
    Password(#[from] HashError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The user's application keys stop working, their grants are revoked, and every browser is signed
/// out. Disabling a user twice is fine.
pub async fn disable_user(
    context: &Context,
    callers: &CallerCache,
    email: &str,
    by: &AuditActor,
) -> Result<RevokedAccess, UserError> {
    let disabled = context
        .transact("user.disable", |tx| {
            Box::pin(async move {
                let user = find_user(&mut *tx, email).await?;
                let now = context.clock.now();
                let mut access = RevokedAccess::default();
                if users::disable(&mut *tx, user.id, now).await? {
                    access = take_everything(context, tx, user.id, now, by).await?;
                }
                Ok(access)
            })
        })
        .await;
    // This also runs if the outcome is unknown: the user may have been disabled.
    callers.clear();
    disabled
}

/// The user's password, keys and roles work again. Revoked grants stay revoked. Enabling a user
/// twice is fine.
pub async fn enable_user(
    context: &Context,
    callers: &CallerCache,
    email: &str,
    by: &AuditActor,
) -> Result<(), UserError> {
    let enabled = context
        .transact("user.enable", |tx| {
            Box::pin(async move {
                let user = find_user(&mut *tx, email).await?;
                if users::enable(&mut *tx, user.id, context.clock.now()).await? {
                    let subject = format!("user:{}", user.id);
                    let before = Some(json!({"disabled_at": user.disabled_at}));
                    for org_id in memberships::list_orgs(&mut *tx, user.id).await? {
                        let change = Change {
                            org_id,
                            action: "user.enabled",
                            subject: &subject,
                            before: before.clone(),
                            after: None,
                        };
                        audit::record(context, tx, by, change).await?;
                    }
                }
                Ok(())
            })
        })
        .await;
    callers.clear();
    enabled
}

/// Finds a user by any spelling of the email address.
pub(in crate::actions) async fn find_user(
    db: impl DbHandle,
    email: &str,
) -> Result<User, UserError> {
    let no_such_user = || UserError::NoSuchUser(email.escape_debug().to_string());
    let address = parse_email(email).map_err(|_| no_such_user())?;
    users::find_by_email(db, &address).await?.ok_or_else(no_such_user)
}

async fn take_everything(
    context: &Context,
    tx: &mut Tx,
    user_id: UserId,
    now: Timestamp,
    by: &AuditActor,
) -> Result<RevokedAccess, DbError> {
    let ids = grants::ids::of_user(tx, user_id, None).await?;
    let ended = revocations::revoke(tx, &ids, now).await?;
    let sessions = sessions::delete_all(&mut *tx, user_id, None).await?;
    let subject = format!("user:{user_id}");
    let change = |org_id| {
        let ended = ended.iter().filter(|grant| grant.org_id == org_id).count();
        let after =
            Some(json!({"disabled_at": now, "grants_ended": ended, "sessions_ended": sessions}));
        Change { org_id, action: "user.disabled", subject: &subject, before: None, after }
    };
    let changes =
        memberships::list_orgs(&mut *tx, user_id).await?.into_iter().map(change).collect();
    let events = RevokedGrants::of(context, &ended, RevocationCause::UserDisabled, by);
    record_and_publish(context, &mut *tx, by, changes, &events.events()).await?;
    RevokedAccess::of(tx, &ended).await
}
