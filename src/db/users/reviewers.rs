//! Users who approve partners and decide on the versions that they submit.

use crate::db::engine::error::DbError;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::id::UserId;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewer {
    pub user_id: UserId,
    pub email: String,
    pub added_at: Timestamp,
}

/// Returns whether the user was not a reviewer yet.
pub async fn add(db: impl DbHandle, user_id: UserId, now: Timestamp) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "INSERT INTO reviewers (user_id, added_at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING"
    )
    .bind(user_id.0)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Returns whether the user was a reviewer.
pub async fn remove(db: impl DbHandle, user_id: UserId) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query("DELETE FROM reviewers WHERE user_id = $1")
        .bind(user_id.0)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// A disabled user is no reviewer.
pub async fn is_reviewer(db: impl DbHandle, user_id: UserId) -> Result<bool, DbError> {
    let found: Option<i32> = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT 1 FROM reviewers r JOIN users u ON u.id = r.user_id
          WHERE r.user_id = $1 AND u.disabled_at IS NULL"
    )
    .bind(user_id.0)
    .fetch_optional(conn)
    .await)?;
    Ok(found.is_some())
}

pub async fn list(db: impl DbHandle) -> Result<Vec<Reviewer>, DbError> {
    let rows: Vec<(uuid::Uuid, String, i64)> = with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT r.user_id, u.email, r.added_at FROM reviewers r JOIN users u ON u.id = r.user_id
          ORDER BY u.email"
    )
    .fetch_all(conn)
    .await
    })?;
    let reviewer = |(user_id, email, added_at)| Reviewer {
        user_id: UserId(user_id),
        email,
        added_at: Timestamp::from_seconds(added_at),
    };
    Ok(rows.into_iter().map(reviewer).collect())
}
