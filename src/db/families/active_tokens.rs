//! Counts the families that may have valid access tokens. Access tokens have no rows of their own.

use uuid::Uuid;

use crate::db::engine::column::count as unsigned;
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, with_conn};
use crate::rules::timestamp::Timestamp;

/// The number of families per statement, so that each one stays within its deadline.
const BATCH: i64 = 50_000;

#[derive(sqlx::FromRow)]
struct Counted {
    active: i64,
    /// NULL after the last batch.
    last_id: Option<Uuid>,
}

/// Counts families that are not revoked and were created or refreshed at or after `since`.
pub async fn count_families(db: &Db, since: Timestamp) -> Result<u64, DbError> {
    let mut after = Uuid::nil();
    let mut active = 0;
    loop {
        let batch = count_batch(db, after, since).await?;
        active += unsigned(batch.active);
        match batch.last_id {
            Some(last) => after = last,
            None => return Ok(active),
        }
    }
}

async fn count_batch(db: &Db, after: Uuid, since: Timestamp) -> Result<Counted, DbError> {
    with_conn!(db, |conn| {
        sqlx::query_as(
        "WITH batch AS (SELECT id, rotated_at, revoked_at FROM families WHERE id > $1 ORDER BY id LIMIT $2)
         SELECT COUNT(CASE WHEN revoked_at IS NULL AND rotated_at >= $3 THEN 1 END) AS active,
                (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last_id
           FROM batch"
    )
    .bind(after)
    .bind(BATCH)
    .bind(since.seconds())
    .fetch_one(conn)
    .await
    })
}
