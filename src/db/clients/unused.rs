//! Clients that no organization ever authorized or restricted, and which may therefore be deleted.
//! Their `adopted_at` is NULL, and the partial index `clients_forgettable` contains only them.

use serde_json::json;
use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, read_with_conn, with_conn};
use crate::rules::client::ClientId;
use crate::rules::client::unused::Unused;
use crate::rules::secret::hex;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusedClient {
    pub id: ClientId,
    pub last_seen_at: Timestamp,
    /// The size of its metadata as stored.
    pub bytes: u64,
}

/// The number of unused clients, and the oldest ones.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    pub unused: Unused,
    /// The least recently seen clients, in that order.
    pub oldest: Vec<UnusedClient>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    last_seen_at: i64,
    bytes: i64,
    all_clients: i64,
    all_bytes: i64,
}

/// Counts and lists unused clients in one statement, so that the list matches the count even if
/// another server deletes some at the same time. Only the `limit` most recently seen clients are
/// counted, to bound the cost.
pub async fn count(db: &Db, limit: u64, listed: u32) -> Result<Counted, DbError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows: Vec<Row> = read_with_conn!(
        db,
        |postgres| {
            sqlx::query_as(
            "WITH newest AS MATERIALIZED (
               SELECT pg_column_size(metadata)::bigint AS bytes FROM clients WHERE adopted_at IS NULL
                ORDER BY last_seen_at DESC LIMIT $1)
             SELECT id, last_seen_at, pg_column_size(metadata)::bigint AS bytes,
                    (SELECT count(*) FROM newest) AS all_clients,
                    (SELECT coalesce(sum(bytes), 0)::bigint FROM newest) AS all_bytes
               FROM clients
              WHERE adopted_at IS NULL
              ORDER BY last_seen_at, id LIMIT $2"
        )
        .bind(limit)
        .bind(i64::from(listed))
        .fetch_all(postgres)
        .await
        },
        |sqlite| sqlx::query_as(
            "WITH newest AS MATERIALIZED (
               SELECT octet_length(metadata) AS bytes FROM clients WHERE adopted_at IS NULL
                ORDER BY last_seen_at DESC LIMIT $1)
             SELECT id, last_seen_at, octet_length(metadata) AS bytes,
                    (SELECT count(*) FROM newest) AS all_clients,
                    (SELECT coalesce(sum(bytes), 0) FROM newest) AS all_bytes
               FROM clients
              WHERE adopted_at IS NULL
              ORDER BY last_seen_at, id LIMIT $2"
        )
        .bind(limit)
        .bind(i64::from(listed))
        .fetch_all(sqlite)
        .await
    )?;
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let unused = rows
        .first()
        .map(|row| Unused { clients: number(row.all_clients), bytes: number(row.all_bytes) });
    let oldest = rows.into_iter().map(|row| UnusedClient {
        id: ClientId::from_uuid(row.id),
        last_seen_at: Timestamp::from_seconds(row.last_seen_at),
        bytes: number(row.bytes),
    });
    Ok(Counted { unused: unused.unwrap_or_default(), oldest: oldest.collect() })
}

/// Deletes at most `limit` unused clients that were last seen before `seen_before`.
pub async fn forget(db: &Db, seen_before: Timestamp, limit: u32) -> Result<u64, DbError> {
    let ids = list_unseen(db, seen_before, limit).await?;
    if ids.is_empty() { Ok(0) } else { delete(db, &ids, seen_before.minus(1)).await }
}

/// Lists at most `limit` unused clients that were last seen before `seen_before`.
async fn list_unseen(
    db: &Db,
    seen_before: Timestamp,
    limit: u32,
) -> Result<Vec<ClientId>, DbError> {
    let ids: Vec<Uuid> = read_with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT id FROM clients
          WHERE adopted_at IS NULL AND last_seen_at < $1
            AND NOT EXISTS (SELECT 1 FROM authorization_requests r WHERE r.client_id = clients.id)
          ORDER BY last_seen_at LIMIT $2"
    )
    .bind(seen_before.seconds())
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await)?;
    Ok(ids.into_iter().map(ClientId::from_uuid).collect())
}

/// Deletes the given clients that are still unused, were not seen after `seen_until`, and have no
/// pending authorization request. The rows are locked before the conditions are checked again. On
/// Postgres, a new request or grant that refers to a client locks its row, which is then skipped. A
/// later one does not find the client.
pub async fn delete(db: &Db, ids: &[ClientId], seen_until: Timestamp) -> Result<u64, DbError> {
    let mut tx = db.begin().await?;
    let locked = lock(&mut tx, ids).await?;
    let deleted = delete_locked(&mut tx, &locked, seen_until).await?;
    tx.commit().await?;
    Ok(deleted)
}

/// Like [`delete`], but also deletes the authorization requests of these clients. A client stays if
/// the user is answering one of its requests at the same time.
pub async fn delete_with_requests(
    db: &Db,
    ids: &[ClientId],
    seen_until: Timestamp,
) -> Result<u64, DbError> {
    let mut tx = db.begin().await?;
    let locked = lock(&mut tx, ids).await?;
    delete_requests(&mut tx, &locked, seen_until).await?;
    let deleted = delete_locked(&mut tx, &locked, seen_until).await?;
    tx.commit().await?;
    Ok(deleted)
}

/// Skips requests that another transaction has locked. An approval locks the request and then waits
/// for the client's row, so waiting for the request here would be a deadlock.
async fn delete_requests(
    tx: &mut Tx,
    locked: &[Uuid],
    seen_until: Timestamp,
) -> Result<(), DbError> {
    with_conn!(
        tx,
        |postgres| sqlx::query(
            "DELETE FROM authorization_requests WHERE digest IN (
               SELECT r.digest FROM authorization_requests r JOIN clients c ON c.id = r.client_id
                WHERE c.id = ANY($1) AND c.adopted_at IS NULL AND c.last_seen_at <= $2
                  FOR UPDATE OF r SKIP LOCKED)"
        )
        .bind(locked)
        .bind(seen_until.seconds())
        .execute(postgres)
        .await
        .map(drop),
        |sqlite| {
            sqlx::query(
            "DELETE FROM authorization_requests WHERE client_id IN (
               SELECT id FROM clients
                WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND adopted_at IS NULL AND last_seen_at <= $2)"
        )
        .bind(as_json(locked))
        .bind(seen_until.seconds())
        .execute(sqlite)
        .await
        .map(drop)
        }
    )
}

async fn delete_locked(
    tx: &mut Tx,
    locked: &[Uuid],
    seen_until: Timestamp,
) -> Result<u64, DbError> {
    with_conn!(
        tx,
        |postgres| {
            sqlx::query(
            "DELETE FROM clients
              WHERE id = ANY($1) AND adopted_at IS NULL AND last_seen_at <= $2
                AND NOT EXISTS (SELECT 1 FROM authorization_requests r WHERE r.client_id = clients.id)"
        )
        .bind(locked)
        .bind(seen_until.seconds())
        .execute(postgres)
        .await
        .map(|done| done.rows_affected())
        },
        |sqlite| {
            sqlx::query(
            "DELETE FROM clients
              WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND adopted_at IS NULL AND last_seen_at <= $2
                AND NOT EXISTS (SELECT 1 FROM authorization_requests r WHERE r.client_id = clients.id)"
        )
        .bind(as_json(locked))
        .bind(seen_until.seconds())
        .execute(sqlite)
        .await
        .map(|done| done.rows_affected())
        }
    )
}

/// Encodes ids as a JSON array of hexadecimal strings.
fn as_json(ids: &[Uuid]) -> String {
    json!(ids.iter().map(|id| hex(id.as_bytes())).collect::<Vec<_>>()).to_string()
}

/// Locks the clients that are still unused and not locked by another transaction. On SQLite, the
/// transaction is the only one that writes.
async fn lock(tx: &mut Tx, ids: &[ClientId]) -> Result<Vec<Uuid>, DbError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    with_conn!(
        tx,
        |postgres| {
            sqlx::query_scalar(
            "SELECT id FROM clients WHERE id = ANY($1) AND adopted_at IS NULL ORDER BY id FOR UPDATE SKIP LOCKED"
        )
        .bind(&ids)
        .fetch_all(postgres)
        .await
        },
        |_sqlite| Ok::<_, sqlx::Error>(ids)
    )
}
