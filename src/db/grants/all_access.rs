//! Counts and lists access in all organizations, for revoking everything after a restore.

use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::id::{GrantId, KeyId};

/// The numbers of rows that give access, and of rows that only operators can review.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct Access {
    pub sessions: i64,
    pub pending_requests: i64,
    pub codes: i64,
    pub grants: i64,
    pub api_keys: i64,
    pub application_keys: i64,
    pub signing_keys: i64,
    pub users: i64,
    pub disabled_users: i64,
    pub disabled_clients: i64,
    pub restrictions: i64,
    pub webhooks: i64,
    pub resources: i64,
}

pub async fn count(db: impl DbHandle) -> Result<Access, DbError> {
    with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT (SELECT COUNT(*) FROM sessions) AS sessions,
                (SELECT COUNT(*) FROM authorization_requests) AS pending_requests,
                (SELECT COUNT(*) FROM authorization_codes) AS codes,
                (SELECT COUNT(*) FROM grants WHERE revoked_at IS NULL) AS grants,
                (SELECT COUNT(*) FROM api_keys WHERE revoked_at IS NULL) AS api_keys,
                (SELECT COUNT(*) FROM application_keys WHERE revoked_at IS NULL) AS application_keys,
                (SELECT COUNT(*) FROM signing_keys) AS signing_keys,
                (SELECT COUNT(*) FROM users WHERE disabled_at IS NULL) AS users,
                (SELECT COUNT(*) FROM users WHERE disabled_at IS NOT NULL) AS disabled_users,
                (SELECT COUNT(*) FROM org_clients WHERE disabled_at IS NOT NULL) AS disabled_clients,
                (SELECT COUNT(*) FROM org_clients WHERE scopes_restriction IS NOT NULL) AS restrictions,
                (SELECT COUNT(*) FROM webhooks) AS webhooks,
                (SELECT COUNT(*) FROM resources) AS resources"
    )
    .fetch_one(conn)
    .await
    })
}

/// Lists the next grants after an id that are not revoked.
pub async fn list_grants(
    db: impl DbHandle,
    after: GrantId,
    limit: u32,
) -> Result<Vec<GrantId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT id FROM grants WHERE id > $1 AND revoked_at IS NULL ORDER BY id LIMIT $2"
    )
    .bind(after.0)
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await)?;
    Ok(ids.into_iter().map(GrantId).collect())
}

/// Lists the API keys and application keys that are not revoked.
pub async fn list_keys(db: impl DbHandle) -> Result<Vec<KeyId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT id FROM api_keys WHERE revoked_at IS NULL
         UNION ALL SELECT id FROM application_keys WHERE revoked_at IS NULL"
    )
    .fetch_all(conn)
    .await)?;
    Ok(ids.into_iter().map(KeyId).collect())
}
