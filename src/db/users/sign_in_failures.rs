//! Failed sign-in attempts, counted by user and hour, so that the table stays small.

use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, read_with_conn, with_conn};
use crate::rules::id::UserId;
use crate::rules::timestamp::Timestamp;

/// The attempts of one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// `None` counts attempts with unknown email addresses.
    pub user_id: Option<UserId>,
    pub hour: Timestamp,
    pub attempts: i64,
}

const HOUR: i64 = 3_600;

fn account(user_id: Option<UserId>) -> Uuid {
    user_id.map_or(Uuid::nil(), |id| id.0)
}

/// Returns the start of the hour.
fn hour_of(at: Timestamp) -> Timestamp {
    Timestamp::from_seconds(at.seconds().div_euclid(HOUR) * HOUR)
}

pub async fn record(
    db: impl DbHandle,
    user_id: Option<UserId>,
    now: Timestamp,
) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "INSERT INTO sign_in_failures (account_id, hour, attempts) VALUES ($1, $2, 1)
         ON CONFLICT (account_id, hour) DO UPDATE SET attempts = sign_in_failures.attempts + 1"
    )
    .bind(account(user_id))
    .bind(hour_of(now).seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Counts the attempts in the hours that started after `since`.
pub async fn attempts_since(db: &Db, user_id: UserId, since: Timestamp) -> Result<u64, DbError> {
    let attempts: i64 = read_with_conn!(db, |conn| {
        sqlx::query_scalar(
        "SELECT CAST(COALESCE(sum(attempts), 0) AS BIGINT) FROM sign_in_failures WHERE account_id = $1 AND hour > $2"
    )
    .bind(user_id.0)
    .bind(since.seconds())
    .fetch_one(conn)
    .await
    })?;
    Ok(attempts.try_into().unwrap_or(0))
}

/// Lists the failures of past hours that are not in the audit trail yet.
pub async fn list_unaudited(db: &Db, now: Timestamp, limit: u32) -> Result<Vec<Failures>, DbError> {
    let rows: Vec<(Uuid, i64, i64)> = read_with_conn!(db, |conn| sqlx::query_as(
        "SELECT account_id, hour, attempts FROM sign_in_failures
          WHERE hour < $1 AND audited_at IS NULL ORDER BY hour LIMIT $2"
    )
    .bind(hour_of(now).seconds())
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await)?;
    let failures = |(account, hour, attempts): (Uuid, i64, i64)| Failures {
        user_id: (!account.is_nil()).then_some(UserId(account)),
        hour: Timestamp::from_seconds(hour),
        attempts,
    };
    Ok(rows.into_iter().map(failures).collect())
}

/// Returns false if another server already did this.
pub async fn mark_audited(
    tx: &mut Tx,
    failures: &Failures,
    now: Timestamp,
) -> Result<bool, DbError> {
    with_conn!(tx, |conn| {
        sqlx::query(
        "UPDATE sign_in_failures SET audited_at = $3 WHERE account_id = $1 AND hour = $2 AND audited_at IS NULL"
    )
    .bind(account(failures.user_id))
    .bind(failures.hour.seconds())
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
    })
}

/// Deletes at most `limit` rows of audited hours before `before`.
pub async fn delete_old(db: &Db, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "DELETE FROM sign_in_failures WHERE (account_id, hour) IN (
           SELECT account_id, hour FROM sign_in_failures WHERE hour < $1 AND audited_at IS NOT NULL
            ORDER BY hour LIMIT $2)"
    )
    .bind(before.seconds())
    .bind(i64::from(limit))
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}
