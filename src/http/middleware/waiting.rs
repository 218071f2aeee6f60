//! How many authorization requests wait for their user. Anybody may begin one, and each is a row for ten minutes.
//!
//! Each source may leave only so many waiting. From a certain number on, by all sources together, a source may leave only a
//! few more, so that whoever fills the table does not keep others from signing in. Twice that number is never exceeded.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::http::middleware::rate_limit::{Class, Counted, RateLimits, TooManyRequests};
use crate::rules::authorization::waiting::{Room, WaitingBounds};

/// The number at the last count, which the sweeper takes every minute, and what this server has added since.
#[derive(Debug)]
pub struct WaitingRequests {
    bounds: WaitingBounds,
    counted: AtomicU64,
    added: AtomicU64,
}

impl WaitingRequests {
    /// Until the next count when there is no room at all.
    const RETRY_AFTER: u64 = 60;

    pub const fn new(bounds: WaitingBounds) -> Self {
        Self { bounds, counted: AtomicU64::new(0), added: AtomicU64::new(0) }
    }

    /// A larger number makes no difference.
    pub fn counted_up_to(&self) -> u64 {
        self.bounds.most().saturating_add(1)
    }

    pub fn set(&self, counted: u64) {
        self.counted.store(counted, Ordering::Relaxed);
        self.added.store(0, Ordering::Relaxed);
    }

    /// Admits one more, or says when to come back.
    pub fn admit(&self, limits: &RateLimits, source: Counted) -> Result<(), TooManyRequests> {
        limits.take(Class::Waiting, source)?;
        let waiting = self.counted.load(Ordering::Relaxed).saturating_add(self.added.load(Ordering::Relaxed));
        match self.bounds.room(waiting) {
            Room::Ample => {}
            Room::Scarce => limits.take(Class::WaitingWhenScarce, source)?,
            Room::None => return Err(self.refusal()),
        }
        self.added.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn refusal(&self) -> TooManyRequests {
        let limit = u32::try_from(self.bounds.most()).unwrap_or(u32::MAX);
        TooManyRequests { limit, period: 600, reset: Self::RETRY_AFTER, class: Class::Waiting }
    }
}
