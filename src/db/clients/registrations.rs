//! Inserts clients that register themselves, many in one statement, and counts registrations of
//! clients that exist.

use std::borrow::Borrow;

use serde_json::json;
use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::{Db, with_conn};
use crate::rules::client::ClientId;
use crate::rules::client::identity::ClientDigest;
use crate::rules::secret::hex;
use crate::rules::timestamp::Timestamp;

/// A client to insert.
#[derive(Clone, Debug)]
pub struct NewClient {
    pub id: ClientId,
    pub digest: ClientDigest,
    pub client_name: String,
    /// The registered RFC 7591 members as JSON.
    pub metadata: String,
    pub seen_at: Timestamp,
    /// The number of registrations that this row counts for.
    pub registrations: i64,
}

/// The part of a row that decides whether a registration is for the same client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub id: ClientId,
    pub digest: ClientDigest,
    pub registered_at: Timestamp,
    pub last_seen_at: Timestamp,
}

/// Inserts the clients whose id is new, in one statement and one commit, and returns their ids.
/// Existing rows are unchanged, so a retry after a lost response is harmless.
pub async fn insert_new(
    db: &Db,
    clients: &[impl Borrow<NewClient> + Sync],
) -> Result<Vec<ClientId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(
        db,
        |postgres| {
            let column = Columns::of(clients);
            sqlx::query_scalar(
                "INSERT INTO clients (id, digest, client_name, metadata, registered_at, last_seen_at, registrations)
                 SELECT id, digest, client_name, metadata::jsonb, seen_at, seen_at, registrations
                   FROM UNNEST($1::uuid[], $2::bytea[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
                     AS new (id, digest, client_name, metadata, seen_at, registrations)
                 ON CONFLICT (id) DO NOTHING RETURNING id",
            )
            .bind(column.ids)
            .bind(column.digests)
            .bind(column.client_names)
            .bind(column.metadata)
            .bind(column.seen_at)
            .bind(column.registrations)
            .fetch_all(postgres)
            .await
        },
        |sqlite| {
            sqlx::query_scalar(
            "INSERT INTO clients (id, digest, client_name, metadata, registered_at, last_seen_at, registrations)
             SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 4, value ->> 5
               FROM json_each($1) WHERE TRUE
             ON CONFLICT (id) DO NOTHING RETURNING id",
        )
        .bind(as_json_rows(clients))
        .fetch_all(sqlite)
        .await
        }
    )?;
    Ok(ids.into_iter().map(ClientId::from_uuid).collect())
}

/// The clients as one list per column, for UNNEST.
struct Columns<'a> {
    ids: Vec<Uuid>,
    digests: Vec<&'a [u8]>,
    client_names: Vec<&'a str>,
    metadata: Vec<&'a str>,
    seen_at: Vec<i64>,
    registrations: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn of(clients: &'a [impl Borrow<NewClient>]) -> Self {
        let clients = || clients.iter().map(Borrow::borrow);
        Self {
            ids: clients().map(|client: &NewClient| client.id.uuid()).collect(),
            digests: clients()
                .map(|client: &NewClient| client.digest.as_bytes().as_slice())
                .collect(),
            client_names: clients().map(|client: &NewClient| client.client_name.as_str()).collect(),
            metadata: clients().map(|client: &NewClient| client.metadata.as_str()).collect(),
            seen_at: clients().map(|client: &NewClient| client.seen_at.seconds()).collect(),
            registrations: clients().map(|client: &NewClient| client.registrations).collect(),
        }
    }
}

/// Encodes the clients as one array per row, for `json_each`.
fn as_json_rows(clients: &[impl Borrow<NewClient>]) -> String {
    let row = |client: &NewClient| {
        json!([
            hex(client.id.uuid().as_bytes()),
            hex(client.digest.as_bytes()),
            client.client_name,
            client.metadata,
            client.seen_at,
            client.registrations,
        ])
    };
    serde_json::Value::Array(clients.iter().map(Borrow::borrow).map(row).collect()).to_string()
}

pub async fn list_sightings(db: &Db, ids: &[ClientId]) -> Result<Vec<Sighting>, DbError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        id: Uuid,
        digest: Vec<u8>,
        registered_at: i64,
        last_seen_at: i64,
    }
    let rows: Vec<Row> = with_conn!(
        db,
        |postgres| sqlx::query_as(
            "SELECT id, digest, registered_at, last_seen_at FROM clients WHERE id = ANY($1)"
        )
        .bind(ids.iter().map(|id| id.uuid()).collect::<Vec<_>>())
        .fetch_all(postgres)
        .await,
        |sqlite| sqlx::query_as(
            "SELECT id, digest, registered_at, last_seen_at FROM clients
              WHERE id IN (SELECT unhex(value) FROM json_each($1))"
        )
        .bind(json!(ids.iter().map(|id| hex(id.uuid().as_bytes())).collect::<Vec<_>>()).to_string())
        .fetch_all(sqlite)
        .await
    )?;
    rows.into_iter()
        .map(|row| {
            Ok(Sighting {
                id: ClientId::from_uuid(row.id),
                digest: digest(&row.digest)?,
                registered_at: Timestamp::from_seconds(row.registered_at),
                last_seen_at: Timestamp::from_seconds(row.last_seen_at),
            })
        })
        .collect()
}

fn digest(bytes: &[u8]) -> Result<ClientDigest, DbError> {
    let bytes = bytes.try_into().map_err(|cause| DbError::corrupt("clients", "digest", cause))?;
    Ok(ClientDigest::from_bytes(bytes))
}

/// Adds registrations to clients that were last seen at least `fresh_for` seconds ago, in one
/// statement, and returns the updated clients. Other clients were updated by another replica in the
/// meantime.
pub async fn count_registrations(
    db: &Db,
    clients: &[&NewClient],
    fresh_for: i64,
) -> Result<Vec<ClientId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(
        db,
        |postgres| {
            sqlx::query_scalar(
            "UPDATE clients SET last_seen_at = seen.at, registrations = clients.registrations + seen.registrations
               FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[]) AS seen (id, at, registrations)
              WHERE clients.id = seen.id AND clients.last_seen_at <= seen.at - $4
              RETURNING clients.id",
        )
        .bind(clients.iter().map(|client| client.id.uuid()).collect::<Vec<_>>())
        .bind(clients.iter().map(|client| client.seen_at.seconds()).collect::<Vec<_>>())
        .bind(clients.iter().map(|client| client.registrations).collect::<Vec<_>>())
        .bind(fresh_for)
        .fetch_all(postgres)
        .await
        },
        |sqlite| {
            sqlx::query_scalar(
            "UPDATE clients SET last_seen_at = seen.at, registrations = clients.registrations + seen.registrations
               FROM (SELECT unhex(value ->> 0) AS id, value ->> 4 AS at, value ->> 5 AS registrations FROM json_each($1))
                 AS seen
              WHERE clients.id = seen.id AND clients.last_seen_at <= seen.at - $2
              RETURNING id",
        )
        .bind(as_json_rows(clients))
        .bind(fresh_for)
        .fetch_all(sqlite)
        .await
        }
    )?;
    Ok(ids.into_iter().map(ClientId::from_uuid).collect())
}
