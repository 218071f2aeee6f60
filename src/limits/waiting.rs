//! Limits how many authorization requests wait for their user. Anyone may start one, and each is a
//! row for ten minutes.
//!
//! Each source has its own limit. Above a total for all sources, each source may add only a few
//! more, so that an attacker who fills the table does not keep others from signing in. Twice the
//! total is never exceeded.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::rate_limit::{Class, Counted, RateLimits, TooManyRequests};
use crate::rules::authorization::waiting::{Room, WaitingBounds};

/// The number at the last count, which the sweeper takes every minute, plus the requests that this
/// server has added since.
#[derive(Debug)]
pub struct WaitingRequests {
    bounds: WaitingBounds,
    counted: AtomicU64,
    added: AtomicU64,
}

impl WaitingRequests {
    /// Seconds until the next count, for a source that is refused because there is no room.
    const RETRY_AFTER: u64 = 60;

    pub const fn new(bounds: WaitingBounds) -> Self {
        Self { bounds, counted: AtomicU64::new(0), added: AtomicU64::new(0) }
    }

    /// Where counting may stop: a larger number has the same effect.
    pub fn counted_up_to(&self) -> u64 {
        self.bounds.max().saturating_add(1)
    }

    pub fn set(&self, counted: u64) {
        self.counted.store(counted, Ordering::Relaxed);
        self.added.store(0, Ordering::Relaxed);
    }

    /// Admits one more request, or returns when to retry.
    pub fn admit(&self, limits: &RateLimits, source: Counted) -> Result<(), TooManyRequests> {
        limits.take(Class::Waiting, source)?;
        let waiting =
            self.counted.load(Ordering::Relaxed).saturating_add(self.added.load(Ordering::Relaxed));
        match self.bounds.room(waiting) {
            Room::Ample => {}
            Room::Scarce => limits.take(Class::WaitingWhenScarce, source)?,
            Room::None => return Err(self.refusal()),
        }
        self.added.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn refusal(&self) -> TooManyRequests {
        let limit = u32::try_from(self.bounds.max()).unwrap_or(u32::MAX);
        TooManyRequests { limit, period: 600, reset: Self::RETRY_AFTER, class: Class::Waiting }
    }
}
