//! Deletes expired rows: authorization requests, codes, sessions, token families and deliveries.

use crate::actions::context::Context;
use crate::db::authorizations::{codes, connection_starts, requests};
use crate::db::engine::error::DbError;
use crate::db::families;
use crate::db::users::sessions;
use crate::db::webhooks::deliveries;
use crate::db::webhooks::deliveries::State;
use crate::db::webhooks::lanes;
use crate::rules::identity::session;

/// Small enough that a batch does not hold locks for long.
pub(in crate::actions) const BATCH: u32 = 500;
/// The limit of batches per run and table, so that no table waits long for another. The next run
/// deletes the rest.
const MAX_BATCHES: u32 = 200;
/// How long an expired code is kept, in seconds. Reusing it still revokes the tokens issued for it.
const CODES_KEPT_FOR: i64 = 600;

/// The limit of rows that one run deletes per table. If so many were deleted, there may be more.
const MAX_PER_RUN: u64 = BATCH as u64 * MAX_BATCHES as u64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    pub requests: u64,
    pub codes: u64,
    pub sessions: u64,
    pub families: u64,
}

impl Forgotten {
    /// Whether a table may have more expired rows, so that the next run should follow at once.
    pub const fn is_cut_short(&self) -> bool {
        is_full_run(self.requests)
            || is_full_run(self.codes)
            || is_full_run(self.sessions)
            || is_full_run(self.families)
    }
}

/// Whether a run deleted as many rows of a table as it may, so that there may be more.
pub const fn is_full_run(deleted: u64) -> bool {
    deleted >= MAX_PER_RUN
}

/// Deletes deliveries that were delivered or parked so many seconds ago, and returns how many.
/// `None` keeps parked deliveries forever.
pub async fn forget_deliveries(
    context: &Context,
    delivered: i64,
    parked: Option<i64>,
) -> Result<u64, DbError> {
    let (db, now) = (&context.db, context.clock.now());
    let delete = async |state, kept: i64| {
        in_batches(|| deliveries::delete_finished(db, state, now.minus(kept), BATCH)).await
    };
    let mut deleted = in_batches(|| lanes::delete_orphaned(db, BATCH)).await?;
    deleted += delete(State::Delivered, delivered).await?;
    if let Some(kept) = parked {
        deleted += delete(State::Parked, kept).await?;
    }
    Ok(deleted)
}

/// Deletes expired rows, and returns how many of each kind.
pub async fn forget_expired(context: &Context) -> Result<Forgotten, DbError> {
    let (db, now) = (&context.db, context.clock.now());
    let codes_before = now.minus(CODES_KEPT_FOR);
    let (signed_in_before, seen_before) =
        (now.minus(session::ABSOLUTE_TIMEOUT), now.minus(session::IDLE_TIMEOUT));
    Ok(Forgotten {
        requests: forget_requests(context).await?,
        codes: in_batches(|| codes::delete_expired(db, codes_before, BATCH)).await?,
        sessions: in_batches(|| sessions::delete_expired(db, signed_in_before, seen_before, BATCH))
            .await?,
        families: in_batches(|| families::forget(db, now, BATCH)).await?,
    })
}

/// Deletes expired authorization requests and connections that were begun, and returns how many
/// requests.
pub async fn forget_requests(context: &Context) -> Result<u64, DbError> {
    let (db, now) = (&context.db, context.clock.now());
    in_batches(|| connection_starts::delete_expired(db, now, BATCH)).await?;
    in_batches(|| requests::delete_expired(db, now, BATCH)).await
}

pub(in crate::actions) async fn in_batches<F: Future<Output = Result<u64, DbError>>>(
    batch: impl Fn() -> F,
) -> Result<u64, DbError> {
    let mut deleted = 0;
    for _ in 0..MAX_BATCHES {
        let of_batch = batch().await?;
        deleted += of_batch;
        if of_batch < u64::from(BATCH) {
            break;
        }
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn batches(rows: u64) -> (u32, u64) {
        let (left, asked) = (Cell::new(rows), Cell::new(0));
        let deleted = in_batches(|| async {
            asked.set(asked.get() + 1);
            let batch = left.get().min(BATCH.into());
            left.set(left.get() - batch);
            Ok(batch)
        });
        let deleted = deleted.await.expect("does not fail");
        (asked.get(), deleted)
    }

    #[test]
    fn a_run_is_cut_short_if_any_table_may_have_more_rows() {
        let almost = MAX_PER_RUN - 1;
        let done = Forgotten { requests: almost, codes: almost, sessions: 1, families: 1 };
        assert!(!done.is_cut_short());
        assert!(Forgotten { requests: MAX_PER_RUN, ..Forgotten::default() }.is_cut_short());
        assert!(Forgotten { families: MAX_PER_RUN, ..Forgotten::default() }.is_cut_short());
        assert!(is_full_run(MAX_PER_RUN) && !is_full_run(almost));
    }

    #[tokio::test]
    async fn batches_run_until_one_is_not_full_or_the_limit_is_reached() {
        assert_eq!(batches(0).await, (1, 0));
        assert_eq!(batches(499).await, (1, 499));
        assert_eq!(batches(500).await, (2, 500));
        assert_eq!(batches(1_001).await, (3, 1_001));
        assert_eq!(batches(1_000_000).await, (MAX_BATCHES, 100_000));
    }
}
