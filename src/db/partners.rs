//! Partners: organizations whose clients may be published and may request private scopes.

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::column::{Column, JsonText, count};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, with_conn};
use crate::rules::id::{OrgId, UserId};
use crate::rules::scope::ScopeSet;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    pub org_id: OrgId,
    pub org_name: String,
    /// The private scopes that its clients may request.
    pub private_scopes: ScopeSet,
    pub note: Option<String>,
    /// `None` if it was approved on the command line.
    pub approved_by: Option<UserId>,
    pub approved_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    org_id: Uuid,
    org_name: String,
    private_scopes: JsonText,
    note: Option<String>,
    approved_by: Option<Uuid>,
    approved_at: i64,
}

impl TryFrom<Row> for Partner {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            org_id: OrgId(row.org_id),
            org_name: row.org_name,
            private_scopes: private_scopes(row.private_scopes)?,
            note: row.note,
            approved_by: row.approved_by.map(UserId),
            approved_at: Timestamp::from_seconds(row.approved_at),
        })
    }
}

pub(super) fn private_scopes(column: JsonText) -> Result<ScopeSet, DbError> {
    Column::of("partners", "private_scopes").json(column)
}

macro_rules! select_partners {
    ($rest:literal) => {
        concat!(
            "SELECT p.org_id, o.name AS org_name, p.private_scopes, p.note, p.approved_by, p.approved_at
               FROM partners p JOIN orgs o ON o.id = p.org_id ",
            $rest
        )
    };
}

pub async fn find(db: impl DbHandle, org_id: OrgId) -> Result<Option<Partner>, DbError> {
    let row: Option<Row> =
        with_conn!(db, |conn| sqlx::query_as(select_partners!("WHERE p.org_id = $1"))
            .bind(org_id.0)
            .fetch_optional(conn)
            .await)?;
    row.map(Partner::try_from).transpose()
}

/// Returns a page in the order of the names, and the number of partners.
pub async fn list(db: &Db, size: u32, number: u32) -> Result<(Vec<Partner>, u64), DbError> {
    let all: i64 = with_conn!(db, |conn| sqlx::query_scalar("SELECT count(*) FROM partners")
        .fetch_one(conn)
        .await)?;
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(select_partners!(
        "ORDER BY o.name LIMIT $1 OFFSET $2"
    ))
    .bind(i64::from(size))
    .bind(i64::from(size) * i64::from(number))
    .fetch_all(conn)
    .await)?;
    let page = rows.into_iter().map(Partner::try_from).collect::<Result<_, _>>()?;
    Ok((page, count(all)))
}

/// Inserts the partner, or replaces everything but its organization.
pub async fn upsert(tx: &mut Tx, partner: &Partner) -> Result<(), DbError> {
    with_conn!(tx, |conn| {
        sqlx::query(
            "INSERT INTO partners (org_id, private_scopes, note, approved_by, approved_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (org_id) DO UPDATE SET private_scopes = excluded.private_scopes,
               note = excluded.note, approved_by = excluded.approved_by, approved_at = excluded.approved_at",
        )
        .bind(partner.org_id.0)
        .bind(Json(&partner.private_scopes))
        .bind(&partner.note)
        .bind(partner.approved_by.map(|id| id.0))
        .bind(partner.approved_at.seconds())
        .execute(conn)
        .await
        .map(drop)
    })
}

pub async fn delete(tx: &mut Tx, org_id: OrgId) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("DELETE FROM partners WHERE org_id = $1")
        .bind(org_id.0)
        .execute(conn)
        .await
        .map(drop))
}
