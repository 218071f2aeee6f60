//! Users. Their roles are in `memberships`, because a user may belong to several organizations.

pub mod known_browsers;
pub mod reviewers;
pub mod sessions;
pub mod sign_in_failures;

use uuid::Uuid;

use crate::db::engine::column::ids_as_json;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, read_with_conn, with_conn};
use crate::rules::id::UserId;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: String,
    /// The display name, if one was given.
    pub name: Option<String>,
    pub created_at: Timestamp,
    pub disabled_at: Option<Timestamp>,
    /// `None`: the address does not count as verified.
    pub email_verified_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    email: String,
    name: Option<String>,
    created_at: i64,
    disabled_at: Option<i64>,
    email_verified_at: Option<i64>,
}

impl From<Row> for User {
    fn from(row: Row) -> Self {
        Self {
            id: UserId(row.id),
            email: row.email,
            name: row.name,
            created_at: Timestamp::from_seconds(row.created_at),
            disabled_at: row.disabled_at.map(Timestamp::from_seconds),
            email_verified_at: row.email_verified_at.map(Timestamp::from_seconds),
        }
    }
}

/// The columns of a user in a query on another table that has a `user_id`.
#[derive(sqlx::FromRow)]
pub(super) struct JoinedUser {
    user_id: Uuid,
    email: String,
    user_name: Option<String>,
    user_created_at: i64,
    user_disabled_at: Option<i64>,
    email_verified_at: Option<i64>,
}

impl From<JoinedUser> for User {
    fn from(row: JoinedUser) -> Self {
        Self {
            id: UserId(row.user_id),
            email: row.email,
            name: row.user_name,
            created_at: Timestamp::from_seconds(row.user_created_at),
            disabled_at: row.user_disabled_at.map(Timestamp::from_seconds),
            email_verified_at: row.email_verified_at.map(Timestamp::from_seconds),
        }
    }
}

/// Inserts a user who is not disabled.
pub async fn insert(db: impl DbHandle, user: &User, password_hash: &str) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "INSERT INTO users (id, email, name, password_hash, created_at, email_verified_at)
         VALUES ($1, $2, $3, $4, $5, $6)"
    )
    .bind(user.id.0)
    .bind(&user.email)
    .bind(&user.name)
    .bind(password_hash)
    .bind(user.created_at.seconds())
    .bind(user.email_verified_at.map(Timestamp::seconds))
    .execute(conn)
    .await
    .map(drop))
}

pub async fn find(db: impl DbHandle, id: UserId) -> Result<Option<User>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT id, email, name, created_at, disabled_at, email_verified_at FROM users WHERE id = $1"
    )
    .bind(id.0)
    .fetch_optional(conn)
    .await
    })?;
    Ok(row.map(User::from))
}

pub async fn find_by_email(db: impl DbHandle, email: &str) -> Result<Option<User>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT id, email, name, created_at, disabled_at, email_verified_at FROM users WHERE email = $1"
    )
    .bind(email)
    .fetch_optional(conn)
    .await
    })?;
    Ok(row.map(User::from))
}

/// Returns the given users that exist, by id.
pub async fn list_by_id(db: impl DbHandle, ids: &[UserId]) -> Result<Vec<User>, DbError> {
    let rows: Vec<Row> = with_conn!(
        db,
        |postgres| {
            sqlx::query_as(
                "SELECT id, email, name, created_at, disabled_at, email_verified_at
               FROM users WHERE id = ANY($1) ORDER BY id",
            )
            .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
            .fetch_all(postgres)
            .await
        },
        |sqlite| sqlx::query_as(
            "SELECT id, email, name, created_at, disabled_at, email_verified_at FROM users
              WHERE id IN (SELECT unhex(value) FROM json_each($1)) ORDER BY id"
        )
        .bind(ids_as_json(ids.iter().map(|id| id.0)))
        .fetch_all(sqlite)
        .await
    )?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// Returns the email addresses of the given users that exist.
pub async fn list_emails(
    db: impl DbHandle,
    ids: &[UserId],
) -> Result<Vec<(UserId, String)>, DbError> {
    let rows: Vec<(Uuid, String)> = with_conn!(
        db,
        |postgres| sqlx::query_as("SELECT id, email FROM users WHERE id = ANY($1)")
            .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
            .fetch_all(postgres)
            .await,
        |sqlite| sqlx::query_as(
            "SELECT id, email FROM users WHERE id IN (SELECT unhex(value) FROM json_each($1))"
        )
        .bind(ids_as_json(ids.iter().map(|id| id.0)))
        .fetch_all(sqlite)
        .await
    )?;
    Ok(rows.into_iter().map(|(id, email)| (UserId(id), email)).collect())
}

/// Finds a user and their password hash.
pub async fn find_for_login(db: &Db, email: &str) -> Result<Option<(User, String)>, DbError> {
    #[derive(sqlx::FromRow)]
    struct WithHash {
        #[sqlx(flatten)]
        user: Row,
        password_hash: String,
    }
    let row: Option<WithHash> = read_with_conn!(db, |conn| {
        sqlx::query_as(
            "SELECT id, email, name, created_at, disabled_at, email_verified_at, password_hash
           FROM users WHERE email = $1",
        )
        .bind(email)
        .fetch_optional(conn)
        .await
    })?;
    Ok(row.map(|row| (User::from(row.user), row.password_hash)))
}

/// Locks a user, so that they cannot be disabled during this transaction. Returns false if they
/// already are, or if there is no such user.
pub async fn lock_enabled(tx: &mut Tx, id: UserId) -> Result<bool, DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE users SET disabled_at = NULL WHERE id = $1 AND disabled_at IS NULL"
    )
    .bind(id.0)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Locks a user, disabled or not, so that they cannot authorize anything during this transaction.
pub async fn lock(tx: &mut Tx, id: UserId) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("UPDATE users SET disabled_at = disabled_at WHERE id = $1")
        .bind(id.0)
        .execute(conn)
        .await
        .map(drop))
}

pub async fn find_password_hash(db: impl DbHandle, id: UserId) -> Result<Option<String>, DbError> {
    with_conn!(db, |conn| sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1")
        .bind(id.0)
        .fetch_optional(conn)
        .await)
}

/// `made_at` is when this server generated the password, or `None` if the user chose it.
pub async fn update_password_hash(
    db: impl DbHandle,
    id: UserId,
    password_hash: &str,
    made_at: Option<Timestamp>,
) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE users SET password_hash = $2, password_made_at = $3 WHERE id = $1"
    )
    .bind(id.0)
    .bind(password_hash)
    .bind(made_at.map(Timestamp::seconds))
    .execute(conn)
    .await
    .map(drop))
}

/// Returns false if the user is already disabled.
pub async fn disable(db: impl DbHandle, id: UserId, now: Timestamp) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE users SET disabled_at = $2, modified_at = $2 WHERE id = $1 AND disabled_at IS NULL"
    )
    .bind(id.0)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

pub async fn enable(db: impl DbHandle, id: UserId, now: Timestamp) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE users SET disabled_at = NULL, modified_at = $2
          WHERE id = $1 AND disabled_at IS NOT NULL"
    )
    .bind(id.0)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

pub async fn update_name(
    tx: &mut Tx,
    id: UserId,
    name: Option<&str>,
    now: Timestamp,
) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("UPDATE users SET name = $2, modified_at = $3 WHERE id = $1")
        .bind(id.0)
        .bind(name)
        .bind(now.seconds())
        .execute(conn)
        .await
        .map(drop))
}

/// Deletes a user and everything that belongs to them, including tokens. Audit events stay.
pub async fn delete(tx: &mut Tx, id: UserId) -> Result<(), DbError> {
    const STATEMENTS: [&str; 7] = [
        "DELETE FROM grants WHERE user_id = $1",
        "DELETE FROM sessions WHERE user_id = $1",
        "DELETE FROM application_keys WHERE user_id = $1",
        "DELETE FROM memberships WHERE user_id = $1",
        "DELETE FROM reviewers WHERE user_id = $1",
        "DELETE FROM connection_starts WHERE user_id = $1",
        "DELETE FROM users WHERE id = $1",
    ];
    for statement in STATEMENTS {
        with_conn!(&mut *tx, |conn| sqlx::query(statement)
            .bind(id.0)
            .execute(conn)
            .await
            .map(drop))?;
    }
    Ok(())
}
