//! Organizations.

pub mod invitations;
pub mod memberships;
pub mod org_clients;
pub mod people;

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::column::{Column, JsonText};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::id::OrgId;
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Org {
    pub id: OrgId,
    pub name: String,
    /// The scopes that clients without a restriction may have. `None` means all scopes.
    pub default_client_scopes: Option<ScopeSet>,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    name: String,
    default_client_scopes: Option<JsonText>,
    created_at: i64,
}

impl TryFrom<Row> for Org {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: OrgId(row.id),
            name: row.name,
            default_client_scopes: row
                .default_client_scopes
                .map(default_client_scopes)
                .transpose()?,
            created_at: Timestamp::from_seconds(row.created_at),
        })
    }
}

pub(super) fn default_client_scopes(column: JsonText) -> Result<ScopeSet, DbError> {
    Column::of("orgs", "default_client_scopes").json(column)
}

pub async fn insert(
    db: impl DbHandle,
    id: OrgId,
    name: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "INSERT INTO orgs (id, name, created_at) VALUES ($1, $2, $3)"
    )
    .bind(id.0)
    .bind(name)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

pub async fn find_by_name(db: impl DbHandle, name: &str) -> Result<Option<Org>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT id, name, default_client_scopes, created_at FROM orgs WHERE name = $1"
    )
    .bind(name)
    .fetch_optional(conn)
    .await)?;
    row.map(Org::try_from).transpose()
}

pub async fn find(db: impl DbHandle, id: OrgId) -> Result<Option<Org>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT id, name, default_client_scopes, created_at FROM orgs WHERE id = $1"
    )
    .bind(id.0)
    .fetch_optional(conn)
    .await)?;
    row.map(Org::try_from).transpose()
}

/// Finds and locks an organization, so that two changes of it run one after the other, and no new
/// rows that refer to it, such as a row for a new client, can be inserted in the meantime.
pub async fn lock(tx: &mut Tx, id: OrgId) -> Result<Option<Org>, DbError> {
    let row: Option<Row> = with_conn!(
        tx,
        |postgres| sqlx::query_as(
            "SELECT id, name, default_client_scopes, created_at FROM orgs WHERE id = $1 FOR UPDATE"
        )
        .bind(id.0)
        .fetch_optional(postgres)
        .await,
        |sqlite| sqlx::query_as(
            "SELECT id, name, default_client_scopes, created_at FROM orgs WHERE id = $1"
        )
        .bind(id.0)
        .fetch_optional(sqlite)
        .await
    )?;
    row.map(Org::try_from).transpose()
}

/// Locks an organization before a change of something that belongs to it, such as a webhook. Every
/// transaction locks the organization first and its parts later. Rows that refer to the
/// organization, such as audit events, can still be inserted, because their transaction may already
/// hold a lock that this change waits for.
pub async fn lock_for_change(tx: &mut Tx, id: OrgId) -> Result<(), DbError> {
    with_conn!(
        tx,
        |postgres| sqlx::query("SELECT 1 FROM orgs WHERE id = $1 FOR NO KEY UPDATE")
            .bind(id.0)
            .execute(postgres)
            .await
            .map(drop),
        // SQLite has only one writing transaction at a time.
        |sqlite| sqlx::query("SELECT 1 FROM orgs WHERE id = $1")
            .bind(id.0)
            .execute(sqlite)
            .await
            .map(drop)
    )
}

pub async fn list(db: impl DbHandle) -> Result<Vec<Org>, DbError> {
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT id, name, default_client_scopes, created_at FROM orgs ORDER BY name"
    )
    .fetch_all(conn)
    .await)?;
    rows.into_iter().map(Org::try_from).collect()
}

/// Fails with [`DbError::Duplicate`] if another organization has the name.
pub async fn rename(tx: &mut Tx, id: OrgId, name: &str) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("UPDATE orgs SET name = $2 WHERE id = $1")
        .bind(id.0)
        .bind(name)
        .execute(conn)
        .await
        .map(drop))
}

pub async fn update_default_client_scopes(
    db: impl DbHandle,
    id: OrgId,
    scopes: Option<&ScopeSet>,
) -> Result<(), DbError> {
    let names =
        scopes.map(|scopes| Json(scopes.iter().map(ScopeToken::as_str).collect::<Vec<_>>()));
    with_conn!(db, |conn| sqlx::query("UPDATE orgs SET default_client_scopes = $2 WHERE id = $1")
        .bind(id.0)
        .bind(&names)
        .execute(conn)
        .await
        .map(drop))
}
