//! Keys that sign tokens: the public key as published, and the sealed private key.

use sqlx::types::Json;

use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::timestamp::Timestamp;
use crate::rules::token::jwk::Jwk;
use crate::rules::token::signing_algorithm::SigningAlgorithm;
use crate::rules::token::signing_period::SigningPeriod;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// The JWK thumbprint (RFC 7638).
    pub id: String,
    pub algorithm: SigningAlgorithm,
    pub public_jwk: Jwk,
    pub sealed: Vec<u8>,
    /// The key of the ring that it is sealed with.
    pub key_id: String,
    pub created_at: Timestamp,
    pub period: SigningPeriod,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    algorithm: String,
    public_jwk: Json<serde_json::Value>,
    sealed: Vec<u8>,
    key_id: String,
    created_at: i64,
    signs_from: i64,
    retired_at: Option<i64>,
}

fn algorithm(name: &str) -> Result<SigningAlgorithm, DbError> {
    let unknown = || {
        DbError::corrupt("signing_keys", "algorithm", "this version does not know the algorithm")
    };
    SigningAlgorithm::find(name).ok_or_else(unknown)
}

impl TryFrom<Row> for SigningKey {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.id,
            algorithm: algorithm(&row.algorithm)?,
            public_jwk: serde_json::from_value(row.public_jwk.0)
                .map_err(|cause| DbError::corrupt("signing_keys", "public_jwk", cause))?,
            sealed: row.sealed,
            key_id: row.key_id,
            created_at: Timestamp::from_seconds(row.created_at),
            period: SigningPeriod {
                signs_from: Timestamp::from_seconds(row.signs_from),
                retired_at: row.retired_at.map(Timestamp::from_seconds),
            },
        })
    }
}

/// Allows only one transaction at a time to create keys. On SQLite every transaction has this lock
/// from its beginning.
pub async fn lock(tx: &mut Tx) -> Result<(), DbError> {
    with_conn!(
        tx,
        |postgres| sqlx::query("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")
            .execute(postgres)
            .await
            .map(drop),
        |_sqlite| Ok(())
    )
}

/// Lists all keys in the order in which they sign.
pub async fn list(db: impl DbHandle) -> Result<Vec<SigningKey>, DbError> {
    list_each(db).await?.into_iter().collect()
}

/// Like [`list`], with an error for each row that cannot be read. A newer version may have written
/// it.
pub async fn list_each(db: impl DbHandle) -> Result<Vec<Result<SigningKey, DbError>>, DbError> {
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT id, algorithm, public_jwk, sealed, key_id, created_at, signs_from, retired_at
           FROM signing_keys ORDER BY signs_from, created_at, retired_at IS NULL, id"
    )
    .fetch_all(conn)
    .await)?;
    Ok(rows.into_iter().map(SigningKey::try_from).collect())
}

pub async fn insert(db: impl DbHandle, key: &SigningKey) -> Result<(), DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "INSERT INTO signing_keys (id, algorithm, public_jwk, sealed, key_id, created_at, signs_from, retired_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    )
    .bind(&key.id)
    .bind(key.algorithm.name())
    .bind(Json(&key.public_jwk))
    .bind(&key.sealed)
    .bind(&key.key_id)
    .bind(key.created_at.seconds())
    .bind(key.period.signs_from.seconds())
    .bind(key.period.retired_at.map(Timestamp::seconds))
    .execute(conn)
    .await
    .map(drop)
    })
}

/// Retires all existing keys at a time.
pub async fn retire(db: impl DbHandle, at: Timestamp) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE signing_keys SET retired_at = $1 WHERE retired_at IS NULL OR retired_at > $1"
    )
    .bind(at.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Changes the period in which a key signs.
pub async fn set_period(db: impl DbHandle, id: &str, period: SigningPeriod) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE signing_keys SET signs_from = $2, retired_at = $3 WHERE id = $1"
    )
    .bind(id)
    .bind(period.signs_from.seconds())
    .bind(period.retired_at.map(Timestamp::seconds))
    .execute(conn)
    .await
    .map(drop))
}

/// Deletes a key, even if it is in use.
pub async fn delete(db: impl DbHandle, id: &str) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query("DELETE FROM signing_keys WHERE id = $1")
        .bind(id)
        .execute(conn)
        .await
        .map(drop))
}

/// Replaces the sealed private key. Returns false if it changed since the read, or if the key was
/// deleted.
pub async fn reseal(
    db: impl DbHandle,
    before: &SigningKey,
    sealed: &[u8],
    key_id: &str,
) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE signing_keys SET sealed = $3, key_id = $4 WHERE id = $1 AND sealed = $2"
    )
    .bind(&before.id)
    .bind(&before.sealed)
    .bind(sealed)
    .bind(key_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Marks the keys in use that have been signing since `signs_from` or longer as announced, and
/// returns them. Each key is returned only once, even if several servers call this.
pub async fn announce(
    tx: &mut Tx,
    signs_from: Timestamp,
    now: Timestamp,
) -> Result<Vec<(String, SigningAlgorithm, Timestamp)>, DbError> {
    let rows: Vec<(String, String, i64)> = with_conn!(tx, |conn| sqlx::query_as(
        "UPDATE signing_keys SET announced_at = $2
          WHERE signs_from <= $1 AND retired_at IS NULL AND announced_at IS NULL
         RETURNING id, algorithm, signs_from"
    )
    .bind(signs_from.seconds())
    .bind(now.seconds())
    .fetch_all(conn)
    .await)?;
    rows.into_iter()
        .map(|(id, name, signs_from)| {
            Ok((id, algorithm(&name)?, Timestamp::from_seconds(signs_from)))
        })
        .collect()
}

/// Deletes keys that were retired at or before a time, and returns their number.
pub async fn forget(db: impl DbHandle, retired_by: Timestamp) -> Result<u64, DbError> {
    with_conn!(db, |conn| sqlx::query("DELETE FROM signing_keys WHERE retired_at <= $1")
        .bind(retired_by.seconds())
        .execute(conn)
        .await
        .map(|done| done.rows_affected()))
}
