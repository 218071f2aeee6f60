//! Which keys of the key ring the database still needs.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Db, DbError, with_conn};

/// Rows that need one key of the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RingUsage {
    /// Sealed under it: without it, they cannot be opened.
    pub signing_keys: u64,
    /// Living families whose refresh token in use was derived under it. The token itself works without it.
    pub families: u64,
}

/// So many families are counted by one statement, to stay within its deadline however many there are.
const BATCH: i64 = 50_000;

#[derive(sqlx::FromRow)]
struct Counted {
    key_id: String,
    rows: i64,
}

#[derive(sqlx::FromRow)]
struct CountedFamilies {
    key_id: String,
    living: i64,
    last_id: Uuid,
}

/// By the id of the ring key.
pub async fn count(db: &Db) -> Result<BTreeMap<String, RingUsage>, DbError> {
    let mut usage = BTreeMap::<String, RingUsage>::new();
    for counted in count_signing_keys(db).await? {
        usage.entry(counted.key_id).or_default().signing_keys = unsigned(counted.rows);
    }
    let mut after = Uuid::nil();
    loop {
        let batch = count_families(db, after).await?;
        let Some(last) = batch.first() else { return Ok(usage) };
        after = last.last_id;
        for counted in batch.into_iter().filter(|counted| counted.living > 0) {
            usage.entry(counted.key_id).or_default().families += unsigned(counted.living);
        }
    }
}

async fn count_signing_keys(db: &Db) -> Result<Vec<Counted>, DbError> {
    with_conn!(db, |conn| sqlx::query_as("SELECT key_id, COUNT(*) AS rows FROM signing_keys GROUP BY key_id")
        .fetch_all(conn)
        .await)
}

/// Ids are UUIDs of version 7 or made by hand, and never nil.
async fn count_families(db: &Db, after: Uuid) -> Result<Vec<CountedFamilies>, DbError> {
    with_conn!(db, |conn| sqlx::query_as(
        "WITH batch AS (SELECT id, key_id, revoked_at FROM families WHERE id > $1 ORDER BY id LIMIT $2)
         SELECT key_id,
                COUNT(CASE WHEN revoked_at IS NULL THEN 1 END) AS living,
                (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last_id
           FROM batch GROUP BY key_id"
    )
    .bind(after)
    .bind(BATCH)
    .fetch_all(conn)
    .await)
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
