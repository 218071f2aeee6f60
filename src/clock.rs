//! The only reader of the time. Everything else is handed a [`Clock`], so that tests move time instead of waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::oauth::Timestamp;

#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { started: Instant },
    ByHand(Hand),
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask the system")]
    pub fn system() -> Self {
        Self(Source::System { started: Instant::now() })
    }

    /// A clock that stands still until its hand is moved.
    pub fn by_hand(at: Timestamp) -> (Self, Hand) {
        let hand = Hand { base: at, moved_ms: Arc::new(AtomicU64::new(0)) };
        (Self(Source::ByHand(hand.clone())), hand)
    }

    /// The time of day, for what is stored and said.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_seconds(i64::try_from(self.unix_millis() / 1000).unwrap_or(i64::MAX))
    }

    /// Milliseconds since 1970, for time-ordered ids.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask the system")]
    pub fn unix_millis(&self) -> u64 {
        match &self.0 {
            Source::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }
            Source::ByHand(hand) => {
                let base = u64::try_from(hand.base.seconds()).unwrap_or(0);
                base.saturating_mul(1000).saturating_add(hand.moved_ms.load(Ordering::Relaxed))
            }
        }
    }

    /// Time since the clock was made. Never goes back, so it is what durations and budgets are measured with.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { started } => started.elapsed(),
            Source::ByHand(hand) => Duration::from_millis(hand.moved_ms.load(Ordering::Relaxed)),
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
}
