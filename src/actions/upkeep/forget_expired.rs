//! Clean-up of what is over: requests that nobody answered, codes, sessions, and families of tokens.

use crate::actions::context::Context;
use crate::db::authorizations::{codes, requests};
use crate::db::engine::error::DbError;
use crate::db::families;
use crate::db::users::sessions;
use crate::db::webhooks::deliveries;
use crate::db::webhooks::deliveries::State;
use crate::db::webhooks::lanes;
use crate::rules::identity::session;

/// Small enough that a batch holds no lock for long.
pub(in crate::actions) const BATCH: u32 = 500;
/// What is left after so many batches is left to the next round, so that no kind waits for another for long.
const BATCHES: u32 = 200;
/// A code that is used again after its end still ends what it began.
const CODES_STAY: i64 = 600;

/// What one kind can lose in a turn. So many were deleted: there may be more.
const A_TURN: u64 = BATCH as u64 * BATCHES as u64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    pub requests: u64,
    pub codes: u64,
    pub sessions: u64,
    pub families: u64,
}

impl Forgotten {
    /// Whether a kind has more to lose, so that the next turn should follow at once.
    pub const fn is_cut_short(&self) -> bool {
        self.requests >= A_TURN || self.codes >= A_TURN || self.sessions >= A_TURN || self.families >= A_TURN
    }
}

/// Whether so many deleted rows of one kind were a whole turn's work.
pub const fn is_a_turn(deleted: u64) -> bool {
    deleted >= A_TURN
}

/// Deliveries that can be looked up no more, by seconds since they were delivered or parked. `None`: they stay for ever.
pub async fn forget_deliveries(context: &Context, delivered: i64, parked: Option<i64>) -> Result<u64, DbError> {
    let (db, now) = (&context.db, context.clock.now());
    let delete =
        async |state, kept: i64| in_batches(|| deliveries::delete_finished(db, state, now.minus(kept), BATCH)).await;
    let mut deleted = in_batches(|| lanes::delete_of_nobody(db, BATCH)).await?;
    deleted += delete(State::Delivered, delivered).await?;
    if let Some(kept) = parked {
        deleted += delete(State::Parked, kept).await?;
    }
    Ok(deleted)
}

/// How many of each were deleted.
pub async fn forget_expired(context: &Context) -> Result<Forgotten, DbError> {
    let (db, now) = (&context.db, context.clock.now());
    let codes_before = now.minus(CODES_STAY);
    let (signed_in_before, seen_before) = (now.minus(session::ABSOLUTE), now.minus(session::IDLE));
    Ok(Forgotten {
        requests: forget_requests(context).await?,
        codes: in_batches(|| codes::delete_expired(db, codes_before, BATCH)).await?,
        sessions: in_batches(|| sessions::delete_expired(db, signed_in_before, seen_before, BATCH)).await?,
        families: in_batches(|| families::forget(db, now, BATCH)).await?,
    })
}

/// Authorization requests that nobody answered.
pub async fn forget_requests(context: &Context) -> Result<u64, DbError> {
    let (db, now) = (&context.db, context.clock.now());
    in_batches(|| requests::delete_expired(db, now, BATCH)).await
}

pub(in crate::actions) async fn in_batches<F: Future<Output = Result<u64, DbError>>>(
    batch: impl Fn() -> F,
) -> Result<u64, DbError> {
    let mut deleted = 0;
    for _ in 0..BATCHES {
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
    fn a_turn_is_cut_short_if_any_kind_has_more_to_lose() {
        assert!(!Forgotten { requests: A_TURN - 1, codes: A_TURN - 1, sessions: 1, families: 1 }.is_cut_short());
        assert!(Forgotten { requests: A_TURN, ..Forgotten::default() }.is_cut_short());
        assert!(Forgotten { families: A_TURN, ..Forgotten::default() }.is_cut_short());
        assert!(is_a_turn(A_TURN) && !is_a_turn(A_TURN - 1));
    }

    #[tokio::test]
    async fn batches_follow_each_other_until_none_is_full_but_not_for_ever() {
        assert_eq!(batches(0).await, (1, 0));
        assert_eq!(batches(499).await, (1, 499));
        assert_eq!(batches(500).await, (2, 500));
        assert_eq!(batches(1_001).await, (3, 1_001));
        assert_eq!(batches(1_000_000).await, (BATCHES, 100_000));
    }
}
