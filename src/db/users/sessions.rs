//! Signed-in browsers. Only the digest of the cookie is stored.

use std::net::IpAddr;

use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::{Db, DbHandle, read_with_conn, with_conn};
use crate::db::users::{JoinedUser, User};
use crate::rules::id::{SessionId, UserId};
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    pub signed_in_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub user_agent: String,
    pub address: Option<String>,
}

/// A session to insert after a sign-in.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    pub id: SessionId,
    pub digest: Digest,
    pub user_id: UserId,
    pub now: Timestamp,
    pub user_agent: &'a str,
    pub address: Option<IpAddr>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    user_id: Uuid,
    signed_in_at: i64,
    last_seen_at: i64,
    user_agent: String,
    address: Option<String>,
}

impl From<Row> for Session {
    fn from(row: Row) -> Self {
        Self {
            id: SessionId(row.id),
            user_id: UserId(row.user_id),
            signed_in_at: Timestamp::from_seconds(row.signed_in_at),
            last_seen_at: Timestamp::from_seconds(row.last_seen_at),
            user_agent: row.user_agent,
            address: row.address,
        }
    }
}

/// The argument is the locking clause, which is empty on SQLite because it has one writer at a
/// time.
macro_rules! insert_if_password_is {
    ($lock:literal) => {
        concat!(
            "INSERT INTO sessions (id, digest, user_id, signed_in_at, last_seen_at, user_agent, address)
             SELECT $1, $2, id, $4, $4, $5, $6 FROM users
              WHERE id = $3 AND password_hash = $7 AND disabled_at IS NULL",
            $lock
        )
    };
}

/// Inserts a session if the user's password is still the one that was checked and the user is not
/// disabled. Otherwise returns false. A transaction that changes a password or disables a user
/// deletes only the sessions that it sees, so this waits for such a transaction.
pub async fn insert_if_password_is(
    db: impl DbHandle,
    session: &NewSession<'_>,
    password_hash: &str,
) -> Result<bool, DbError> {
    macro_rules! run {
        ($statement:expr, $conn:ident) => {
            sqlx::query($statement)
                .bind(session.id.0)
                .bind(session.digest.bytes().as_slice())
                .bind(session.user_id.0)
                .bind(session.now.seconds())
                .bind(session.user_agent)
                .bind(session.address.map(|address| address.to_string()))
                .bind(password_hash)
                .execute($conn)
                .await
                .map(|done| done.rows_affected() == 1)
        };
    }
    with_conn!(db, |postgres| run!(insert_if_password_is!(" FOR SHARE"), postgres), |sqlite| run!(
        insert_if_password_is!(""),
        sqlite
    ))
}

/// Finds a session with its user, and whether the user must first choose a password. The caller
/// must check whether the session has expired and whether the user is disabled.
pub async fn find(db: &Db, digest: Digest) -> Result<Option<(Session, User, bool)>, DbError> {
    #[derive(sqlx::FromRow)]
    struct Joined {
        #[sqlx(flatten)]
        session: Row,
        #[sqlx(flatten)]
        user: JoinedUser,
        password_made_at: Option<i64>,
    }
    let row: Option<Joined> = read_with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT s.id, s.user_id, s.signed_in_at, s.last_seen_at, s.user_agent, s.address,
                u.email, u.name AS user_name, u.created_at AS user_created_at, u.disabled_at AS user_disabled_at,
                u.email_verified_at,
                u.password_made_at
           FROM sessions s
           JOIN users u ON u.id = s.user_id
          WHERE s.digest = $1"
    )
    .bind(digest.bytes().as_slice())
    .fetch_optional(conn)
    .await
    })?;
    Ok(row.map(|row| {
        (Session::from(row.session), User::from(row.user), row.password_made_at.is_some())
    }))
}

/// Records a use of the session. A later stored time is kept, because requests of one browser may
/// overtake each other.
pub async fn touch(db: impl DbHandle, id: SessionId, now: Timestamp) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2"
    )
    .bind(id.0)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Lists the sessions of a user, most recently used first.
pub async fn list(db: impl DbHandle, user_id: UserId) -> Result<Vec<Session>, DbError> {
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT id, user_id, signed_in_at, last_seen_at, user_agent, address
           FROM sessions WHERE user_id = $1 ORDER BY last_seen_at DESC, id DESC"
    )
    .bind(user_id.0)
    .fetch_all(conn)
    .await)?;
    Ok(rows.into_iter().map(Session::from).collect())
}

/// Returns false if the user has no such session.
pub async fn delete(db: impl DbHandle, id: SessionId, user_id: UserId) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query("DELETE FROM sessions WHERE id = $1 AND user_id = $2")
        .bind(id.0)
        .bind(user_id.0)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// Returns the number of deleted sessions. `except` is the session of the browser that sent the
/// request.
pub async fn delete_all(
    db: impl DbHandle,
    user_id: UserId,
    except: Option<SessionId>,
) -> Result<u64, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "DELETE FROM sessions WHERE user_id = $1 AND ($2 IS NULL OR id <> $2)"
    )
    .bind(user_id.0)
    .bind(except.map(|id| id.0))
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}

/// Deletes at most `limit` sessions that started, or were last seen, before the given times. A
/// session is never seen before it starts, so the index on the start finds both kinds.
pub async fn delete_expired(
    db: &Db,
    signed_in_before: Timestamp,
    seen_before: Timestamp,
    limit: u32,
) -> Result<u64, DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "DELETE FROM sessions WHERE id IN (
           SELECT id FROM sessions WHERE signed_in_at < $1 AND (signed_in_at < $2 OR last_seen_at < $3)
            ORDER BY signed_in_at LIMIT $4)
         AND (signed_in_at < $2 OR last_seen_at < $3)"
    )
    .bind(signed_in_before.max(seen_before).seconds())
    .bind(signed_in_before.seconds())
    .bind(seen_before.seconds())
    .bind(i64::from(limit))
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
    })
}
