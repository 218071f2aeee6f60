//! The only module that reads the time. Everything else gets a [`Clock`], so that tests move time
//! instead of waiting.
//!
//! The time of day is that of the database, once it was read, and advances with the monotonic clock
//! of this host. So all servers of a database use the same time, and a wrong or jumping clock of a
//! host does no harm.

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
    Manual(ManualClock),
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask the system")]
    pub fn system() -> Self {
        Self { host: Host::System { started: Instant::now() }, database: Arc::default() }
    }

    /// Returns a clock that stands still until the [`ManualClock`] moves it.
    pub fn manual(at: Timestamp) -> (Self, ManualClock) {
        let manual = ManualClock { base: at, moved_ms: Arc::new(AtomicU64::new(0)) };
        (Self { host: Host::Manual(manual.clone()), database: Arc::default() }, manual)
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

    /// Continues from the time of the database. This affects all clones.
    pub fn follow(&self, reading: &Reading) -> Followed {
        self.database.follow(reading, self.elapsed(), self.host_millis())
    }

    /// How many milliseconds the clock of this host was ahead of the database at the last reading.
    pub fn skew_ms(&self) -> Option<i64> {
        self.database.skew_ms()
    }

    /// The time of day of this host, which may be wrong.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask the system")]
    fn host_millis(&self) -> i64 {
        match &self.host {
            Host::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
            Host::Manual(manual) => {
                let moved =
                    i64::try_from(manual.moved_ms.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
                manual.base.seconds().saturating_mul(1000).saturating_add(moved)
            }
        }
    }

    /// The time since the clock was created. It never goes back, so use it to measure durations.
    pub fn elapsed(&self) -> Duration {
        match &self.host {
            Host::System { started } => started.elapsed(),
            Host::Manual(manual) => Duration::from_millis(manual.moved_ms.load(Ordering::Relaxed)),
        }
    }
}

/// Moves a clock made by [`Clock::manual`].
#[derive(Clone, Debug)]
pub struct ManualClock {
    base: Timestamp,
    moved_ms: Arc<AtomicU64>,
}

impl ManualClock {
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.fetch_add(by, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_it_is_moved() {
        let (clock, hand) = Clock::manual(Timestamp::from_seconds(1_000));
        assert_eq!(clock.now(), Timestamp::from_seconds(1_000));
        assert_eq!(clock.elapsed(), Duration::ZERO);

        hand.advance(Duration::from_millis(2_500));

        assert_eq!(clock.now(), Timestamp::from_seconds(1_002));
        assert_eq!(clock.unix_millis(), 1_002_500);
        assert_eq!(clock.elapsed(), Duration::from_millis(2_500));
    }

    #[test]
    fn the_system_clock_is_later_than_this_test() {
        assert!(Clock::system().now() > Timestamp::from_seconds(1_763_000_000));
    }

    #[test]
    fn a_host_that_is_a_day_ahead_uses_the_time_of_the_database_in_every_clone() {
        let (clock, hand) = Clock::manual(Timestamp::from_seconds(100_000 + 86_400));
        let clone = clock.clone();
        hand.advance(Duration::from_secs(10));

        let now = clock.elapsed();
        let followed =
            clock.follow(&Reading { asked: now, answered: now, unix_millis: 100_010_000 });
        hand.advance(Duration::from_secs(5));

        assert_eq!(clone.now(), Timestamp::from_seconds(100_015));
        assert_eq!(
            (followed.skew_ms, followed.step_ms, clock.skew_ms()),
            (86_400_000, None, Some(86_400_000))
        );
    }
}
