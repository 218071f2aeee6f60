//! Look-ups of credentials for sources that have used up their limits. Right credentials are accepted from such a source
//! too, so every credential is looked up. These look-ups take turns, so that wrong credentials do not use up the connections
//! to the database.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::http::middleware::rate_limit::{Class, Counted, RateLimits};

/// Look-ups at the same time, for all sources that have used up their limits.
const MAX_AT_ONCE: usize = 4;
static BEYOND_LIMITS: Semaphore = Semaphore::const_new(MAX_AT_ONCE);

/// Waits for a turn if the source has used up one of its limits. Turns are given in the order of arrival, so right
/// credentials wait for a moment and are not refused.
pub async fn turn(limits: &RateLimits, source: Option<Counted>, classes: &[Class]) -> Option<SemaphorePermit<'static>> {
    let source = source?;
    if classes.iter().all(|class| limits.check(*class, source).is_ok()) {
        return None;
    }
    BEYOND_LIMITS.acquire().await.ok()
}
