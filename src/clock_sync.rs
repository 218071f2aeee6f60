//! Reads the time of the database periodically, and reports a host whose own clock is wrong.

use std::sync::Arc;
use std::time::Duration;

use crate::actions::upkeep::follow_database_clock::follow_database_clock;
use crate::app::App;
use crate::clock::Followed;

const INTERVAL: Duration = Duration::from_secs(10);
/// A larger difference is logged as a warning, although no decision of Grantor depends on the
/// host's clock.
pub const MAX_SKEW_MS: i64 = 30_000;
/// A host stays wrong for a long time, so one warning an hour is enough.
const SKEW_WARNING_INTERVAL: Duration = Duration::from_secs(3_600);
/// A larger correction is a step of the database's clock, not the drift of a monotonic clock.
const MAX_DRIFT_MS: i64 = 1_000;
const STEP_WARNING_INTERVAL: Duration = Duration::from_secs(60);

pub async fn follow_until_stopped(app: Arc<App>) {
    let mut timer = tokio::time::interval(INTERVAL);
    let mut warnings = Warnings::default();
    loop {
        tokio::select! {
            _ = timer.tick() => follow(&app, &mut warnings).await,
            () = app.stop.stopped() => return,
        }
    }
}

/// Reads the time once.
pub async fn follow(app: &App, warnings: &mut Warnings) {
    match follow_database_clock(&app.context).await {
        Ok(followed) => {
            app.metrics.clock_skew.set(followed.skew_ms as f64 / 1000.0);
            warnings.write(followed, app.context.clock.elapsed());
        }
        // The last reading and the monotonic clock stay accurate for hours.
        Err(error) => tracing::debug!(%error, "could not read the time of the database"),
    }
}

/// When the last warnings were logged, so that they are not repeated too often.
#[derive(Default)]
pub struct Warnings {
    skew_at: Option<Duration>,
    step_at: Option<Duration>,
}

impl Warnings {
    fn write(&mut self, followed: Followed, now: Duration) {
        let Followed { skew_ms, step_ms } = followed;
        if skew_ms.saturating_abs() > MAX_SKEW_MS {
            if is_due(&mut self.skew_at, now, SKEW_WARNING_INTERVAL) {
                tracing::warn!(
                    skew_ms,
                    "this host's clock differs from the database's by more than 30 s: synchronize it with NTP. Grantor \
                     uses the database's time"
                );
            }
        } else {
            self.skew_at = None;
        }
        if let Some(step_ms) = step_ms.filter(|step_ms| step_ms.saturating_abs() > MAX_DRIFT_MS)
            && is_due(&mut self.step_at, now, STEP_WARNING_INTERVAL)
        {
            tracing::warn!(
                step_ms,
                "the database's clock stepped: check that its hosts are synchronized with NTP"
            );
        }
    }
}

/// Whether a warning is due. If so, this records the time of the warning.
fn is_due(last: &mut Option<Duration>, now: Duration, interval: Duration) -> bool {
    let is_due = last.is_none_or(|last| now.saturating_sub(last) >= interval);
    if is_due {
        *last = Some(now);
    }
    is_due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_due_at_once_and_then_after_each_interval() {
        let mut last = None;
        let mut due_at =
            |seconds| is_due(&mut last, Duration::from_secs(seconds), SKEW_WARNING_INTERVAL);

        assert_eq!(
            [5, 15, 3_604, 3_605, 3_606].map(&mut due_at),
            [true, false, false, true, false]
        );
    }

    #[test]
    fn a_host_that_was_right_for_a_while_is_reported_again() {
        let mut warnings = Warnings::default();
        let skewed = |skew_ms| Followed { skew_ms, step_ms: None };

        warnings.write(skewed(30_001), Duration::from_secs(10));
        assert_eq!(warnings.skew_at, Some(Duration::from_secs(10)));
        warnings.write(skewed(-30_000), Duration::from_secs(20));
        assert_eq!(warnings.skew_at, None);
        warnings.write(skewed(-30_001), Duration::from_secs(30));

        assert_eq!(warnings.skew_at, Some(Duration::from_secs(30)));
    }
}
