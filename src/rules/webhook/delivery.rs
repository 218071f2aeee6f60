//! The next step after an attempt to deliver an event to a webhook: the delivery is done, retried
//! after a growing pause, or parked until a person looks at it.

use crate::timestamp::Timestamp;

/// In seconds.
const FIRST_PAUSE: i64 = 5;
const MAX_PAUSE: i64 = 6 * 3_600;
/// The factor by which each pause is longer than the previous one.
const GROWTH: i64 = 3;
/// RFC 9110 section 15.5.11: the receiver is permanently gone.
const GONE: u16 = 410;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryRules {
    /// The maximum number of attempts.
    pub attempts: u32,
    /// Seconds of waiting after which the delivery is parked.
    pub give_up_after: i64,
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered {
        status: u16,
    },
    Failed {
        status: Option<u16>,
        /// A description for people.
        failure: String,
        /// Seconds from the `Retry-After` header (RFC 9110 section 10.2.3).
        retry_after: Option<i64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Done,
    /// Retry after this many seconds.
    Retry(i64),
    Parked,
}

impl Outcome {
    /// Only a 2xx status is a success. Redirects are not followed.
    pub fn of_status(status: u16, retry_after: Option<&str>) -> Self {
        let failure = match status {
            200..300 => return Self::Delivered { status },
            300..400 => format!(
                "the receiver returned {status}, but redirects are not followed: use the final URL"
            ),
            _ => format!("the receiver returned {status}"),
        };
        Self::Failed { status: Some(status), failure, retry_after: retry_after.and_then(seconds) }
    }

    pub fn failed(failure: impl ToString) -> Self {
        Self::Failed { status: None, failure: failure.to_string(), retry_after: None }
    }

    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Delivered { status } => Some(*status),
            Self::Failed { status, .. } => *status,
        }
    }

    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Delivered { .. } => None,
            Self::Failed { failure, .. } => Some(failure),
        }
    }
}

/// Accepts only seconds, because a date would depend on the receiver's clock.
fn seconds(retry_after: &str) -> Option<i64> {
    retry_after.trim().parse().ok().filter(|seconds| *seconds >= 0)
}

impl DeliveryRules {
    /// Decides the next step. `attempts` includes the attempt that was just made. `chance` varies
    /// the pause by up to a fifth in both directions, so that deliveries that failed together are
    /// not retried together.
    pub fn next(&self, outcome: &Outcome, attempts: u32, chance: u8) -> Next {
        let (status, retry_after) = match outcome {
            Outcome::Delivered { .. } => return Next::Done,
            Outcome::Failed { status, retry_after, .. } => (*status, *retry_after),
        };
        if status == Some(GONE) || attempts >= self.attempts {
            return Next::Parked;
        }
        let pause = pause(attempts) * (80 + 40 * i64::from(chance) / 255) / 100;
        Next::Retry(pause.max(retry_after.unwrap_or(0)).clamp(1, MAX_PAUSE))
    }

    /// Whether a delivery has waited too long for another attempt.
    pub fn is_too_old(&self, waiting_since: Timestamp, now: Timestamp) -> bool {
        now.seconds_since(waiting_since) > self.give_up_after
    }
}

fn pause(attempts: u32) -> i64 {
    let growth = GROWTH.saturating_pow(attempts.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(growth).min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: DeliveryRules = DeliveryRules { attempts: 10, give_up_after: 100 };
    const EVEN: u8 = 128;

    fn returned(status: u16) -> Outcome {
        Outcome::of_status(status, None)
    }

    #[test]
    fn any_2xx_status_is_a_success_and_everything_else_is_retried() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(RULES.next(&returned(status), 1, EVEN), Next::Done, "{status}");
        }
        for status in [100, 199, 300, 302, 304, 400, 401, 404, 429, 500, 503] {
            assert_eq!(RULES.next(&returned(status), 1, EVEN), Next::Retry(5), "{status}");
        }
        assert_eq!(RULES.next(&Outcome::failed("no route"), 1, EVEN), Next::Retry(5));
    }

    #[test]
    fn pauses_grow_to_six_hours_and_the_last_failure_parks_the_delivery() {
        let pauses: Vec<Next> =
            (1..=10).map(|attempts| RULES.next(&returned(500), attempts, EVEN)).collect();
        let expected = [5, 15, 45, 135, 405, 1_215, 3_645, 10_935, 21_600].map(Next::Retry);

        assert_eq!((&pauses[..9], pauses[9]), (&expected[..], Next::Parked));
        assert_eq!(
            DeliveryRules { attempts: u32::MAX, ..RULES }.next(&returned(500), 4_000_000, EVEN),
            Next::Retry(21_600)
        );
    }

    #[test]
    fn a_delivery_to_a_receiver_that_is_gone_is_parked_at_once() {
        assert_eq!(RULES.next(&returned(410), 1, EVEN), Next::Parked);
    }

    #[test]
    fn chance_varies_a_pause_by_up_to_a_fifth() {
        let pauses = [0, EVEN, 255].map(|chance| RULES.next(&returned(500), 3, chance));
        assert_eq!(pauses, [36, 45, 54].map(Next::Retry));
    }

    #[test]
    fn retry_after_can_extend_a_pause_but_not_shorten_it() {
        let cases = [
            ("60", 60),
            (" 7 ", 7),
            ("1", 5),
            ("-5", 5),
            ("999999999", 21_600),
            ("Fri, 31 Dec 1999 23:59:59 GMT", 5),
        ];
        for (retry_after, expected) in cases {
            let outcome = Outcome::of_status(429, Some(retry_after));
            assert_eq!(RULES.next(&outcome, 1, EVEN), Next::Retry(expected), "{retry_after}");
        }
    }

    #[test]
    fn a_delivery_that_waits_longer_than_allowed_is_too_old() {
        let since = Timestamp::from_seconds(1_000);
        assert!(!RULES.is_too_old(since, since.plus(100)));
        assert!(RULES.is_too_old(since, since.plus(101)));
    }

    #[test]
    fn a_failure_names_the_status() {
        let redirected =
            "the receiver returned 302, but redirects are not followed: use the final URL";
        let cases =
            [(204, None), (302, Some(redirected)), (500, Some("the receiver returned 500"))];
        for (status, failure) in cases {
            assert_eq!(
                (returned(status).status(), returned(status).failure()),
                (Some(status), failure)
            );
        }
    }
}
