//! The secrets of confidential clients. At most two of a client work at a time: the current one,
//! and the previous one until it expires.

use uuid::Uuid;

use crate::db::engine::column::{Column, ids_as_json};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, read_with_conn, with_conn};
use crate::rules::client::ClientId;
use crate::rules::id::{SecretId, UserId};
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecret {
    pub id: SecretId,
    pub client_id: ClientId,
    pub last_four: String,
    pub created_at: Timestamp,
    /// When the previous secret stops working. `None` for the current one.
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// A secret to insert, which becomes the current one.
#[derive(Clone, Debug)]
pub struct NewSecret {
    pub id: SecretId,
    pub client_id: ClientId,
    pub digest: Digest,
    pub last_four: String,
    pub created_by: Option<UserId>,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    client_id: Uuid,
    last_four: String,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl From<Row> for ClientSecret {
    fn from(row: Row) -> Self {
        Self {
            id: SecretId(row.id),
            client_id: ClientId::from_uuid(row.client_id),
            last_four: row.last_four,
            created_at: Timestamp::from_seconds(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_seconds),
            last_used_at: row.last_used_at.map(Timestamp::from_seconds),
        }
    }
}

pub async fn insert(tx: &mut Tx, new: &NewSecret) -> Result<(), DbError> {
    with_conn!(tx, |conn| {
        sqlx::query(
            "INSERT INTO client_secrets (id, client_id, digest, last_four, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(new.id.0)
        .bind(new.client_id.uuid())
        .bind(new.digest.bytes().as_slice())
        .bind(&new.last_four)
        .bind(new.created_by.map(|id| id.0))
        .bind(new.created_at.seconds())
        .execute(conn)
        .await
        .map(drop)
    })
}

/// The secrets of the clients that work now. The current one of a client comes before the previous
/// one.
pub async fn list_live(
    db: impl DbHandle,
    clients: &[ClientId],
    now: Timestamp,
) -> Result<Vec<ClientSecret>, DbError> {
    let rows: Vec<Row> = with_conn!(
        db,
        |postgres| {
            sqlx::query_as(
                "SELECT id, client_id, last_four, created_at, expires_at, last_used_at FROM client_secrets
                  WHERE client_id = ANY($1) AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
                  ORDER BY client_id, expires_at IS NOT NULL, id",
            )
            .bind(clients.iter().map(|id| id.uuid()).collect::<Vec<_>>())
            .bind(now.seconds())
            .fetch_all(postgres)
            .await
        },
        |sqlite| {
            sqlx::query_as(
                "SELECT id, client_id, last_four, created_at, expires_at, last_used_at FROM client_secrets
                  WHERE client_id IN (SELECT unhex(value) FROM json_each($1)) AND ended_at IS NULL
                    AND (expires_at IS NULL OR expires_at > $2)
                  ORDER BY client_id, expires_at IS NOT NULL, id",
            )
            .bind(ids_as_json(clients.iter().map(|id| id.uuid())))
            .bind(now.seconds())
            .fetch_all(sqlite)
            .await
        }
    )?;
    Ok(rows.into_iter().map(ClientSecret::from).collect())
}

/// A secret that works now, as it is stored.
#[derive(Clone, Debug)]
pub struct StoredDigest {
    pub digest: Digest,
    pub last_four: String,
    pub expires_at: Option<Timestamp>,
}

/// The secrets of the client that work now, for a copy on another site.
pub async fn list_digests(
    db: impl DbHandle,
    client: ClientId,
    now: Timestamp,
) -> Result<Vec<StoredDigest>, DbError> {
    let rows: Vec<(Vec<u8>, String, Option<i64>)> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT digest, last_four, expires_at FROM client_secrets
          WHERE client_id = $1 AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
          ORDER BY id"
    )
    .bind(client.uuid())
    .bind(now.seconds())
    .fetch_all(conn)
    .await)?;
    let stored = |(digest, last_four, expires_at): (Vec<u8>, String, Option<i64>)| {
        Ok(StoredDigest {
            digest: Column::of("client_secrets", "digest").digest(&digest)?,
            last_four,
            expires_at: expires_at.map(Timestamp::from_seconds),
        })
    };
    rows.into_iter().map(stored).collect()
}

/// The client and the id of a secret that works now.
pub async fn find_live(
    db: &Db,
    digest: Digest,
    now: Timestamp,
) -> Result<Option<(ClientId, SecretId)>, DbError> {
    let row: Option<(Uuid, Uuid)> = read_with_conn!(db, |conn| {
        sqlx::query_as(
            "SELECT client_id, id FROM client_secrets
              WHERE digest = $1 AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $2)",
        )
        .bind(digest.bytes().as_slice())
        .bind(now.seconds())
        .fetch_optional(conn)
        .await
    })?;
    Ok(row.map(|(client, secret)| (ClientId::from_uuid(client), SecretId(secret))))
}

/// Makes the secret the previous one, which works until a time.
pub async fn set_expiry(tx: &mut Tx, id: SecretId, expires_at: Timestamp) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("UPDATE client_secrets SET expires_at = $2 WHERE id = $1")
        .bind(id.0)
        .bind(expires_at.seconds())
        .execute(conn)
        .await
        .map(drop))
}

/// Ends a secret now.
pub async fn end(tx: &mut Tx, id: SecretId, now: Timestamp) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("UPDATE client_secrets SET ended_at = $2 WHERE id = $1")
        .bind(id.0)
        .bind(now.seconds())
        .execute(conn)
        .await
        .map(drop))
}

/// Ends all secrets of a client now.
pub async fn end_all(tx: &mut Tx, client_id: ClientId, now: Timestamp) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE client_secrets SET ended_at = $2 WHERE client_id = $1 AND ended_at IS NULL"
    )
    .bind(client_id.uuid())
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Seconds. The last use of a secret is stored at most once a minute.
pub const USE_IS_STORED_EVERY: i64 = 60;

/// Records a use, unless one was recorded within the last minute.
pub async fn note_use(db: &Db, id: SecretId, now: Timestamp) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE client_secrets SET last_used_at = $2
          WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)"
    )
    .bind(id.0)
    .bind(now.seconds())
    .bind(now.minus(USE_IS_STORED_EVERY).seconds())
    .execute(conn)
    .await
    .map(drop))
}
