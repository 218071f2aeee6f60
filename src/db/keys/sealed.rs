//! Counts and reseals the rows of organizations that contain sealed values, in any table. Signing
//! keys are in `signing_keys.rs`.

use uuid::Uuid;

use crate::db::engine::column::count;
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, with_conn};
use crate::rules::id::OrgId;

/// A table whose rows have an id, an organization, and columns that are sealed with one key.
#[derive(Debug)]
pub struct SealedTable {
    pub name: &'static str,
    /// At most three columns.
    pub columns: &'static [&'static str],
    count: &'static str,
    list: &'static str,
    sample: &'static str,
    update: &'static str,
}

/// A missing column is selected as NULL. `NULLIF(x, x)` gives it the type of an existing column on
/// both engines.
macro_rules! sealed_table {
    ($table:literal, $first:literal) => {
        sealed_table!(
            $table,
            &[$first],
            concat!(
                $first,
                " AS first, NULLIF(",
                $first,
                ", ",
                $first,
                ") AS second, NULLIF(",
                $first,
                ", ",
                $first,
                ") AS third"
            ),
            concat!($first, " = $3"),
            concat!($first, " = $4")
        )
    };
    ($table:literal, $first:literal, $second:literal, $third:literal) => {
        sealed_table!(
            $table,
            &[$first, $second, $third],
            concat!($first, " AS first, ", $second, " AS second, ", $third, " AS third"),
            concat!($first, " = $3, ", $second, " = $5, ", $third, " = $7"),
            concat!(
                $first,
                " = $4 AND ",
                $second,
                " IS NOT DISTINCT FROM $6 AND ",
                $third,
                " IS NOT DISTINCT FROM $8"
            )
        )
    };
    ($table:literal, $columns:expr, $selected:expr, $set:expr, $unchanged:expr) => {
        SealedTable {
            name: $table,
            columns: $columns,
            count: concat!("SELECT key_id, COUNT(*) AS rows FROM ", $table, " GROUP BY key_id"),
            list: concat!(
                "SELECT id, org_id, ",
                $selected,
                " FROM ",
                $table,
                " WHERE key_id <> $1 AND id > $2 ORDER BY id LIMIT $3"
            ),
            sample: concat!(
                "SELECT id, org_id, ",
                $selected,
                " FROM ",
                $table,
                " WHERE key_id = $1 ORDER BY id LIMIT $2"
            ),
            update: concat!(
                "UPDATE ",
                $table,
                " SET key_id = $1, ",
                $set,
                " WHERE id = $2 AND ",
                $unchanged
            ),
        }
    };
}

pub static AUTH_METHODS: SealedTable = sealed_table!("auth_methods", "client_secret_sealed");
pub static WEBHOOKS: SealedTable = sealed_table!(
    "webhooks",
    "signing_secret_sealed",
    "former_secret_sealed",
    "custom_headers_sealed"
);
pub static WEBHOOK_VARIABLES: SealedTable = sealed_table!("webhook_variables", "value_sealed");

pub static ALL: [&SealedTable; 3] = [&AUTH_METHODS, &WEBHOOKS, &WEBHOOK_VARIABLES];

/// The sealed values of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRow {
    pub id: Uuid,
    pub org_id: OrgId,
    /// In the order of `SealedTable::columns`.
    pub values: Vec<Option<Vec<u8>>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    org_id: Uuid,
    first: Option<Vec<u8>>,
    second: Option<Vec<u8>>,
    third: Option<Vec<u8>>,
}

impl Row {
    fn into_sealed(self, table: &SealedTable) -> SealedRow {
        let values =
            [self.first, self.second, self.third].into_iter().take(table.columns.len()).collect();
        SealedRow { id: self.id, org_id: OrgId(self.org_id), values }
    }
}

/// Counts the rows sealed with each key.
pub async fn count_by_key(db: &Db, table: &SealedTable) -> Result<Vec<(String, u64)>, DbError> {
    let rows: Vec<(String, i64)> =
        with_conn!(db, |conn| sqlx::query_as(table.count).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(key_id, rows)| (key_id, count(rows))).collect())
}

/// Lists the next rows after an id that are sealed with a different key.
pub async fn list_sealed_by_other_keys(
    db: &Db,
    table: &SealedTable,
    key_id: &str,
    after: Uuid,
    limit: i64,
) -> Result<Vec<SealedRow>, DbError> {
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(table.list)
        .bind(key_id)
        .bind(after)
        .bind(limit)
        .fetch_all(conn)
        .await)?;
    Ok(rows.into_iter().map(|row| row.into_sealed(table)).collect())
}

/// Lists the first rows that are sealed with this key.
pub async fn list_sealed_by_key(
    db: &Db,
    table: &SealedTable,
    key_id: &str,
    limit: i64,
) -> Result<Vec<SealedRow>, DbError> {
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(table.sample)
        .bind(key_id)
        .bind(limit)
        .fetch_all(conn)
        .await)?;
    Ok(rows.into_iter().map(|row| row.into_sealed(table)).collect())
}

/// Replaces all sealed values of a row. Returns false if one of them changed since the read, or if
/// the row was deleted.
pub async fn reseal(
    db: &Db,
    table: &SealedTable,
    before: &SealedRow,
    values: &[Option<Vec<u8>>],
    key_id: &str,
) -> Result<bool, DbError> {
    with_conn!(db, |conn| {
        let mut query = sqlx::query(table.update).bind(key_id).bind(before.id);
        for (value, former) in values.iter().zip(&before.values) {
            query = query.bind(value).bind(former);
        }
        query.execute(conn).await.map(|done| done.rows_affected() == 1)
    })
}
