//! Revokes an API key or an application key.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::db::engine::error::DbError;
use crate::db::keys::operators::OperatorCache;
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
    operators: &OperatorCache,
    id: KeyId,
    by: &AuditActor,
) -> Result<(), RevokeKeyError> {
    let now = context.clock.now();
    let mut tx = context.db.begin().await?;
    let (kind, org_id) = match api_keys::revoke(&mut tx, id, now).await? {
        Some(org_id) => ("api_key", org_id),
        None => match application_keys::revoke(&mut tx, id, now).await? {
            Some(org_id) => ("application_key", org_id),
            None => return Err(RevokeKeyError::NoSuchKey(id)),
        },
    };
    let subject = format!("{kind}:{id}");
    let after = Some(json!({"revoked_at": now}));
    let change = Change { org_id, action: "key.revoked", subject: &subject, before: None, after };
    audit::record(context, &mut tx, by, change).await?;
    let committed = tx.commit().await;
    // This also runs if the outcome is unknown: the key may have been revoked.
    operators.clear();
    Ok(committed?)
}
