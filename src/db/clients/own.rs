//! The clients that an organization owns: private ones, which its members create, and the published
//! ones that were made of them. The table `app_pairs` has a row for each private client.
//!
//! Every change begins with [`lock`] or [`lock_pair`], so that two changes cannot overlap.

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
use crate::rules::client::state::{ClientState, Milestones};
use crate::rules::id::{OrgId, UserId, VersionId};
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnClient {
    pub id: ClientId,
    pub org_id: OrgId,
    pub kind: ClientKind,
    pub state: ClientState,
    pub pair: Pair,
    pub published_at: Option<Timestamp>,
    pub is_listed: bool,
    pub metadata: ClientMetadata,
    pub onboarding_url: Option<String>,
    pub description: Option<String>,
    /// Counts the changes of a private client, from 1. It is 1 for a published one.
    pub revision: i64,
    /// `None` if it was created on the command line.
    pub created_by: Option<UserId>,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

/// The private and the published client that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    pub private: ClientId,
    /// `None` if nothing was submitted yet.
    pub published: Option<ClientId>,
    /// The version in review.
    pub open_version: Option<VersionId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    kind: String,
    private_client_id: Uuid,
    published_client_id: Option<Uuid>,
    open_version: Option<Uuid>,
    published_at: Option<i64>,
    suspended_at: Option<i64>,
    retired_at: Option<i64>,
    listed_at: Option<i64>,
    org_id: Uuid,
    metadata: JsonText,
    onboarding_url: Option<String>,
    description: Option<String>,
    revision: Option<i64>,
    created_by: Option<Uuid>,
    created_at: i64,
    modified_at: i64,
}

impl TryFrom<Row> for OwnClient {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let kind = ClientKind::parse(&row.kind)
            .map_err(|cause| DbError::corrupt("clients", "kind", cause))?;
        let at = |seconds: Option<i64>| seconds.map(Timestamp::from_seconds);
        let milestones = Milestones {
            deleted_at: None,
            published_at: at(row.published_at),
            suspended_at: at(row.suspended_at),
            retired_at: at(row.retired_at),
        };
        Ok(Self {
            id: ClientId::from_uuid(row.id),
            org_id: OrgId(row.org_id),
            kind,
            state: ClientState::of(kind, milestones),
            pair: Pair {
                private: ClientId::from_uuid(row.private_client_id),
                published: row.published_client_id.map(ClientId::from_uuid),
                open_version: row.open_version.map(VersionId),
            },
            published_at: milestones.published_at,
            is_listed: row.listed_at.is_some(),
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
pub async fn insert(tx: &mut Tx, client: &OwnClient) -> Result<(), DbError> {
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

/// Locks the pair of a private client of any organization, and returns its organization. A deleted
/// one is not found.
pub async fn lock_pair(tx: &mut Tx, private: ClientId) -> Result<Option<OrgId>, DbError> {
    let org: Option<Uuid> = with_conn!(tx, |conn| sqlx::query_scalar(
        "UPDATE app_pairs SET org_id = org_id
          WHERE private_client_id = $1 AND deleted_at IS NULL RETURNING org_id"
    )
    .bind(private.uuid())
    .fetch_optional(conn)
    .await)?;
    Ok(org.map(OrgId))
}

/// Locks a private or published client of the organization that is not deleted, and returns whether
/// there is one.
pub async fn lock(tx: &mut Tx, org_id: OrgId, id: ClientId) -> Result<bool, DbError> {
    with_conn!(tx, |conn| {
        sqlx::query(
            "UPDATE app_pairs SET org_id = org_id
              WHERE (private_client_id = $1 OR published_client_id = $1) AND org_id = $2
                AND deleted_at IS NULL",
        )
        .bind(id.uuid())
        .bind(org_id.0)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1)
    })
}

/// Stores the changed attributes. Requires [`lock`].
pub async fn update(tx: &mut Tx, client: &OwnClient) -> Result<(), DbError> {
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

/// A published client changes when a version is approved.
macro_rules! select_own {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.kind, p.org_id, c.metadata, c.onboarding_url, c.description, c.revision, p.created_by,
                    c.registered_at AS created_at,
                    CASE WHEN c.kind = 'private' THEN p.modified_at
                         ELSE COALESCE(c.published_at, c.registered_at) END AS modified_at,
                    p.private_client_id, p.published_client_id, v.id AS open_version,
                    c.published_at, c.suspended_at, c.retired_at, c.listed_at
               FROM app_pairs p
               JOIN clients c ON c.id IN (p.private_client_id, p.published_client_id)
               LEFT JOIN client_versions v
                 ON v.private_client_id = p.private_client_id AND v.state = 'submitted'
              WHERE p.org_id = COALESCE($1, p.org_id) AND p.deleted_at IS NULL AND ",
            $rest
        )
    };
}

/// Finds a client of the organization that is not deleted.
pub async fn find(
    db: impl DbHandle,
    org_id: OrgId,
    id: ClientId,
) -> Result<Option<OwnClient>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(select_own!("c.id = $2"))
        .bind(org_id.0)
        .bind(id.uuid())
        .fetch_optional(conn)
        .await)?;
    row.map(OwnClient::try_from).transpose()
}

/// Finds a published client of any organization, for a reviewer.
pub async fn find_published(db: impl DbHandle, id: ClientId) -> Result<Option<OwnClient>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(select_own!(
        "p.published_client_id = $2 AND c.id = $2"
    ))
    .bind(None::<Uuid>)
    .bind(id.uuid())
    .fetch_optional(conn)
    .await)?;
    row.map(OwnClient::try_from).transpose()
}

/// The number of private clients of the organization that are not deleted.
pub async fn count_private(db: impl DbHandle, org_id: OrgId) -> Result<u64, DbError> {
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
pub struct OwnFilter {
    /// A substring of the name. Case is ignored.
    pub name: Option<String>,
    pub kind: Option<ClientKind>,
    pub size: u32,
    /// The number of the page, starting at 0.
    pub number: u32,
}

/// Returns the number of clients of the organization that are not deleted.
pub async fn count_all(db: &Db, org_id: OrgId) -> Result<u64, DbError> {
    count_filtered(db, org_id, &OwnFilter::default()).await
}

async fn count_filtered(db: &Db, org_id: OrgId, filter: &OwnFilter) -> Result<u64, DbError> {
    let found: i64 = with_conn!(db, |conn| {
        sqlx::query_scalar(
        "SELECT count(*) FROM app_pairs p JOIN clients c ON c.id IN (p.private_client_id, p.published_client_id)
          WHERE p.org_id = $1 AND p.deleted_at IS NULL
            AND ($2 IS NULL OR lower(c.client_name) LIKE lower($2) ESCAPE '\\')
            AND ($3 IS NULL OR c.kind = $3)"
    )
    .bind(org_id.0)
    .bind(filter.name.as_deref().map(like_pattern))
    .bind(filter.kind.map(ClientKind::as_str))
    .fetch_one(conn)
    .await
    })?;
    Ok(count(found))
}

/// Returns a page with the newest client first, and the number of clients that match the filter.
pub async fn list(
    db: &Db,
    org_id: OrgId,
    filter: &OwnFilter,
) -> Result<(Vec<OwnClient>, u64), DbError> {
    let filtered = count_filtered(db, org_id, filter).await?;
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(select_own!(
        "($2 IS NULL OR lower(c.client_name) LIKE lower($2) ESCAPE '\\')
            AND ($3 IS NULL OR c.kind = $3)
          ORDER BY c.registered_at DESC, c.id DESC LIMIT $4 OFFSET $5"
    ))
    .bind(org_id.0)
    .bind(filter.name.as_deref().map(like_pattern))
    .bind(filter.kind.map(ClientKind::as_str))
    .bind(i64::from(filter.size))
    .bind(i64::from(filter.size) * i64::from(filter.number))
    .fetch_all(conn)
    .await)?;
    let page = rows.into_iter().map(OwnClient::try_from).collect::<Result<_, _>>()?;
    Ok((page, filtered))
}
