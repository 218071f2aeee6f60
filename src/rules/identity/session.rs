//! How long somebody stays signed in at a browser.

use crate::rules::timestamp::Timestamp;

/// A session that nobody used for so many seconds is over.
pub const IDLE: i64 = 8 * 3_600;
/// A session is over so many seconds after the sign-in, however much it is used.
pub const ABSOLUTE: i64 = 24 * 3_600;

pub const fn is_over(signed_in_at: Timestamp, last_seen_at: Timestamp, now: Timestamp) -> bool {
    now.seconds_since(last_seen_at) > IDLE || now.seconds_since(signed_in_at) > ABSOLUTE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_eight_hours_after_its_last_use_and_a_day_after_the_sign_in() {
        let at = Timestamp::from_seconds;
        let cases = [
            (0, 0, 0, false),
            (0, 0, IDLE, false),
            (0, 0, IDLE + 1, true),
            (0, ABSOLUTE - 1, ABSOLUTE, false),
            (0, ABSOLUTE, ABSOLUTE + 1, true),
            // A clock that stepped back ends nothing.
            (100, 100, 0, false),
        ];
        for (signed_in, last_seen, now, over) in cases {
            assert_eq!(is_over(at(signed_in), at(last_seen), at(now)), over, "{signed_in} {last_seen} {now}");
        }
    }
}
