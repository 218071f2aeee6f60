//! The durations of the requests, and their percentiles.

use std::time::Duration;

/// Microseconds in four bytes per request, so a million requests use four megabytes.
#[derive(Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    pub fn record(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The percentile in milliseconds for this share of the requests (0.5, 0.99), or 0 without
    /// requests.
    pub fn percentiles(mut self, shares: [f64; 2]) -> [f64; 2] {
        self.0.sort_unstable();
        shares.map(|share| {
            let rank = (self.0.len() as f64 * share).ceil() as usize;
            self.0.get(rank.saturating_sub(1)).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
        })
    }
}
