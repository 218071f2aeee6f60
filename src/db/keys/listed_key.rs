//! Lists and revokes API keys and application keys. Only digests of the secrets are stored.

use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::id::{KeyId, OrgId};
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    pub id: KeyId,
    pub name: String,
    /// The address of the user that an application key acts for. API keys have none.
    pub email: Option<String>,
    pub last_four: String,
    pub created_at: Timestamp,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    name: String,
    #[sqlx(default)]
    email: Option<String>,
    last_four: String,
    created_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl From<Row> for ListedKey {
    fn from(row: Row) -> Self {
        Self {
            id: KeyId(row.id),
            name: row.name,
            email: row.email,
            last_four: row.last_four,
            created_at: Timestamp::from_seconds(row.created_at),
            last_used_at: row.last_used_at.map(Timestamp::from_seconds),
            revoked_at: row.revoked_at.map(Timestamp::from_seconds),
        }
    }
}

/// Runs a query that takes the organization.
pub(super) async fn list(
    db: impl DbHandle,
    query: &'static str,
    org_id: OrgId,
) -> Result<Vec<ListedKey>, DbError> {
    let rows: Vec<Row> =
        with_conn!(db, |conn| sqlx::query_as(query).bind(org_id.0).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(ListedKey::from).collect())
}

/// A key that was just revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedKey {
    pub org_id: OrgId,
    pub name: String,
}

/// Runs an update that takes the id and the time, and returns the organization and the name of the
/// key.
pub(super) async fn revoke(
    db: impl DbHandle,
    update: &'static str,
    id: KeyId,
    now: Timestamp,
) -> Result<Option<RevokedKey>, DbError> {
    let row: Option<(Uuid, String)> = with_conn!(db, |conn| sqlx::query_as(update)
        .bind(id.0)
        .bind(now.seconds())
        .fetch_optional(conn)
        .await)?;
    Ok(row.map(|(org_id, name)| RevokedKey { org_id: OrgId(org_id), name }))
}
