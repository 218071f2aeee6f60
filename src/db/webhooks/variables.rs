//! Variables of webhooks. Every value is sealed, even if the variable is not marked as secret.

use uuid::Uuid;

use crate::db::engine::column::count as counted;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::id::{OrgId, VariableId};
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub id: VariableId,
    pub org_id: OrgId,
    pub name: String,
    pub is_secret: bool,
    /// Sealed.
    pub value: Vec<u8>,
    /// The key of the ring that it is sealed with.
    pub key_id: String,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

#[derive(sqlx::FromRow)]
pub(in crate::db) struct Row {
    id: Uuid,
    org_id: Uuid,
    name: String,
    is_secret: bool,
    value_sealed: Vec<u8>,
    key_id: String,
    created_at: i64,
    modified_at: i64,
}

impl From<Row> for Variable {
    fn from(row: Row) -> Self {
        Self {
            id: VariableId(row.id),
            org_id: OrgId(row.org_id),
            name: row.name,
            is_secret: row.is_secret,
            value: row.value_sealed,
            key_id: row.key_id,
            created_at: Timestamp::from_seconds(row.created_at),
            modified_at: Timestamp::from_seconds(row.modified_at),
        }
    }
}

macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT id, org_id, name, is_secret, value_sealed, key_id, created_at, modified_at FROM webhook_variables ",
            $where
        )
    };
}

/// Binds $1 to $7: every column except `created_at`.
macro_rules! bind_columns {
    ($query:expr, $variable:ident) => {
        $query
            .bind($variable.id.0)
            .bind($variable.org_id.0)
            .bind(&$variable.name)
            .bind($variable.is_secret)
            .bind(&$variable.value)
            .bind(&$variable.key_id)
            .bind($variable.modified_at.seconds())
    };
}

/// Fails with [`DbError::Duplicate`] if the organization already has a variable with this name.
pub async fn insert(db: impl DbHandle, variable: &Variable) -> Result<(), DbError> {
    const INSERT: &str = "INSERT INTO webhook_variables
        (id, org_id, name, is_secret, value_sealed, key_id, modified_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    with_conn!(db, |conn| bind_columns!(sqlx::query(INSERT), variable)
        .bind(variable.created_at.seconds())
        .execute(conn)
        .await
        .map(drop))
}

pub async fn find(
    db: impl DbHandle,
    org_id: OrgId,
    name: &str,
) -> Result<Option<Variable>, DbError> {
    let row: Option<Row> =
        with_conn!(db, |conn| sqlx::query_as(select!("WHERE org_id = $1 AND name = $2"))
            .bind(org_id.0)
            .bind(name)
            .fetch_optional(conn)
            .await)?;
    Ok(row.map(Variable::from))
}

/// Finds and locks a variable, so that two changes of it run one after the other.
pub async fn lock(tx: &mut Tx, org_id: OrgId, name: &str) -> Result<Option<Variable>, DbError> {
    let statement = if tx.locks_rows() {
        select!("WHERE org_id = $1 AND name = $2 FOR UPDATE")
    } else {
        select!("WHERE org_id = $1 AND name = $2")
    };
    let row: Option<Row> = with_conn!(tx, |conn| sqlx::query_as(statement)
        .bind(org_id.0)
        .bind(name)
        .fetch_optional(conn)
        .await)?;
    Ok(row.map(Variable::from))
}

pub async fn list(db: impl DbHandle, org_id: OrgId) -> Result<Vec<Variable>, DbError> {
    let rows: Vec<Row> =
        with_conn!(db, |conn| sqlx::query_as(select!("WHERE org_id = $1 ORDER BY name"))
            .bind(org_id.0)
            .fetch_all(conn)
            .await)?;
    Ok(rows.into_iter().map(Variable::from).collect())
}

pub async fn count(db: impl DbHandle, org_id: OrgId) -> Result<u64, DbError> {
    with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT count(*) FROM webhook_variables WHERE org_id = $1"
    )
    .bind(org_id.0)
    .fetch_one(conn)
    .await)
    .map(counted)
}

/// Updates everything except the organization and `created_at`. Returns false if the variable does
/// not exist. Fails like [`insert`].
pub async fn update(db: impl DbHandle, variable: &Variable) -> Result<bool, DbError> {
    const UPDATE: &str = "UPDATE webhook_variables
        SET name = $3, is_secret = $4, value_sealed = $5, key_id = $6, modified_at = $7
        WHERE id = $1 AND org_id = $2";
    with_conn!(db, |conn| bind_columns!(sqlx::query(UPDATE), variable)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// Returns false if there is no such variable.
pub async fn delete(db: impl DbHandle, org_id: OrgId, id: VariableId) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "DELETE FROM webhook_variables WHERE id = $1 AND org_id = $2"
    )
    .bind(id.0)
    .bind(org_id.0)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}
