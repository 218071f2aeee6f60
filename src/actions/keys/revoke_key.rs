//! Revokes an API key or an application key.

use crate::actions::audit;
use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::keys::KeyError;
use crate::actions::keys::revoked_keys::{KeyKind, key_revoked};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::keys::application_keys::KeyOwner;
use crate::db::keys::callers::CallerCache;
use crate::db::keys::listed_key::RevokedKey;
use crate::db::keys::{api_keys, application_keys};
use crate::rules::id::{KeyId, OrgId};

#[derive(Debug, thiserror::Error)]
pub enum RevokeKeyError {
    #[error("there is no active key {0}; `grantor key list --org …` lists all keys")]
    NoSuchKey(KeyId),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Revokes a key of either kind, in any organization. This replica refuses the key before this
/// returns. Others cache keys and refuse it within five seconds.
pub async fn revoke_key(
    context: &Context,
    callers: &CallerCache,
    id: KeyId,
    by: &AuditActor,
) -> Result<RevokedKey, RevokeKeyError> {
    let now = context.clock.now();
    let revoked = context
        .transact("key.revoke", |tx| {
            Box::pin(async move {
                let (kind, key) = match api_keys::revoke(&mut *tx, id, now).await? {
                    Some(key) => (KeyKind::Api, key),
                    None => match application_keys::revoke(&mut *tx, id, now).await? {
                        Some(key) => (KeyKind::Application, key),
                        None => return Err(RevokeKeyError::NoSuchKey(id)),
                    },
                };
                record(context, tx, Revoked { kind, org_id: key.org_id, id }, by).await?;
                Ok(key)
            })
        })
        .await;
    // This also runs if the outcome is unknown: the key may have been revoked.
    callers.clear();
    revoked
}

/// Revokes an API key of the organization, as [`revoke_key`] does.
pub async fn revoke_api_key(
    context: &Context,
    callers: &CallerCache,
    org_id: OrgId,
    id: KeyId,
    by: &AuditActor,
) -> Result<(), KeyError> {
    let now = context.clock.now();
    let revoked = context
        .transact("api_key.revoke", |tx| {
            Box::pin(async move {
                if !api_keys::lock(tx, org_id, id).await? {
                    return Err(KeyError::NoSuchApiKey);
                }
                api_keys::revoke(&mut *tx, id, now).await?;
                Ok(record(context, tx, Revoked { kind: KeyKind::Api, org_id, id }, by).await?)
            })
        })
        .await;
    callers.clear();
    revoked
}

/// Revokes an application key of the user, as [`revoke_key`] does.
pub async fn revoke_application_key(
    context: &Context,
    callers: &CallerCache,
    owner: KeyOwner,
    id: KeyId,
    by: &AuditActor,
) -> Result<(), KeyError> {
    let (now, org_id) = (context.clock.now(), owner.org_id);
    let revoked = context
        .transact("application_key.revoke", |tx| {
            Box::pin(async move {
                if !application_keys::lock(tx, owner, id).await? {
                    return Err(KeyError::NoSuchApplicationKey);
                }
                application_keys::revoke(&mut *tx, id, now).await?;
                let revoked = Revoked { kind: KeyKind::Application, org_id, id };
                Ok(record(context, tx, revoked, by).await?)
            })
        })
        .await;
    callers.clear();
    revoked
}

struct Revoked {
    kind: KeyKind,
    org_id: OrgId,
    id: KeyId,
}

async fn record(
    context: &Context,
    tx: &mut Tx,
    revoked: Revoked,
    by: &AuditActor,
) -> Result<(), DbError> {
    let Revoked { kind, org_id, id } = revoked;
    let subject = kind.subject(id);
    let change = key_revoked(kind, org_id, &subject, context.clock.now());
    audit::record(context, tx, by, change).await
}
