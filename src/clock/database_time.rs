//! The time of day of the database, which advances with the monotonic clock of the host between
//! readings.
//!
//! The database reads its clock at some moment between request and response, so the round trip
//! limits the precision of a reading. If the current time is within that precision, it stays as it
//! is. Otherwise it is corrected: forward at once, and back by standing still until it is right, so
//! that a slightly fast monotonic clock never turns time back. A large step back is applied at
//! once, since it means that the clock of the database itself stepped.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

/// A correction back by at most this much makes time stand still. This is twice the largest
/// difference between two servers on a slow network.
const MAX_STANDSTILL_MS: i64 = 10_000;

/// A reading of the database's clock. `asked` and `answered` are as
/// [`crate::clock::Clock::elapsed`].
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub asked: Duration,
    pub answered: Duration,
    pub unix_millis: i64,
}

impl Reading {
    /// The database's time when `elapsed` was zero.
    fn base_ms(&self) -> i64 {
        self.unix_millis.saturating_sub(millis(self.asked).midpoint(millis(self.answered)))
    }

    /// How wrong `base_ms` may be: half the round trip, and the rounding to whole milliseconds.
    fn error_ms(&self) -> i64 {
        millis(self.answered.saturating_sub(self.asked)) / 2 + 2
    }
}

/// The result of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// How many milliseconds the clock of this host is ahead of the database.
    pub skew_ms: i64,
    /// The correction in milliseconds. `None` for the first reading, or if no correction was
    /// needed.
    pub step_ms: Option<i64>,
}

#[derive(Debug)]
pub(super) struct DatabaseTime {
    is_known: AtomicBool,
    /// The database's time when `elapsed` was zero.
    base_ms: AtomicI64,
    /// The time never goes below this, so that a small correction does not turn it back.
    floor_ms: AtomicI64,
    skew_ms: AtomicI64,
}

impl Default for DatabaseTime {
    fn default() -> Self {
        Self {
            is_known: AtomicBool::new(false),
            base_ms: AtomicI64::new(0),
            floor_ms: AtomicI64::new(i64::MIN),
            skew_ms: AtomicI64::new(0),
        }
    }
}

impl DatabaseTime {
    /// Returns `None` before the first reading.
    pub(super) fn at(&self, elapsed: Duration) -> Option<i64> {
        if !self.is_known.load(Ordering::Acquire) {
            return None;
        }
        // The floor is stored before the base, so a new base is always seen with its floor.
        let base = self.base_ms.load(Ordering::Acquire);
        let floor = self.floor_ms.load(Ordering::Relaxed);
        Some(base.saturating_add(millis(elapsed)).max(floor))
    }

    pub(super) fn skew_ms(&self) -> Option<i64> {
        self.is_known.load(Ordering::Acquire).then(|| self.skew_ms.load(Ordering::Relaxed))
    }

    pub(super) fn follow(&self, reading: &Reading, elapsed: Duration, host_ms: i64) -> Followed {
        let current = self.at(elapsed).map(|now| (self.base_ms.load(Ordering::Relaxed), now));
        let correction = correction(current, reading);
        if let Some(Correction { base_ms, floor_ms, .. }) = correction {
            self.floor_ms.store(floor_ms, Ordering::Relaxed);
            self.base_ms.store(base_ms, Ordering::Release);
        }
        let skew_ms = host_ms.saturating_sub(reading.base_ms().saturating_add(millis(elapsed)));
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
        self.is_known.store(true, Ordering::Release);
        Followed { skew_ms, step_ms: correction.and_then(|correction| correction.step_ms) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Correction {
    base_ms: i64,
    floor_ms: i64,
    step_ms: Option<i64>,
}

/// `current` is the current base, and the time that it yields now. Returns `None` if the current
/// time is as good as the reading.
fn correction(current: Option<(i64, i64)>, reading: &Reading) -> Option<Correction> {
    let base_ms = reading.base_ms();
    let Some((current_base, current_now)) = current else {
        return Some(Correction { base_ms, floor_ms: i64::MIN, step_ms: None });
    };
    let step = base_ms.saturating_sub(current_base);
    if step.saturating_abs() <= reading.error_ms() {
        return None;
    }
    let is_small_step_back = (-MAX_STANDSTILL_MS..0).contains(&step);
    let floor_ms = if is_small_step_back { current_now } else { i64::MIN };
    Some(Correction { base_ms, floor_ms, step_ms: Some(step) })
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    /// A reading that began at one second, took `round_trip` milliseconds and returned
    /// `unix_millis`.
    fn reading(unix_millis: i64, round_trip: u64) -> Reading {
        let asked = Duration::from_secs(1);
        Reading { asked, answered: asked + Duration::from_millis(round_trip), unix_millis }
    }

    #[test]
    fn a_reading_corrects_differences_beyond_its_precision() {
        const NOW: i64 = 5_000;
        const FREE: i64 = i64::MIN;
        // The current time has base zero: at one second it is 1000.
        let cases = [
            ("the same time", reading(1_000, 0), None),
            ("within half of the round trip", reading(1_140, 200), None),
            ("and on its other side", reading(1_060, 200), None),
            ("a little ahead", reading(1_500, 0), Some((500, FREE))),
            ("a little behind", reading(500, 0), Some((-500, NOW))),
            (
                "behind by as much as makes time stand still",
                reading(-9_000, 0),
                Some((-10_000, NOW)),
            ),
            (
                "behind by more: the database's clock stepped",
                reading(-9_001, 0),
                Some((-10_001, FREE)),
            ),
            ("a day ahead", reading(DAY_MS + 1_000, 0), Some((DAY_MS, FREE))),
            ("a day behind", reading(1_000 - DAY_MS, 0), Some((-DAY_MS, FREE))),
        ];
        for (what, reading, expected) in cases {
            let expected = expected.map(|(base_ms, floor_ms)| Correction {
                base_ms,
                floor_ms,
                step_ms: Some(base_ms),
            });
            assert_eq!(correction(Some((0, NOW)), &reading), expected, "{what}");
        }
    }

    #[test]
    fn the_first_reading_is_used_despite_a_long_round_trip() {
        let expected = Correction { base_ms: DAY_MS - 2_000, floor_ms: i64::MIN, step_ms: None };

        assert_eq!(correction(None, &reading(DAY_MS, 2_000)), Some(expected));
    }

    #[test]
    fn time_stands_still_after_a_small_step_back() {
        let time = DatabaseTime::default();
        let at = |seconds| time.at(Duration::from_secs(seconds));
        assert_eq!(at(1), None);

        time.follow(&reading(10_000, 0), Duration::from_secs(1), 0);
        assert_eq!(at(4), Some(13_000));
        let reading = Reading {
            asked: Duration::from_secs(4),
            answered: Duration::from_secs(4),
            unix_millis: 11_000,
        };
        let followed = time.follow(&reading, Duration::from_secs(4), 12_000);

        assert_eq!(followed, Followed { skew_ms: 1_000, step_ms: Some(-2_000) });
        assert_eq!(
            [at(4), at(5), at(6), at(7)],
            [Some(13_000), Some(13_000), Some(13_000), Some(14_000)]
        );
    }

    #[test]
    fn extreme_times_do_not_panic() {
        for unix_millis in [i64::MIN, 0, i64::MAX] {
            let time = DatabaseTime::default();
            for host_ms in [i64::MIN, i64::MAX] {
                time.follow(&reading(unix_millis, 0), Duration::MAX, host_ms);
                assert!(time.at(Duration::MAX).is_some());
            }
        }
    }
}
