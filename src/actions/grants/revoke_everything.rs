//! Revokes all access after a backup was restored. Anything that was revoked since the backup is
//! valid again, and the server cannot know what that was. The work is done in small batches, and
//! running it again continues where it stopped.

use serde_json::json;
use uuid::Uuid;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, ServerChange};
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::RevokedGrants;
use crate::actions::keys::revoke_key::{RevokeKeyError, revoke_key};
use crate::actions::signing_keys::revoke::{RevokeSigningKeyError, revoke_signing_key};
use crate::actions::signing_keys::rotate::SigningRules;
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::authorizations::{codes, requests};
use crate::db::engine::error::DbError;
use crate::db::grants::all_access;
use crate::db::grants::all_access::Access;
use crate::db::grants::revocations;
use crate::db::keys::callers::CallerCache;
use crate::db::keys::signing_keys;
use crate::db::users::sessions;
use crate::rules::id::GrantId;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::RevocationCause;

/// Small enough that a batch does not hold locks for long.
const BATCH: u32 = 200;
/// Rows are deleted even if the clock of the server that wrote them was ahead by up to ten years.
const MAX_CLOCK_AHEAD: i64 = 10 * 366 * 86_400;

/// The keys that stay as they are in the backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptKeys {
    /// API keys and application keys.
    pub operator_keys: bool,
    pub signing_keys: bool,
}

/// The number of rows that were revoked or deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RevokedEverything {
    pub sessions: u64,
    pub pending_requests: u64,
    pub codes: u64,
    pub grants: u64,
    pub operator_keys: u64,
    pub signing_keys: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum RevokeEverythingError {
    #[error(transparent)]
    Key(#[from] RevokeKeyError),
    #[error(transparent)]
    SigningKey(#[from] RevokeSigningKeyError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Returns what was revoked, and the access that the database still holds afterwards.
pub async fn revoke_everything(
    context: &Context,
    rules: SigningRules,
    kept: KeptKeys,
    by: &AuditActor,
) -> Result<(RevokedEverything, Access), RevokeEverythingError> {
    let mut done = RevokedEverything::default();
    // Keys come first, so that no API caller can undo the rest.
    if !kept.operator_keys {
        done.operator_keys = revoke_operator_keys(context, by).await?;
    }
    delete_unfinished(context, &mut done).await?;
    done.grants = end_grants(context, by).await?;
    // A consent that was in progress may have issued one more code.
    delete_unfinished(context, &mut done).await?;
    if !kept.signing_keys {
        done.signing_keys = revoke_signing_keys(context, rules, by).await?;
    }
    record(context, by, &done).await?;
    Ok((done, all_access::count(&context.db).await?))
}

async fn revoke_operator_keys(
    context: &Context,
    by: &AuditActor,
) -> Result<u64, RevokeEverythingError> {
    let callers = CallerCache::new(context.clock.clone());
    let mut revoked = 0;
    for id in all_access::list_keys(&context.db).await? {
        match revoke_key(context, &callers, id, by).await {
            Ok(_) => revoked += 1,
            // Another process revoked it first.
            Err(RevokeKeyError::NoSuchKey(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(revoked)
}

async fn delete_unfinished(context: &Context, done: &mut RevokedEverything) -> Result<(), DbError> {
    let db = &context.db;
    let end = context.clock.now().plus(MAX_CLOCK_AHEAD);
    done.sessions += repeat_until_none(|| sessions::delete_expired(db, end, end, BATCH)).await?;
    done.pending_requests += repeat_until_none(|| requests::delete_expired(db, end, BATCH)).await?;
    done.codes += repeat_until_none(|| codes::delete_expired(db, end, BATCH)).await?;
    Ok(())
}

async fn repeat_until_none<F: Future<Output = Result<u64, DbError>>>(
    batch: impl Fn() -> F,
) -> Result<u64, DbError> {
    let mut deleted = 0;
    loop {
        match batch().await? {
            0 => return Ok(deleted),
            more => deleted += more,
        }
    }
}

async fn end_grants(context: &Context, by: &AuditActor) -> Result<u64, DbError> {
    let (mut after, mut ended) = (GrantId(Uuid::nil()), 0);
    loop {
        let ids = all_access::list_grants(&context.db, after, BATCH).await?;
        let Some(last) = ids.last() else { return Ok(ended) };
        after = *last;
        ended += end_batch(context, &ids, by).await?;
    }
}

async fn end_batch(context: &Context, ids: &[GrantId], by: &AuditActor) -> Result<u64, DbError> {
    context
        .transact("grants.revoke_all", |tx| {
            Box::pin(async move {
                let ended = revocations::revoke(tx, ids, context.clock.now()).await?;
                let revoked = RevokedGrants::of(context, &ended, RevocationCause::Restored, by);
                record_and_publish(context, tx, by, revoked.changes(), &revoked.events()).await?;
                Ok(u64::try_from(ended.len()).unwrap_or(u64::MAX))
            })
        })
        .await
}

/// Revokes the keys that existed before, but not the keys that replace them.
async fn revoke_signing_keys(
    context: &Context,
    rules: SigningRules,
    by: &AuditActor,
) -> Result<u64, RevokeEverythingError> {
    let mut revoked = 0;
    let mut keys = signing_keys::list(&context.db).await?;
    // The newest key goes first, so that it does not replace an older one.
    keys.reverse();
    for key in keys {
        match revoke_signing_key(context, rules, &key.id, by).await {
            Ok(_) => revoked += 1,
            Err(RevokeSigningKeyError::NoSuchKey(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(revoked)
}

async fn record(
    context: &Context,
    by: &AuditActor,
    done: &RevokedEverything,
) -> Result<(), DbError> {
    context
        .transact("server.restore", |tx| {
            Box::pin(async move {
                let at: Timestamp = context.clock.now();
                let change = ServerChange {
                    action: "server.restored",
                    subject: "server",
                    before: None,
                    after: Some(json!({"at": at, "revoked": done})),
                };
                audit::record_of_server(context, tx, by, change).await
            })
        })
        .await
}
