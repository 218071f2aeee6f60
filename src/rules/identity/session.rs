//! How long a user stays signed in in a browser.

use crate::timestamp::Timestamp;

/// Seconds without use after which a session expires.
pub const IDLE_TIMEOUT: i64 = 8 * 3_600;
/// Seconds after the sign-in after which a session expires, even if it is in use.
pub const ABSOLUTE_TIMEOUT: i64 = 24 * 3_600;

pub const fn is_expired(signed_in_at: Timestamp, last_seen_at: Timestamp, now: Timestamp) -> bool {
    now.seconds_since(last_seen_at) > IDLE_TIMEOUT
        || now.seconds_since(signed_in_at) > ABSOLUTE_TIMEOUT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_expires_eight_hours_after_its_last_use_and_a_day_after_the_sign_in() {
        let at = Timestamp::from_seconds;
        let cases = [
            (0, 0, 0, false),
            (0, 0, IDLE_TIMEOUT, false),
            (0, 0, IDLE_TIMEOUT + 1, true),
            (0, ABSOLUTE_TIMEOUT - 1, ABSOLUTE_TIMEOUT, false),
            (0, ABSOLUTE_TIMEOUT, ABSOLUTE_TIMEOUT + 1, true),
            // A clock that was set back does not expire sessions.
            (100, 100, 0, false),
        ];
        for (signed_in, last_seen, now, expired) in cases {
            assert_eq!(
                is_expired(at(signed_in), at(last_seen), at(now)),
                expired,
                "{signed_in} {last_seen} {now}"
            );
        }
    }
}
