//! When each key of the key ring was first used for sealing, and whether its age was announced. The
//! keys themselves are never stored.

use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::timestamp::Timestamp;

/// Returns false and keeps the stored time if the key is already known.
pub async fn insert(
    db: impl DbHandle,
    id: &str,
    first_used_at: Timestamp,
) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "INSERT INTO sealing_keys (id, first_used_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING"
    )
    .bind(id)
    .bind(first_used_at.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Lists the keys that were first used at or before `before` and not announced yet, with the time
/// of their first use.
pub async fn list_due(
    db: impl DbHandle,
    before: Timestamp,
) -> Result<Vec<(String, Timestamp)>, DbError> {
    let rows: Vec<(String, i64)> = with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT id, first_used_at FROM sealing_keys WHERE first_used_at <= $1 AND announced_at IS NULL ORDER BY id"
    )
    .bind(before.seconds())
    .fetch_all(conn)
    .await
    })?;
    Ok(rows
        .into_iter()
        .map(|(id, first_used_at)| (id, Timestamp::from_seconds(first_used_at)))
        .collect())
}

/// Returns false if another server announced the key first.
pub async fn set_announced(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool, DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE sealing_keys SET announced_at = $2 WHERE id = $1 AND announced_at IS NULL"
    )
    .bind(id)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}
