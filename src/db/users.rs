//! People. Their roles are in `memberships`, since a person may belong to several organisations.

use uuid::Uuid;

use super::{DbError, DbHandle, with_conn};
use crate::oauth::{Timestamp, UserId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub created_at: Timestamp,
    pub disabled_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    email: String,
    created_at: i64,
    disabled_at: Option<i64>,
}

impl From<Row> for User {
    fn from(row: Row) -> Self {
        Self {
            id: UserId(row.id),
            email: row.email,
            created_at: Timestamp::from_seconds(row.created_at),
            disabled_at: row.disabled_at.map(Timestamp::from_seconds),
        }
    }
}

pub async fn insert(
    db: impl DbHandle,
    id: UserId,
    email: &str,
    password_hash: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "INSERT INTO users (id, email, password_hash, created_at) VALUES ($1, $2, $3, $4)"
    )
    .bind(id.0)
    .bind(email)
    .bind(password_hash)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

pub async fn find_by_email(db: impl DbHandle, email: &str) -> Result<Option<User>, DbError> {
    let row: Option<Row> =
        with_conn!(db, |conn| sqlx::query_as("SELECT id, email, created_at, disabled_at FROM users WHERE email = $1")
            .bind(email)
            .fetch_optional(conn)
            .await)?;
    Ok(row.map(User::from))
}

pub async fn find_password_hash(db: impl DbHandle, id: UserId) -> Result<Option<String>, DbError> {
    with_conn!(db, |conn| sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1")
        .bind(id.0)
        .fetch_optional(conn)
        .await)
}

pub async fn update_password_hash(db: impl DbHandle, id: UserId, password_hash: &str) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
        .bind(id.0)
        .bind(password_hash)
        .execute(conn)
        .await
        .map(drop))
}

/// False where the person was disabled already.
pub async fn disable(db: impl DbHandle, id: UserId, now: Timestamp) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query("UPDATE users SET disabled_at = $2 WHERE id = $1 AND disabled_at IS NULL")
        .bind(id.0)
        .bind(now.seconds())
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}
