//! Clean-up that strands nobody: only clients that no organisation ever restricted or authorised, long unseen.

use super::Context;
use crate::db::{DbError, clients};

/// Small enough that a batch holds no lock for long.
const BATCH: u32 = 500;

/// How many were forgotten. `forget_after` in seconds; 0 keeps everything.
pub async fn forget_clients(context: &Context, forget_after: i64) -> Result<u64, DbError> {
    if forget_after == 0 {
        return Ok(0);
    }
    let seen_before = context.clock.now().minus(forget_after);
    let mut forgotten = 0;
    loop {
        let batch = clients::forget(&context.db, seen_before, BATCH).await?;
        forgotten += batch;
        if batch < u64::from(BATCH) {
            return Ok(forgotten);
        }
    }
}
