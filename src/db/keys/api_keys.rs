//! API keys. Each one identifies an organization. Only digests are stored.

use uuid::Uuid;

use crate::db::clients::like_pattern;
use crate::db::engine::column::count;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, with_conn};
use crate::db::keys::listed_key;
use crate::db::keys::listed_key::{ListedKey, RevokedKey};
use crate::rules::client::ClientId;
use crate::rules::id::{KeyId, OrgId, UserId};
use crate::rules::identity::key_name::KeyName;
use crate::rules::identity::key_query::{CategoryFilter, KeyOrder, KeySort, TimeRange};
use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;

/// A key to insert.
#[derive(Clone, Copy, Debug)]
pub struct NewApiKey<'a> {
    pub id: KeyId,
    pub org_id: OrgId,
    pub name: &'a KeyName,
    pub secret: &'a Secret,
    /// `None` for the command line.
    pub created_by: Option<UserId>,
    /// The client that creates the key, if one does.
    pub client_id: Option<ClientId>,
    pub created_at: Timestamp,
}

/// A key that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: KeyId,
    pub name: String,
    pub last_four: String,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
    pub created_by: Option<UserId>,
    pub modified_by: Option<UserId>,
    /// The client that created the key, if one did.
    pub client_id: Option<ClientId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    name: String,
    last_four: String,
    created_at: i64,
    modified_at: i64,
    last_used_at: Option<i64>,
    created_by: Option<Uuid>,
    modified_by: Option<Uuid>,
    client_id: Option<Uuid>,
}

impl From<Row> for ApiKey {
    fn from(row: Row) -> Self {
        Self {
            id: KeyId(row.id),
            name: row.name,
            last_four: row.last_four,
            created_at: Timestamp::from_seconds(row.created_at),
            modified_at: Timestamp::from_seconds(row.modified_at),
            last_used_at: row.last_used_at.map(Timestamp::from_seconds),
            created_by: row.created_by.map(UserId),
            modified_by: row.modified_by.map(UserId),
            client_id: row.client_id.map(ClientId::from_uuid),
        }
    }
}

/// Fails with [`DbError::Duplicate`] if the client has a key of this organization that is not
/// revoked.
pub async fn insert(db: impl DbHandle, new: NewApiKey<'_>) -> Result<(), DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
            "INSERT INTO api_keys
               (id, org_id, name, digest, last_four, created_by, modified_by, client_id, created_at, modified_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $8)",
        )
        .bind(new.id.0)
        .bind(new.org_id.0)
        .bind(new.name.as_str())
        .bind(new.secret.digest().bytes().as_slice())
        .bind(new.secret.last_four())
        .bind(new.created_by.map(|id| id.0))
        .bind(new.client_id.map(ClientId::uuid))
        .bind(new.created_at.seconds())
        .execute(conn)
        .await
        .map(drop)
    })
}

/// All keys of the organization, including revoked ones.
pub async fn list(db: impl DbHandle, org_id: OrgId) -> Result<Vec<ListedKey>, DbError> {
    const LIST: &str =
        "SELECT id, name, last_four, created_at, last_used_at, revoked_at FROM api_keys
         WHERE org_id = $1 ORDER BY id";
    listed_key::list(db, LIST, org_id).await
}

/// Selects a page of the keys of an organization that are not revoked.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyFilter {
    /// A substring of the name. Case is ignored.
    pub name: Option<String>,
    pub created_at: TimeRange,
    pub modified_at: TimeRange,
    pub category: Option<CategoryFilter>,
    pub sort: KeySort,
    pub size: u32,
    /// The number of the page, starting at 0.
    pub number: u32,
}

macro_rules! columns {
    () => {
        "id, name, last_four, created_at, COALESCE(modified_at, created_at) AS modified_at, last_used_at, created_by,
         modified_by, client_id"
    };
}

macro_rules! from_filtered {
    () => {
        " FROM api_keys
          WHERE org_id = $1 AND revoked_at IS NULL
            AND ($2 IS NULL OR lower(name) LIKE lower($2) ESCAPE '\\')
            AND ($3 IS NULL OR created_at >= $3)
            AND ($4 IS NULL OR created_at <= $4)
            AND ($5 IS NULL OR COALESCE(modified_at, created_at) >= $5)
            AND ($6 IS NULL OR COALESCE(modified_at, created_at) <= $6)
            AND ($7 IS NULL OR client_id = $7)"
    };
}

macro_rules! list_by {
    ($order:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            from_filtered!(),
            " ORDER BY ",
            $order,
            " LIMIT $8 OFFSET $9"
        )
    };
}

const fn list_statement(sort: KeySort) -> &'static str {
    match (sort.by, sort.descending) {
        (KeyOrder::Name, false) => list_by!("lower(name), id"),
        (KeyOrder::Name, true) => list_by!("lower(name) DESC, id DESC"),
        (KeyOrder::CreatedAt, false) => list_by!("created_at, id"),
        (KeyOrder::CreatedAt, true) => list_by!("created_at DESC, id DESC"),
        (KeyOrder::ModifiedAt, false) => list_by!("COALESCE(modified_at, created_at), id"),
        (KeyOrder::ModifiedAt, true) => list_by!("COALESCE(modified_at, created_at) DESC, id DESC"),
        (KeyOrder::LastFour, false) => list_by!("last_four, id"),
        (KeyOrder::LastFour, true) => list_by!("last_four DESC, id DESC"),
    }
}

/// Returns a page, and the number of keys that match the filter.
pub async fn list_active(
    db: &Db,
    org_id: OrgId,
    filter: &ApiKeyFilter,
) -> Result<(Vec<ApiKey>, u64), DbError> {
    let ApiKeyFilter { created_at, modified_at, .. } = filter;
    let client_id = match filter.category {
        None => None,
        Some(CategoryFilter::OfClient(id)) => Some(id.uuid()),
        Some(CategoryFilter::Unknown) => return Ok((Vec::new(), 0)),
    };
    let name = filter.name.as_deref().map(like_pattern);
    let filtered: i64 =
        with_conn!(db, |conn| sqlx::query_scalar(concat!("SELECT count(*)", from_filtered!()))
            .bind(org_id.0)
            .bind(&name)
            .bind(created_at.start.map(Timestamp::seconds))
            .bind(created_at.end.map(Timestamp::seconds))
            .bind(modified_at.start.map(Timestamp::seconds))
            .bind(modified_at.end.map(Timestamp::seconds))
            .bind(client_id)
            .fetch_one(conn)
            .await)?;
    let statement = list_statement(filter.sort);
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(statement)
        .bind(org_id.0)
        .bind(&name)
        .bind(created_at.start.map(Timestamp::seconds))
        .bind(created_at.end.map(Timestamp::seconds))
        .bind(modified_at.start.map(Timestamp::seconds))
        .bind(modified_at.end.map(Timestamp::seconds))
        .bind(client_id)
        .bind(i64::from(filter.size))
        .bind(i64::from(filter.size) * i64::from(filter.number))
        .fetch_all(conn)
        .await)?;
    Ok((rows.into_iter().map(ApiKey::from).collect(), count(filtered)))
}

/// Finds a key of the organization that is not revoked.
pub async fn find_active(
    db: impl DbHandle,
    org_id: OrgId,
    id: KeyId,
) -> Result<Option<ApiKey>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM api_keys WHERE id = $1 AND org_id = $2 AND revoked_at IS NULL"
    ))
    .bind(id.0)
    .bind(org_id.0)
    .fetch_optional(conn)
    .await)?;
    Ok(row.map(ApiKey::from))
}

/// The number of keys of the organization that are not revoked.
pub async fn count_active(db: impl DbHandle, org_id: OrgId) -> Result<u64, DbError> {
    let found: i64 = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT count(*) FROM api_keys WHERE org_id = $1 AND revoked_at IS NULL"
    )
    .bind(org_id.0)
    .fetch_one(conn)
    .await)?;
    Ok(count(found))
}

/// Locks a key of the organization that is not revoked, and returns whether there is one.
pub async fn lock(tx: &mut Tx, org_id: OrgId, id: KeyId) -> Result<bool, DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE api_keys SET org_id = org_id WHERE id = $1 AND org_id = $2 AND revoked_at IS NULL"
    )
    .bind(id.0)
    .bind(org_id.0)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Stores the changed name, and who changed it when. Requires [`lock`].
pub async fn update(tx: &mut Tx, key: &ApiKey) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE api_keys SET name = $2, modified_by = $3, modified_at = $4 WHERE id = $1"
    )
    .bind(key.id.0)
    .bind(&key.name)
    .bind(key.modified_by.map(|id| id.0))
    .bind(key.modified_at.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Returns the key, or `None` if there is no such key or it is already revoked.
pub async fn revoke(
    db: impl DbHandle,
    id: KeyId,
    now: Timestamp,
) -> Result<Option<RevokedKey>, DbError> {
    const REVOKE: &str = "UPDATE api_keys SET revoked_at = $2
         WHERE id = $1 AND revoked_at IS NULL RETURNING org_id, name";
    listed_key::revoke(db, REVOKE, id, now).await
}

/// Revokes the keys that a client created: in one organization, or in all of them. Returns the keys
/// that were not revoked before.
pub async fn revoke_of_client(
    tx: &mut Tx,
    client_id: ClientId,
    org: Option<OrgId>,
    now: Timestamp,
) -> Result<Vec<(KeyId, OrgId)>, DbError> {
    let rows: Vec<(Uuid, Uuid)> = with_conn!(tx, |conn| sqlx::query_as(
        "UPDATE api_keys SET revoked_at = $3
          WHERE client_id = $1 AND ($2 IS NULL OR org_id = $2) AND revoked_at IS NULL
         RETURNING id, org_id"
    )
    .bind(client_id.uuid())
    .bind(org.map(|id| id.0))
    .bind(now.seconds())
    .fetch_all(conn)
    .await)?;
    Ok(rows.into_iter().map(|(id, org_id)| (KeyId(id), OrgId(org_id))).collect())
}
