//! The remaining lifetime of a token that was just revoked, as it is shown to users. APIs that
//! check only signatures accept the token until it expires.

use crate::timestamp::Timestamp;

/// The remaining lifetime, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemainingLife {
    /// 1 to [`MAX_MINUTES`] minutes.
    Minutes(u64),
    Hours(u64),
}

/// Longer times are shown in hours.
const MAX_MINUTES: u64 = 120;

impl RemainingLife {
    /// `None` if no API accepts a token any longer.
    pub fn until(ends_at: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let seconds = ends_at?.seconds_since(now).unsigned_abs();
        match seconds.div_ceil(60) {
            0 => None,
            minutes if minutes <= MAX_MINUTES => Some(Self::Minutes(minutes)),
            _ => Some(Self::Hours(seconds.div_ceil(3_600))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remaining_life_is_rounded_up_and_absent_after_expiry() {
        let until = |seconds: i64| {
            RemainingLife::until(
                Some(Timestamp::from_seconds(1_000 + seconds)),
                Timestamp::from_seconds(1_000),
            )
        };
        let cases = [
            (-60, None),
            (0, None),
            (1, Some(RemainingLife::Minutes(1))),
            (60, Some(RemainingLife::Minutes(1))),
            (61, Some(RemainingLife::Minutes(2))),
            (2_520, Some(RemainingLife::Minutes(42))),
            (3_600, Some(RemainingLife::Minutes(60))),
            (7_200, Some(RemainingLife::Minutes(120))),
            (7_201, Some(RemainingLife::Hours(3))),
            (86_400, Some(RemainingLife::Hours(24))),
        ];
        for (seconds, expected) in cases {
            assert_eq!(until(seconds), expected, "{seconds}");
        }
        assert_eq!(RemainingLife::until(None, Timestamp::from_seconds(1_000)), None);
    }
}
