//! Private clients: a member of an organization creates them for it. Migration 0024 creates the
//! table `app_pairs`, which has a row for each.
//!
//! Every change begins with [`lock`], so that two changes cannot overlap.

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::clients::like_pattern;
use crate::db::engine::column::{JsonText, count};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, with_conn};
use crate::rules::client::ClientId;
use crate::rules::client::kind::ClientKind;
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::id::{OrgId, UserId};
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateClient {
    pub id: ClientId,
    pub org_id: OrgId,
    pub metadata: ClientMetadata,
    pub onboarding_url: Option<String>,
    pub description: Option<String>,
    /// Counts the changes, from 1.
    pub revision: i64,
    /// `None` if it was created on the command line.
    pub created_by: Option<UserId>,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    org_id: Uuid,
    metadata: JsonText,
    onboarding_url: Option<String>,
    description: Option<String>,
    revision: Option<i64>,
    created_by: Option<Uuid>,
    created_at: i64,
    modified_at: i64,
}

impl TryFrom<Row> for PrivateClient {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: ClientId::from_uuid(row.id),
            org_id: OrgId(row.org_id),
            metadata: ClientMetadata::from_stored(row.metadata.get())
                .map_err(|cause| DbError::corrupt("clients", "metadata", cause))?,
            onboarding_url: row.onboarding_url,
            description: row.description,
            revision: row.revision.unwrap_or(1),
            created_by: row.created_by.map(UserId),
            created_at: Timestamp::from_seconds(row.created_at),
            modified_at: Timestamp::from_seconds(row.modified_at),
        })
    }
}

/// Inserts the client. No user has to authorize it for it to be kept.
pub async fn insert(tx: &mut Tx, client: &PrivateClient) -> Result<(), DbError> {
    // The digest finds registrations of the same metadata, and this client is never one of them.
    let digest = Digest::of(&client.id.to_string());
    with_conn!(&mut *tx, |conn| {
        sqlx::query(
            "INSERT INTO clients
               (id, digest, client_name, metadata, registered_at, last_seen_at, registrations, adopted_at,
                kind, owner_org_id, onboarding_url, description, revision)
             VALUES ($1, $2, $3, $4, $5, $5, 0, $5, $6, $7, $8, $9, $10)",
        )
        .bind(client.id.uuid())
        .bind(digest.bytes().as_slice())
        .bind(client.metadata.client_name().as_str())
        .bind(Json(&client.metadata))
        .bind(client.created_at.seconds())
        .bind(ClientKind::Private.as_str())
        .bind(client.org_id.0)
        .bind(&client.onboarding_url)
        .bind(&client.description)
        .bind(client.revision)
        .execute(conn)
        .await
        .map(drop)
    })?;
    with_conn!(tx, |conn| {
        sqlx::query(
            "INSERT INTO app_pairs (private_client_id, org_id, created_by, created_at, modified_at)
             VALUES ($1, $2, $3, $4, $4)",
        )
        .bind(client.id.uuid())
        .bind(client.org_id.0)
        .bind(client.created_by.map(|id| id.0))
        .bind(client.created_at.seconds())
        .execute(conn)
        .await
        .map(drop)
    })
}

/// Locks a client of the organization that is not deleted, and returns whether there is one.
pub async fn lock(tx: &mut Tx, org_id: OrgId, id: ClientId) -> Result<bool, DbError> {
    with_conn!(tx, |conn| {
        sqlx::query(
            "UPDATE app_pairs SET org_id = org_id
              WHERE private_client_id = $1 AND org_id = $2 AND deleted_at IS NULL",
        )
        .bind(id.uuid())
        .bind(org_id.0)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1)
    })
}

/// Stores the changed attributes. Requires [`lock`].
pub async fn update(tx: &mut Tx, client: &PrivateClient) -> Result<(), DbError> {
    with_conn!(&mut *tx, |conn| {
        sqlx::query(
            "UPDATE clients
                SET client_name = $2, metadata = $3, onboarding_url = $4, description = $5, revision = $6
              WHERE id = $1",
        )
        .bind(client.id.uuid())
        .bind(client.metadata.client_name().as_str())
        .bind(Json(&client.metadata))
        .bind(&client.onboarding_url)
        .bind(&client.description)
        .bind(client.revision)
        .execute(conn)
        .await
        .map(drop)
    })?;
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE app_pairs SET modified_at = $2 WHERE private_client_id = $1"
    )
    .bind(client.id.uuid())
    .bind(client.modified_at.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Marks the client as deleted. Requires [`lock`].
pub async fn delete(tx: &mut Tx, id: ClientId, now: Timestamp) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE app_pairs SET deleted_at = $2 WHERE private_client_id = $1"
    )
    .bind(id.uuid())
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

macro_rules! select_private {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, p.org_id, c.metadata, c.onboarding_url, c.description, c.revision, p.created_by,
                    p.created_at, p.modified_at
               FROM app_pairs p JOIN clients c ON c.id = p.private_client_id
              WHERE p.org_id = $1 AND p.deleted_at IS NULL AND ",
            $rest
        )
    };
}

/// Finds a client of the organization that is not deleted.
pub async fn find(
    db: impl DbHandle,
    org_id: OrgId,
    id: ClientId,
) -> Result<Option<PrivateClient>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(select_private!("c.id = $2"))
        .bind(org_id.0)
        .bind(id.uuid())
        .fetch_optional(conn)
        .await)?;
    row.map(PrivateClient::try_from).transpose()
}

/// The number of clients of the organization that are not deleted.
pub async fn count_all(db: impl DbHandle, org_id: OrgId) -> Result<u64, DbError> {
    let found: i64 = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT count(*) FROM app_pairs WHERE org_id = $1 AND deleted_at IS NULL"
    )
    .bind(org_id.0)
    .fetch_one(conn)
    .await)?;
    Ok(count(found))
}

/// Selects a page of the clients of an organization.
#[derive(Clone, Debug, Default)]
pub struct PrivateFilter {
    /// A substring of the name. Case is ignored.
    pub name: Option<String>,
    pub size: u32,
    /// The number of the page, starting at 0.
    pub number: u32,
}

/// Returns a page with the newest client first, and the number of clients that match the filter.
pub async fn list(
    db: &Db,
    org_id: OrgId,
    filter: &PrivateFilter,
) -> Result<(Vec<PrivateClient>, u64), DbError> {
    let name = filter.name.as_deref().map(like_pattern);
    let filtered: i64 = with_conn!(db, |conn| {
        sqlx::query_scalar(
            "SELECT count(*) FROM app_pairs p JOIN clients c ON c.id = p.private_client_id
              WHERE p.org_id = $1 AND p.deleted_at IS NULL
                AND ($2 IS NULL OR lower(c.client_name) LIKE lower($2) ESCAPE '\\')",
        )
        .bind(org_id.0)
        .bind(&name)
        .fetch_one(conn)
        .await
    })?;
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(select_private!(
        "($2 IS NULL OR lower(c.client_name) LIKE lower($2) ESCAPE '\\')
         ORDER BY p.created_at DESC, c.id DESC LIMIT $3 OFFSET $4"
    ))
    .bind(org_id.0)
    .bind(&name)
    .bind(i64::from(filter.size))
    .bind(i64::from(filter.size) * i64::from(filter.number))
    .fetch_all(conn)
    .await)?;
    let page = rows.into_iter().map(PrivateClient::try_from).collect::<Result<_, _>>()?;
    Ok((page, count(filtered)))
}
