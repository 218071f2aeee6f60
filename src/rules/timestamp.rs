//! Whole seconds since 1970-01-01 UTC, the format of times in OAuth (RFC 7591 section 3.2.1,
//! RFC 7519 section 2).

use serde::{Deserialize, Serialize};

/// A point in time. Only `clock.rs` reads the system clock. Arithmetic saturates, so a clock that
/// jumps cannot cause a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    pub const fn seconds(self) -> i64 {
        self.0
    }

    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    pub const fn minus(self, seconds: i64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// The number of seconds from `earlier` to this time, never negative. If the clock was set
    /// back, things look new rather than old.
    pub const fn seconds_since(self, earlier: Self) -> i64 {
        let elapsed = self.0.saturating_sub(earlier.0);
        if elapsed < 0 { 0 } else { elapsed }
    }

    /// The start of the current minute, hour or day, whose length is `seconds`. It is used for
    /// times that are stored with a coarser precision.
    pub const fn rounded_down_to(self, seconds: i64) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(seconds)))
    }

    /// The time in RFC 3339 format with `Z`, such as `2026-11-21T10:00:00Z`.
    pub fn to_rfc3339(self) -> String {
        let (year, month, day) = civil_from_days(self.0.div_euclid(86_400));
        let second_of_day = self.0.rem_euclid(86_400);
        let hour = second_of_day / 3600;
        let minute = second_of_day / 60 % 60;
        let second = second_of_day % 60;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The proleptic Gregorian date of a day count. Years are counted from March 1, which makes the
/// leap day the last day of a year, so one linear formula gives the month for a day of the year.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    const DAYS_FROM_0000_03_01: i64 = 719_468;
    let shifted = days.saturating_add(DAYS_FROM_0000_03_01);
    let era = shifted.div_euclid(DAYS_IN_400_YEARS);
    let day_of_era = shifted.rem_euclid(DAYS_IN_400_YEARS);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_formatted_as_rfc_3339_in_utc() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_255_901, "2026-11-21T10:11:41Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(Timestamp::from_seconds(seconds).to_rfc3339(), expected);
        }
    }

    #[test]
    fn the_extremes_do_not_panic() {
        for seconds in [i64::MIN, i64::MAX] {
            let at = Timestamp::from_seconds(seconds);
            assert!(at.to_rfc3339().ends_with('Z'));
            assert_eq!(at.plus(i64::MAX).minus(i64::MAX).seconds_since(at.plus(i64::MAX)), 0);
        }
    }

    #[test]
    fn the_elapsed_time_is_zero_if_the_clock_was_set_back() {
        let now = Timestamp::from_seconds(100);

        assert_eq!(now.seconds_since(Timestamp::from_seconds(160)), 0);
        assert_eq!(now.seconds_since(Timestamp::from_seconds(40)), 60);
    }
}
