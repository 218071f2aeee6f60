//! Users who have just begun to connect a client from its tile.

use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::{Db, DbHandle, with_conn};
use crate::rules::client::ClientId;
use crate::rules::id::{OrgId, UserId};
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Copy, Debug)]
pub struct ConnectionStart {
    pub browser: Digest,
    pub client_id: ClientId,
    pub org_id: OrgId,
    pub user_id: UserId,
    pub expires_at: Timestamp,
}

/// A browser has one start of a client at most: the newest.
pub async fn upsert(db: impl DbHandle, start: &ConnectionStart) -> Result<(), DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "INSERT INTO connection_starts (browser_digest, client_id, org_id, user_id, expires_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (browser_digest, client_id) DO UPDATE
           SET org_id = excluded.org_id, user_id = excluded.user_id, expires_at = excluded.expires_at"
    )
    .bind(start.browser.bytes().as_slice())
    .bind(start.client_id.uuid())
    .bind(start.org_id.0)
    .bind(start.user_id.0)
    .bind(start.expires_at.seconds())
    .execute(conn)
    .await
    .map(drop)
    })
}

/// The organization for which the user began to connect the client.
pub async fn find_org(
    db: impl DbHandle,
    browser: Digest,
    client_id: ClientId,
    user_id: UserId,
    now: Timestamp,
) -> Result<Option<OrgId>, DbError> {
    let org: Option<Uuid> = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT org_id FROM connection_starts
          WHERE browser_digest = $1 AND client_id = $2 AND user_id = $3 AND expires_at > $4"
    )
    .bind(browser.bytes().as_slice())
    .bind(client_id.uuid())
    .bind(user_id.0)
    .bind(now.seconds())
    .fetch_optional(conn)
    .await)?;
    Ok(org.map(OrgId))
}

/// The request that followed the start was answered.
pub async fn delete(
    db: impl DbHandle,
    browser: Digest,
    client_id: ClientId,
) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "DELETE FROM connection_starts WHERE browser_digest = $1 AND client_id = $2"
    )
    .bind(browser.bytes().as_slice())
    .bind(client_id.uuid())
    .execute(conn)
    .await
    .map(drop))
}

/// Deletes at most `limit` expired starts.
pub async fn delete_expired(db: &Db, now: Timestamp, limit: u32) -> Result<u64, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "DELETE FROM connection_starts WHERE (browser_digest, client_id) IN (
           SELECT browser_digest, client_id FROM connection_starts WHERE expires_at <= $1
            ORDER BY expires_at LIMIT $2)"
    )
    .bind(now.seconds())
    .bind(i64::from(limit))
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}
