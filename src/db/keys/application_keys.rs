//! Application keys. Each one identifies a user within an organization. Only digests are stored.

use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::{DbHandle, with_conn};
use crate::db::keys::listed_key;
use crate::db::keys::listed_key::ListedKey;
use crate::rules::id::{KeyId, OrgId, UserId};
use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;

/// A key to insert.
#[derive(Clone, Copy, Debug)]
pub struct NewApplicationKey<'a> {
    pub id: KeyId,
    pub org_id: OrgId,
    pub user_id: UserId,
    pub secret: &'a Secret,
    pub created_at: Timestamp,
}

pub async fn insert(db: impl DbHandle, new: NewApplicationKey<'_>) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "INSERT INTO application_keys (id, org_id, user_id, digest, last_four, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)"
    )
    .bind(new.id.0)
    .bind(new.org_id.0)
    .bind(new.user_id.0)
    .bind(new.secret.digest().bytes().as_slice())
    .bind(new.secret.last_four())
    .bind(new.created_at.seconds())
    .execute(conn)
    .await
    .map(drop))
}

pub async fn list(db: impl DbHandle, org_id: OrgId) -> Result<Vec<ListedKey>, DbError> {
    const LIST: &str = "SELECT k.id, u.email, k.last_four, k.created_at, k.revoked_at
        FROM application_keys k JOIN users u ON u.id = k.user_id
        WHERE k.org_id = $1 ORDER BY k.id";
    listed_key::list(db, LIST, org_id).await
}

/// Returns the organization of the key, or `None` if there is no such key or it is already revoked.
pub async fn revoke(
    db: impl DbHandle,
    id: KeyId,
    now: Timestamp,
) -> Result<Option<OrgId>, DbError> {
    const REVOKE: &str = "UPDATE application_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING org_id";
    listed_key::revoke(db, REVOKE, id, now).await
}

/// Revokes the keys of a user in one organization. Returns the keys that were not revoked before.
pub async fn revoke_of_member(
    db: impl DbHandle,
    org_id: OrgId,
    user_id: UserId,
    now: Timestamp,
) -> Result<Vec<KeyId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(db, |conn| sqlx::query_scalar(
        "UPDATE application_keys SET revoked_at = $3
          WHERE org_id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING id"
    )
    .bind(org_id.0)
    .bind(user_id.0)
    .bind(now.seconds())
    .fetch_all(conn)
    .await)?;
    Ok(ids.into_iter().map(KeyId).collect())
}
