//! Browsers in which a user has signed in before. Only the digest of the cookie is stored.

use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, read_with_conn, with_conn};
use crate::rules::id::UserId;
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

/// The limit per user. The least recently used browser is removed first.
pub const MAX_KNOWN_BROWSERS: u32 = 20;

/// Returns true if the user with this email address has signed in with the browser after `since`.
/// The query is the same whether or not such a user exists.
pub async fn is_known(
    db: &Db,
    browser: Digest,
    email: &str,
    since: Timestamp,
) -> Result<bool, DbError> {
    let found: Option<i64> = read_with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT b.signed_in_at FROM known_browsers b JOIN users u ON u.id = b.user_id
          WHERE b.digest = $1 AND u.email = $2 AND b.signed_in_at > $3"
    )
    .bind(browser.bytes().as_slice())
    .bind(email)
    .bind(since.seconds())
    .fetch_optional(conn)
    .await)?;
    Ok(found.is_some())
}

/// Moves the entries of a browser to its new cookie.
pub async fn replace(tx: &mut Tx, before: Digest, after: Digest) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("UPDATE known_browsers SET digest = $2 WHERE digest = $1")
        .bind(before.bytes().as_slice())
        .bind(after.bytes().as_slice())
        .execute(conn)
        .await
        .map(drop))
}

/// Remembers a browser. The transaction must have locked the user's row, so that the password
/// cannot change.
pub async fn remember(
    tx: &mut Tx,
    browser: Digest,
    user_id: UserId,
    now: Timestamp,
) -> Result<(), DbError> {
    with_conn!(&mut *tx, |conn| sqlx::query(
        "INSERT INTO known_browsers (digest, user_id, signed_in_at) VALUES ($1, $2, $3)
         ON CONFLICT (digest, user_id) DO UPDATE SET signed_in_at = excluded.signed_in_at"
    )
    .bind(browser.bytes().as_slice())
    .bind(user_id.0)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))?;
    with_conn!(tx, |conn| {
        sqlx::query(
        "DELETE FROM known_browsers WHERE user_id = $1 AND digest IN (
           SELECT digest FROM known_browsers WHERE user_id = $1
            ORDER BY CASE WHEN digest = $2 THEN 0 ELSE 1 END, signed_in_at DESC LIMIT 1000 OFFSET $3)"
    )
    .bind(user_id.0)
    .bind(browser.bytes().as_slice())
    .bind(i64::from(MAX_KNOWN_BROWSERS))
    .execute(conn)
    .await
    .map(drop)
    })
}

/// Forgets all browsers of a user.
pub async fn forget_all(tx: &mut Tx, user_id: UserId) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("DELETE FROM known_browsers WHERE user_id = $1")
        .bind(user_id.0)
        .execute(conn)
        .await
        .map(drop))
}

/// Deletes at most `limit` entries without a sign-in after `since`.
pub async fn delete_expired(db: &Db, since: Timestamp, limit: u32) -> Result<u64, DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "DELETE FROM known_browsers WHERE (digest, user_id) IN (
           SELECT digest, user_id FROM known_browsers WHERE signed_in_at <= $1 ORDER BY signed_in_at LIMIT $2)"
    )
    .bind(since.seconds())
    .bind(i64::from(limit))
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
    })
}
