//! Revokes an API key or an application key.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::db::engine::error::DbError;
use crate::db::keys::callers::CallerCache;
use crate::db::keys::{api_keys, application_keys};
use crate::rules::id::KeyId;

#[derive(Debug, thiserror::Error)]
pub enum RevokeKeyError {
    #[error("there is no active key {0}; `grantor key list --org …` lists all keys")]
    NoSuchKey(KeyId),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// This replica refuses the key before this returns. Others cache keys and refuse it within five
/// seconds.
pub async fn revoke_key(
    context: &Context,
    callers: &CallerCache,
    id: KeyId,
    by: &AuditActor,
) -> Result<(), RevokeKeyError> {
    let now = context.clock.now();
    let revoked = context
        .transact("key.revoke", |tx| {
            Box::pin(async move {
                let (kind, org_id) = match api_keys::revoke(&mut *tx, id, now).await? {
                    Some(org_id) => ("api_key", org_id),
                    None => match application_keys::revoke(&mut *tx, id, now).await? {
                        Some(org_id) => ("application_key", org_id),
                        None => return Err(RevokeKeyError::NoSuchKey(id)),
                    },
                };
                let subject = format!("{kind}:{id}");
                let after = Some(json!({"revoked_at": now}));
                let change = Change {
                    org_id,
                    action: "key.revoked",
                    subject: &subject,
                    before: None,
                    after,
                };
                Ok(audit::record(context, tx, by, change).await?)
            })
        })
        .await;
    // This also runs if the outcome is unknown: the key may have been revoked.
    callers.clear();
    revoked
}
