//! Credential lookups for sources that have used up their limits. Valid credentials are accepted
//! from such a source too, so every credential is looked up. These lookups take turns, so that
//! wrong credentials cannot use up the database connections.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits::rate_limit::{Class, Counted, RateLimits};

/// The number of concurrent lookups for all sources that have used up their limits.
const MAX_AT_ONCE: usize = 4;
static BEYOND_LIMITS: Semaphore = Semaphore::const_new(MAX_AT_ONCE);

/// Waits for a turn if the source has used up one of its limits. Turns are given in order of
/// arrival, so valid credentials wait for a moment and are not refused.
pub async fn wait_for_turn(
    limits: &RateLimits,
    source: Option<Counted>,
    classes: &[Class],
) -> Option<SemaphorePermit<'static>> {
    let source = source?;
    if classes.iter().all(|class| limits.check(*class, source).is_ok()) {
        return None;
    }
    BEYOND_LIMITS.acquire().await.ok()
}
