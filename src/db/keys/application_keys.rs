//! Application keys. Each one identifies a user within an organization. Only digests are stored.

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::clients::like_pattern;
use crate::db::engine::column::{Column, JsonText, count};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, with_conn};
use crate::db::keys::listed_key;
use crate::db::keys::listed_key::{ListedKey, RevokedKey};
use crate::rules::id::{KeyId, OrgId, UserId};
use crate::rules::identity::key_name::KeyName;
use crate::rules::identity::key_query::{KeyOrder, KeySort, TimeRange};
use crate::rules::scope::ScopeSet;
use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;

/// The user that a key acts for, in one organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyOwner {
    pub org_id: OrgId,
    pub user_id: UserId,
}

/// A key to insert.
#[derive(Clone, Copy, Debug)]
pub struct NewApplicationKey<'a> {
    pub id: KeyId,
    pub owner: KeyOwner,
    pub name: &'a KeyName,
    pub secret: &'a Secret,
    /// The scopes to which the key is limited. `None`: it may do what the role of its user permits.
    pub scopes: Option<&'a ScopeSet>,
    pub created_at: Timestamp,
}

/// A key that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationKey {
    pub id: KeyId,
    pub name: String,
    pub last_four: String,
    /// The scopes to which the key is limited. `None`: it may do what the role of its user permits.
    pub scopes: Option<ScopeSet>,
    pub created_at: Timestamp,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    name: String,
    last_four: String,
    scopes: Option<JsonText>,
    created_at: i64,
    last_used_at: Option<i64>,
}

impl TryFrom<Row> for ApplicationKey {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: KeyId(row.id),
            name: row.name,
            last_four: row.last_four,
            scopes: scopes(row.scopes)?,
            created_at: Timestamp::from_seconds(row.created_at),
            last_used_at: row.last_used_at.map(Timestamp::from_seconds),
        })
    }
}

/// Reads the scopes to which a key is limited.
pub(super) fn scopes(column: Option<JsonText>) -> Result<Option<ScopeSet>, DbError> {
    column.map(|text| Column::of("application_keys", "scopes").json(text)).transpose()
}

pub async fn insert(db: impl DbHandle, new: NewApplicationKey<'_>) -> Result<(), DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
            "INSERT INTO application_keys (id, org_id, user_id, name, digest, last_four, scopes, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(new.id.0)
        .bind(new.owner.org_id.0)
        .bind(new.owner.user_id.0)
        .bind(new.name.as_str())
        .bind(new.secret.digest().bytes().as_slice())
        .bind(new.secret.last_four())
        .bind(new.scopes.map(Json))
        .bind(new.created_at.seconds())
        .execute(conn)
        .await
        .map(drop)
    })
}

/// All keys of the members of the organization, including revoked ones.
pub async fn list(db: impl DbHandle, org_id: OrgId) -> Result<Vec<ListedKey>, DbError> {
    const LIST: &str =
        "SELECT k.id, k.name, u.email, k.last_four, k.created_at, k.last_used_at, k.revoked_at
        FROM application_keys k JOIN users u ON u.id = k.user_id
        WHERE k.org_id = $1 ORDER BY k.id";
    listed_key::list(db, LIST, org_id).await
}

/// Selects a page of a user's keys that are not revoked.
#[derive(Clone, Debug, Default)]
pub struct ApplicationKeyFilter {
    /// A substring of the name. Case is ignored.
    pub name: Option<String>,
    pub created_at: TimeRange,
    pub sort: KeySort,
    pub size: u32,
    /// The number of the page, starting at 0.
    pub number: u32,
}

macro_rules! from_filtered {
    () => {
        " FROM application_keys
          WHERE org_id = $1 AND user_id = $2 AND revoked_at IS NULL
            AND ($3 IS NULL OR lower(name) LIKE lower($3) ESCAPE '\\')
            AND ($4 IS NULL OR created_at >= $4)
            AND ($5 IS NULL OR created_at <= $5)"
    };
}

macro_rules! list_by {
    ($order:literal) => {
        concat!(
            "SELECT id, name, last_four, scopes, created_at, last_used_at",
            from_filtered!(),
            " ORDER BY ",
            $order,
            " LIMIT $6 OFFSET $7"
        )
    };
}

/// These keys are never sorted by the time of a change.
const fn list_statement(sort: KeySort) -> &'static str {
    match (sort.by, sort.descending) {
        (KeyOrder::Name, false) => list_by!("lower(name), id"),
        (KeyOrder::Name, true) => list_by!("lower(name) DESC, id DESC"),
        (KeyOrder::CreatedAt | KeyOrder::ModifiedAt, false) => list_by!("created_at, id"),
        (KeyOrder::CreatedAt | KeyOrder::ModifiedAt, true) => list_by!("created_at DESC, id DESC"),
        (KeyOrder::LastFour, false) => list_by!("last_four, id"),
        (KeyOrder::LastFour, true) => list_by!("last_four DESC, id DESC"),
    }
}

/// Returns a page, and the number of keys that match the filter.
pub async fn list_active(
    db: &Db,
    owner: KeyOwner,
    filter: &ApplicationKeyFilter,
) -> Result<(Vec<ApplicationKey>, u64), DbError> {
    let name = filter.name.as_deref().map(like_pattern);
    let TimeRange { start, end } = filter.created_at;
    let filtered: i64 =
        with_conn!(db, |conn| sqlx::query_scalar(concat!("SELECT count(*)", from_filtered!()))
            .bind(owner.org_id.0)
            .bind(owner.user_id.0)
            .bind(&name)
            .bind(start.map(Timestamp::seconds))
            .bind(end.map(Timestamp::seconds))
            .fetch_one(conn)
            .await)?;
    let statement = list_statement(filter.sort);
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(statement)
        .bind(owner.org_id.0)
        .bind(owner.user_id.0)
        .bind(&name)
        .bind(start.map(Timestamp::seconds))
        .bind(end.map(Timestamp::seconds))
        .bind(i64::from(filter.size))
        .bind(i64::from(filter.size) * i64::from(filter.number))
        .fetch_all(conn)
        .await)?;
    let page = rows.into_iter().map(ApplicationKey::try_from).collect::<Result<_, _>>()?;
    Ok((page, count(filtered)))
}

/// Finds a key of the user that is not revoked.
pub async fn find_active(
    db: impl DbHandle,
    owner: KeyOwner,
    id: KeyId,
) -> Result<Option<ApplicationKey>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT id, name, last_four, scopes, created_at, last_used_at FROM application_keys
          WHERE id = $1 AND org_id = $2 AND user_id = $3 AND revoked_at IS NULL"
    )
    .bind(id.0)
    .bind(owner.org_id.0)
    .bind(owner.user_id.0)
    .fetch_optional(conn)
    .await)?;
    row.map(ApplicationKey::try_from).transpose()
}

/// The number of the user's keys that are not revoked.
pub async fn count_active(db: impl DbHandle, owner: KeyOwner) -> Result<u64, DbError> {
    let found: i64 = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT count(*) FROM application_keys
          WHERE org_id = $1 AND user_id = $2 AND revoked_at IS NULL"
    )
    .bind(owner.org_id.0)
    .bind(owner.user_id.0)
    .fetch_one(conn)
    .await)?;
    Ok(count(found))
}

/// Locks a key of the user that is not revoked, and returns whether there is one.
pub async fn lock(tx: &mut Tx, owner: KeyOwner, id: KeyId) -> Result<bool, DbError> {
    with_conn!(tx, |conn| {
        sqlx::query(
            "UPDATE application_keys SET user_id = user_id
              WHERE id = $1 AND org_id = $2 AND user_id = $3 AND revoked_at IS NULL",
        )
        .bind(id.0)
        .bind(owner.org_id.0)
        .bind(owner.user_id.0)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1)
    })
}

/// Stores the changed name and scopes. Requires [`lock`].
pub async fn update(tx: &mut Tx, key: &ApplicationKey) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE application_keys SET name = $2, scopes = $3 WHERE id = $1"
    )
    .bind(key.id.0)
    .bind(&key.name)
    .bind(key.scopes.as_ref().map(Json))
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
    const REVOKE: &str = "UPDATE application_keys SET revoked_at = $2
         WHERE id = $1 AND revoked_at IS NULL RETURNING org_id, name";
    listed_key::revoke(db, REVOKE, id, now).await
}

/// Revokes the keys of a user in one organization. Returns the keys that were not revoked before.
pub async fn revoke_of_member(
    db: impl DbHandle,
    org_id: OrgId,
    user_id: UserId,
    now: Timestamp,
) -> Result<Vec<KeyId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(db, |conn| sqlx::query_scalar(
        "UPDATE application_keys SET revoked_at = $3
          WHERE org_id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING id"
    )
    .bind(org_id.0)
    .bind(user_id.0)
    .bind(now.seconds())
    .fetch_all(conn)
    .await)?;
    Ok(ids.into_iter().map(KeyId).collect())
}
