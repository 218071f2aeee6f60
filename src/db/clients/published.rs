//! Published clients: an approved version of a private client, which all organizations can
//! authorize. Every change begins with [`lock_pair`](crate::db::clients::own::lock_pair).

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::column::{Column, JsonText, count};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, with_conn};
use crate::rules::client::ClientId;
use crate::rules::client::kind::ClientKind;
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::client::version::Snapshot;
use crate::rules::id::OrgId;
use crate::rules::scope::ScopeSet;
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

/// A client to insert, which cannot be used until a version is approved.
#[derive(Clone, Copy, Debug)]
pub struct NewPublished<'a> {
    pub id: ClientId,
    pub private_client_id: ClientId,
    pub org_id: OrgId,
    pub snapshot: &'a Snapshot,
    pub now: Timestamp,
}

/// Inserts the client, and links it to its private one.
pub async fn insert(tx: &mut Tx, new: NewPublished<'_>) -> Result<(), DbError> {
    // The digest finds registrations of the same metadata, and this client is never one of them.
    let digest = Digest::of(&new.id.to_string());
    with_conn!(&mut *tx, |conn| {
        sqlx::query(
        "INSERT INTO clients
           (id, digest, client_name, metadata, registered_at, last_seen_at, registrations, adopted_at,
            kind, owner_org_id, onboarding_url, description)
         VALUES ($1, $2, $3, $4, $5, $5, 0, $5, $6, $7, $8, $9)"
    )
    .bind(new.id.uuid())
    .bind(digest.bytes().as_slice())
    .bind(&new.snapshot.name)
    .bind(Json(&new.snapshot.metadata()))
    .bind(new.now.seconds())
    .bind(ClientKind::Published.as_str())
    .bind(new.org_id.0)
    .bind(&new.snapshot.onboarding_url)
    .bind(&new.snapshot.description)
    .execute(conn)
    .await
    .map(drop)
    })?;
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE app_pairs SET published_client_id = $2 WHERE private_client_id = $1"
    )
    .bind(new.private_client_id.uuid())
    .bind(new.id.uuid())
    .execute(conn)
    .await
    .map(drop))
}

/// Gives the client the attributes of an approved version. Another published client whose name
/// looks alike is [`DbError::Duplicate`].
pub async fn publish(
    tx: &mut Tx,
    id: ClientId,
    snapshot: &Snapshot,
    look_alike_key: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE clients SET client_name = $2, metadata = $3, onboarding_url = $4, description = $5,
                published_name = $6, published_at = $7
          WHERE id = $1"
    )
    .bind(id.uuid())
    .bind(&snapshot.name)
    .bind(Json(&snapshot.metadata()))
    .bind(&snapshot.onboarding_url)
    .bind(&snapshot.description)
    .bind(look_alike_key)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// The name of another published client that looks alike.
pub async fn find_look_alike(
    db: impl DbHandle,
    id: ClientId,
    look_alike_key: &str,
) -> Result<Option<String>, DbError> {
    with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT client_name FROM clients WHERE published_name = $2 AND id <> $1"
    )
    .bind(id.uuid())
    .bind(look_alike_key)
    .fetch_optional(conn)
    .await)
}

/// `None` resumes the client.
pub async fn set_suspended(
    tx: &mut Tx,
    id: ClientId,
    at: Option<Timestamp>,
) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("UPDATE clients SET suspended_at = $2 WHERE id = $1")
        .bind(id.uuid())
        .bind(at.map(Timestamp::seconds))
        .execute(conn)
        .await
        .map(drop))
}

/// `None` shows the tile to members of the owner only.
pub async fn set_listed(tx: &mut Tx, id: ClientId, at: Option<Timestamp>) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("UPDATE clients SET listed_at = $2 WHERE id = $1")
        .bind(id.uuid())
        .bind(at.map(Timestamp::seconds))
        .execute(conn)
        .await
        .map(drop))
}

/// Frees the name for others.
pub async fn retire(tx: &mut Tx, id: ClientId, now: Timestamp) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE clients SET retired_at = $2, listed_at = NULL, published_name = NULL WHERE id = $1"
    )
    .bind(id.uuid())
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// A client that people can begin to connect from its tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    pub id: ClientId,
    pub is_private: bool,
    pub owner: OrgId,
    /// The name of the organization that owns it.
    pub owner_name: String,
    pub name: String,
    pub description: Option<String>,
    pub onboarding_url: Option<String>,
    pub scopes: ScopeSet,
    pub is_listed: bool,
    pub published_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    kind: String,
    owner_org_id: Uuid,
    owner_name: String,
    client_name: String,
    description: Option<String>,
    onboarding_url: Option<String>,
    metadata: JsonText,
    listed_at: Option<i64>,
    published_at: Option<i64>,
}

impl TryFrom<Row> for Tile {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let metadata = ClientMetadata::from_stored(row.metadata.get())
            .map_err(|cause| Column::of("clients", "metadata").corrupt(cause))?;
        Ok(Self {
            id: ClientId::from_uuid(row.id),
            is_private: row.kind == ClientKind::Private.as_str(),
            owner: OrgId(row.owner_org_id),
            owner_name: row.owner_name,
            name: row.client_name,
            description: row.description,
            onboarding_url: row.onboarding_url,
            scopes: metadata.scope().clone(),
            is_listed: row.listed_at.is_some(),
            published_at: row.published_at.map(Timestamp::from_seconds),
        })
    }
}

macro_rules! select_tiles {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.kind, c.owner_org_id, o.name AS owner_name, c.client_name, c.description,
                    c.onboarding_url, c.metadata, c.listed_at, c.published_at
               FROM clients c JOIN orgs o ON o.id = c.owner_org_id ",
            $rest
        )
    };
}

/// Returns a page of the published clients that members of the organization see, by name, and
/// their number.
pub async fn list_tiles(
    db: &Db,
    org_id: OrgId,
    size: u32,
    number: u32,
) -> Result<(Vec<Tile>, u64), DbError> {
    let all: i64 = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT count(*) FROM clients c
          WHERE c.published_name IS NOT NULL AND c.suspended_at IS NULL
            AND (c.listed_at IS NOT NULL OR c.owner_org_id = $1)"
    )
    .bind(org_id.0)
    .fetch_one(conn)
    .await)?;
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(select_tiles!(
        "WHERE c.published_name IS NOT NULL AND c.suspended_at IS NULL
            AND (c.listed_at IS NOT NULL OR c.owner_org_id = $1)
          ORDER BY lower(c.client_name), c.id LIMIT $2 OFFSET $3"
    ))
    .bind(org_id.0)
    .bind(i64::from(size))
    .bind(i64::from(size) * i64::from(number))
    .fetch_all(conn)
    .await)?;
    let page = rows.into_iter().map(Tile::try_from).collect::<Result<_, _>>()?;
    Ok((page, count(all)))
}

/// The tile of a private or published client that can be used. The caller decides who sees it.
pub async fn find_tile(db: impl DbHandle, id: ClientId) -> Result<Option<Tile>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(select_tiles!(
        "LEFT JOIN app_pairs p ON p.private_client_id = c.id
          WHERE c.id = $1 AND c.suspended_at IS NULL
            AND (c.published_name IS NOT NULL OR (c.kind = 'private' AND p.deleted_at IS NULL))"
    ))
    .bind(id.uuid())
    .fetch_optional(conn)
    .await)?;
    row.map(Tile::try_from).transpose()
}
