//! Lists and revokes API keys and application keys. Only digests of the secrets are stored.

use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::id::{KeyId, OrgId};
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    pub id: KeyId,
    /// The address of the user that an application key acts for. API keys have none.
    pub email: Option<String>,
    pub last_four: String,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    #[sqlx(default)]
    email: Option<String>,
    last_four: String,
    created_at: i64,
    revoked_at: Option<i64>,
}

impl From<Row> for ListedKey {
    fn from(row: Row) -> Self {
        Self {
            id: KeyId(row.id),
            email: row.email,
            last_four: row.last_four,
            created_at: Timestamp::from_seconds(row.created_at),
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

/// Runs an update that takes the id and the time, and returns the organization of the key.
pub(super) async fn revoke(
    db: impl DbHandle,
    update: &'static str,
    id: KeyId,
    now: Timestamp,
) -> Result<Option<OrgId>, DbError> {
    let org_id: Option<Uuid> = with_conn!(db, |conn| sqlx::query_scalar(update)
        .bind(id.0)
        .bind(now.seconds())
        .fetch_optional(conn)
        .await)?;
    Ok(org_id.map(OrgId))
}
