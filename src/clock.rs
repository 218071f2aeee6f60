//! The only reader of the time. Everything else is handed a [`Clock`], so that tests move time instead of waiting.
//!
//! The time of day is the database's, once it is known: it was read there, and is carried against this host's monotonic
//! clock. So all servers on one database compare times of one clock, and a host whose own clock is wrong, or jumps, does no
//! harm.

mod database_time;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::clock::database_time::DatabaseTime;
pub use crate::clock::database_time::{Followed, Reading};
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug)]
pub struct Clock {
    host: Host,
    database: Arc<DatabaseTime>,
}

#[derive(Clone, Debug)]
enum Host {
    System { started: Instant },
    ByHand(Hand),
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask the system")]
    pub fn system() -> Self {
        Self { host: Host::System { started: Instant::now() }, database: Arc::default() }
    }

    /// A clock that stands still until its hand is moved.
    pub fn by_hand(at: Timestamp) -> (Self, Hand) {
        let hand = Hand { base: at, moved_ms: Arc::new(AtomicU64::new(0)) };
        (Self { host: Host::ByHand(hand.clone()), database: Arc::default() }, hand)
    }

    /// The time of day, for timestamps that are stored or sent.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_seconds(i64::try_from(self.unix_millis() / 1000).unwrap_or(i64::MAX))
    }

    /// Milliseconds since 1970, for time-ordered ids.
    pub fn unix_millis(&self) -> u64 {
        let time = self.database.at(self.elapsed()).unwrap_or_else(|| self.host_millis());
        u64::try_from(time).unwrap_or(0)
    }

    /// Carries on from what the database said the time is. All clones follow.
    pub fn follow(&self, reading: &Reading) -> Followed {
        self.database.follow(reading, self.elapsed(), self.host_millis())
    }

    /// By how many milliseconds this host's clock was ahead of the database's when that was last read.
    pub fn skew_ms(&self) -> Option<i64> {
        self.database.skew_ms()
    }

    /// The host's own time of day, which may be wrong.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask the system")]
    pub fn host_millis(&self) -> i64 {
        match &self.host {
            Host::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
            Host::ByHand(hand) => {
                let moved = i64::try_from(hand.moved_ms.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
                hand.base.seconds().saturating_mul(1000).saturating_add(moved)
            }
        }
    }

    /// Time since the clock was made. Never goes back, so it is what durations and budgets are measured with.
    pub fn elapsed(&self) -> Duration {
        match &self.host {
            Host::System { started } => started.elapsed(),
            Host::ByHand(hand) => Duration::from_millis(hand.moved_ms.load(Ordering::Relaxed)),
        }
    }
}

/// Moves a clock made by [`Clock::by_hand`].
#[derive(Clone, Debug)]
pub struct Hand {
    base: Timestamp,
    moved_ms: Arc<AtomicU64>,
}

impl Hand {
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.fetch_add(by, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_by_hand_stands_still_until_it_is_moved() {
        let (clock, hand) = Clock::by_hand(Timestamp::from_seconds(1_000));
        assert_eq!(clock.now(), Timestamp::from_seconds(1_000));
        assert_eq!(clock.elapsed(), Duration::ZERO);

        hand.advance(Duration::from_millis(2_500));

        assert_eq!(clock.now(), Timestamp::from_seconds(1_002));
        assert_eq!(clock.unix_millis(), 1_002_500);
        assert_eq!(clock.elapsed(), Duration::from_millis(2_500));
    }

    #[test]
    fn the_system_clock_is_past_the_day_this_was_written() {
        assert!(Clock::system().now() > Timestamp::from_seconds(1_763_000_000));
    }

    #[test]
    fn a_host_a_day_ahead_uses_the_time_of_its_database_in_every_clone() {
        let (clock, hand) = Clock::by_hand(Timestamp::from_seconds(100_000 + 86_400));
        let clone = clock.clone();
        hand.advance(Duration::from_secs(10));

        let now = clock.elapsed();
        let followed = clock.follow(&Reading { asked: now, answered: now, unix_millis: 100_010_000 });
        hand.advance(Duration::from_secs(5));

        assert_eq!(clone.now(), Timestamp::from_seconds(100_015));
        assert_eq!((followed.skew_ms, followed.step_ms, clock.skew_ms()), (86_400_000, None, Some(86_400_000)));
    }
}
