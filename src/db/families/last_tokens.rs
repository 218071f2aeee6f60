//! Computes when the last access token of a grant expires. Access tokens have no rows of their own,
//! so the time follows from when one was last issued and from the lifetimes that servers used then.

use crate::db::engine::column::ids_as_json;
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, DbHandle, with_conn};
use crate::rules::id::{FamilyId, GrantId};
use crate::rules::timestamp::Timestamp;

/// Seconds. A server reports its token lifetime every minute. The margin covers a server that could
/// not report for a while.
const REPORTS_LAG: i64 = 3_600;

/// Seconds. A repeated response is recorded only if the stored time is older than this, so that
/// retries rarely write.
const REISSUES_LAG: i64 = 60;

/// Records the lifetime that this server gives to access tokens, and deletes lifetimes that no
/// valid token can have.
pub async fn report_lifetime(db: &Db, seconds: i64, now: Timestamp) -> Result<(), DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "INSERT INTO access_lifetimes (seconds, last_used_at) VALUES ($1, $2)
         ON CONFLICT (seconds) DO UPDATE SET last_used_at =
           CASE WHEN access_lifetimes.last_used_at < excluded.last_used_at THEN excluded.last_used_at
                ELSE access_lifetimes.last_used_at END"
    )
    .bind(seconds)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop)
    })?;
    with_conn!(db, |conn| sqlx::query(
        "DELETE FROM access_lifetimes WHERE last_used_at + $1 + seconds < $2"
    )
    .bind(REPORTS_LAG)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Returns true if a repeated response returned at `now` must be recorded.
pub fn must_note_reissue(
    rotated_at: Timestamp,
    reissued_at: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let stored = reissued_at.map_or(rotated_at, |at| at.max(rotated_at));
    now.seconds_since(stored) > REISSUES_LAG
}

/// Records that a repeated response issued an access token again. This does not rotate the refresh
/// token.
pub async fn note_reissue(db: &Db, id: FamilyId, now: Timestamp) -> Result<(), DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "UPDATE families SET reissued_at = $2 WHERE id = $1 AND (reissued_at IS NULL OR reissued_at < $2)"
    )
    .bind(id.0)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop)
    })
}

macro_rules! select_latest_end {
    ($is_one:literal) => {
        concat!(
            "SELECT max(l.seconds + f.issued_at + f.slack)
               FROM access_lifetimes l
               JOIN (SELECT CASE WHEN reissued_at > rotated_at THEN reissued_at ELSE rotated_at END AS issued_at,
                            CASE WHEN sequence > 0 THEN $3 ELSE 0 END AS slack
                       FROM families WHERE grant_id ",
            $is_one,
            ") f ON f.issued_at <= l.last_used_at + $2"
        )
    };
}

/// Returns when the last access token of the grants expires, including tokens of families that were
/// revoked earlier, or `None` if no token was issued. The result is never too early. It may be up
/// to a minute too late, because not every repeated response is recorded. Before its first
/// rotation, a family has no repeated responses.
pub async fn latest_end(
    db: impl DbHandle,
    grants: &[GrantId],
) -> Result<Option<Timestamp>, DbError> {
    let at: Option<i64> = with_conn!(
        db,
        |postgres| sqlx::query_scalar(select_latest_end!("= ANY($1)"))
            .bind(grants.iter().map(|id| id.0).collect::<Vec<_>>())
            .bind(REPORTS_LAG)
            .bind(REISSUES_LAG)
            .fetch_one(postgres)
            .await,
        |sqlite| sqlx::query_scalar(select_latest_end!(
            "IN (SELECT unhex(value) FROM json_each($1))"
        ))
        .bind(ids_as_json(grants.iter().map(|id| id.0)))
        .bind(REPORTS_LAG)
        .bind(REISSUES_LAG)
        .fetch_one(sqlite)
        .await
    )?;
    Ok(at.map(Timestamp::from_seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_response_is_recorded_if_the_stored_time_is_older_than_a_minute() {
        let at = Timestamp::from_seconds;
        let cases = [
            (1_000, None, 1_000, false),
            (1_000, None, 1_060, false),
            (1_000, None, 1_061, true),
            (1_000, Some(1_061), 1_121, false),
            (1_000, Some(1_061), 1_122, true),
            // The stored time is before the last rotation.
            (1_000, Some(900), 1_060, false),
            (1_000, Some(900), 1_061, true),
            // The clock stepped back.
            (1_000, None, 900, false),
        ];
        for (rotated_at, reissued_at, now, expected) in cases {
            let must = must_note_reissue(at(rotated_at), reissued_at.map(at), at(now));
            assert_eq!(must, expected, "{rotated_at} {reissued_at:?} {now}");
        }
    }
}
