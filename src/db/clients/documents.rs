//! Clients that are described by a metadata document at a URL. The metadata is in `clients`; this
//! table records when the document was fetched and how long it is fresh.

use sqlx::FromRow;
use sqlx::types::Json;

use crate::db::clients;
use crate::db::clients::registrations::NewClient;
use crate::db::clients::{Client, client_columns, client_joins};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, read_with_conn, with_conn};
use crate::rules::client::ClientId;
use crate::rules::client::document::DocumentUrl;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    pub client_id: ClientId,
    pub url: String,
    pub etag: Option<String>,
    /// When its host last confirmed the document, or [`NEVER`] after it returned something else.
    pub fetched_at: Timestamp,
    pub fresh_until: Timestamp,
}

const NEVER: Timestamp = Timestamp::from_seconds(0);

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    client: clients::Row,
    etag: Option<String>,
    fetched_at: i64,
    fresh_until: i64,
}

pub async fn find_by_url(
    db: &Db,
    url: &DocumentUrl,
) -> Result<Option<(StoredDocument, Client)>, DbError> {
    let row: Option<Row> = read_with_conn!(db, |conn| {
        sqlx::query_as(concat!(
            "SELECT ",
            client_columns!("c"),
            ", documents.etag, documents.fetched_at, documents.fresh_until FROM clients c",
            client_joins!("c"),
            "WHERE documents.url = $1"
        ))
        .bind(url.as_str())
        .fetch_optional(conn)
        .await
    })?;
    let Some(Row { client, etag, fetched_at, fresh_until }) = row else { return Ok(None) };
    let client = Client::try_from(client)?;
    let document = StoredDocument {
        client_id: client.id,
        url: url.as_str().to_owned(),
        etag,
        fetched_at: Timestamp::from_seconds(fetched_at),
        fresh_until: Timestamp::from_seconds(fresh_until),
    };
    Ok(Some((document, client)))
}

/// Stores a document, its metadata, and that the client was seen. Returns `None` and changes
/// nothing if a client of another document has the same id.
pub async fn upsert(
    tx: &mut Tx,
    client: &NewClient,
    document: &StoredDocument,
) -> Result<Option<Client>, DbError> {
    let metadata = serde_json::value::RawValue::from_string(client.metadata.clone())
        .map_err(|cause| DbError::corrupt("clients", "metadata", cause))?;
    let id_is_taken = with_conn!(&mut *tx, |conn| {
        sqlx::query(
        "INSERT INTO clients (id, digest, client_name, metadata, registered_at, last_seen_at, registrations)
         VALUES ($1, $2, $3, $4, $5, $5, $6)
         ON CONFLICT (id) DO UPDATE SET
           client_name = excluded.client_name, metadata = excluded.metadata,
           last_seen_at = CASE WHEN clients.last_seen_at < excluded.last_seen_at
                               THEN excluded.last_seen_at ELSE clients.last_seen_at END
         WHERE clients.digest = excluded.digest"
    )
    .bind(client.id.uuid())
    .bind(client.digest.as_bytes().as_slice())
    .bind(client.client_name.as_str())
    .bind(Json(metadata.as_ref()))
    .bind(client.seen_at.seconds())
    .bind(client.registrations)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 0)
    })?;
    if id_is_taken {
        return Ok(None);
    }
    with_conn!(&mut *tx, |conn| {
        sqlx::query(
        "INSERT INTO client_documents (client_id, url, etag, fetched_at, fresh_until) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (client_id) DO UPDATE SET
           etag = excluded.etag, fetched_at = excluded.fetched_at, fresh_until = excluded.fresh_until"
    )
    .bind(document.client_id.uuid())
    .bind(document.url.as_str())
    .bind(document.etag.as_deref())
    .bind(document.fetched_at.seconds())
    .bind(document.fresh_until.seconds())
    .execute(conn)
    .await
    .map(drop)
    })?;
    clients::find(tx, client.id).await
}

/// Records that the document is unchanged.
pub async fn renew(
    db: impl DbHandle,
    id: ClientId,
    fetched_at: Timestamp,
    fresh_until: Timestamp,
) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE client_documents SET fetched_at = $2, fresh_until = $3 WHERE client_id = $1"
    )
    .bind(id.uuid())
    .bind(fetched_at.seconds())
    .bind(fresh_until.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Marks the stored document as stale on all replicas, because it was removed or does not describe
/// a client anymore.
pub async fn mark_stale(db: impl DbHandle, id: ClientId) -> Result<(), DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "UPDATE client_documents SET etag = NULL, fetched_at = $2, fresh_until = $2 WHERE client_id = $1"
    )
    .bind(id.uuid())
    .bind(NEVER.seconds())
    .execute(conn)
    .await
    .map(drop)
    })
}
