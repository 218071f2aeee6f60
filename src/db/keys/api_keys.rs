//! API keys. Each one identifies an organization. Only digests are stored.

use crate::db::engine::error::DbError;
use crate::db::engine::{DbHandle, with_conn};
use crate::db::keys::listed_key;
use crate::db::keys::listed_key::ListedKey;
use crate::rules::id::{KeyId, OrgId};
use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;

pub async fn insert(
    db: impl DbHandle,
    id: KeyId,
    org_id: OrgId,
    secret: &Secret,
    now: Timestamp,
) -> Result<(), DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "INSERT INTO api_keys (id, org_id, digest, last_four, created_at) VALUES ($1, $2, $3, $4, $5)"
    )
    .bind(id.0)
    .bind(org_id.0)
    .bind(secret.digest().bytes().as_slice())
    .bind(secret.last_four())
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop)
    })
}

pub async fn list(db: impl DbHandle, org_id: OrgId) -> Result<Vec<ListedKey>, DbError> {
    const LIST: &str =
        "SELECT id, last_four, created_at, revoked_at FROM api_keys WHERE org_id = $1 ORDER BY id";
    listed_key::list(db, LIST, org_id).await
}

/// Returns the organization of the key, or `None` if there is no such key or it is already revoked.
pub async fn revoke(
    db: impl DbHandle,
    id: KeyId,
    now: Timestamp,
) -> Result<Option<OrgId>, DbError> {
    const REVOKE: &str =
        "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING org_id";
    listed_key::revoke(db, REVOKE, id, now).await
}
