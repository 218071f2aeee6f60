//! What becomes of a delivery to a webhook after an attempt: done, tried again after a pause that grows, or parked for an
//! operator to look at.

use crate::rules::timestamp::Timestamp;

const FIRST_PAUSE: i64 = 5;
const LONGEST_PAUSE: i64 = 6 * 3_600;
/// Each pause is so many times the one before.
const GROWTH: i64 = 3;
/// RFC 9110 section 15.5.11: the receiver says that it will not be back.
const GONE: u16 = 410;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryRules {
    pub attempts: u32,
    /// In seconds since it began to wait.
    pub give_up_after: i64,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered {
        status: u16,
    },
    Failed {
        status: Option<u16>,
        /// In words, for an operator.
        failure: String,
        /// Seconds that the receiver asks for (RFC 9110 section 10.2.3).
        retry_after: Option<i64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Done,
    /// After so many seconds.
    Again(i64),
    Parked,
}

impl Outcome {
    /// Any 2xx is a success, and nothing else is: redirects are not followed.
    pub fn of_status(status: u16, retry_after: Option<&str>) -> Self {
        let failure = match status {
            200..300 => return Self::Delivered { status },
            300..400 => format!("it answered {status}, and redirects are not followed: name the URL that it leads to"),
            _ => format!("it answered {status}"),
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

/// Seconds only: a date would need the receiver's clock.
fn seconds(retry_after: &str) -> Option<i64> {
    retry_after.trim().parse().ok().filter(|seconds| *seconds >= 0)
}

impl DeliveryRules {
    /// `attempts` counts the one that was just made; `chance` spreads the pause by a fifth to both sides, so that what failed
    /// together is not tried again together.
    pub fn next(&self, outcome: &Outcome, attempts: u32, chance: u8) -> Next {
        let (status, retry_after) = match outcome {
            Outcome::Delivered { .. } => return Next::Done,
            Outcome::Failed { status, retry_after, .. } => (*status, *retry_after),
        };
        if status == Some(GONE) || attempts >= self.attempts {
            return Next::Parked;
        }
        let pause = pause(attempts) * (80 + 40 * i64::from(chance) / 255) / 100;
        Next::Again(pause.max(retry_after.unwrap_or(0)).clamp(1, LONGEST_PAUSE))
    }

    /// Not worth another attempt.
    pub fn is_too_old(&self, waiting_since: Timestamp, now: Timestamp) -> bool {
        now.seconds_since(waiting_since) > self.give_up_after
    }
}

fn pause(attempts: u32) -> i64 {
    let growth = GROWTH.saturating_pow(attempts.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(growth).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: DeliveryRules = DeliveryRules { attempts: 10, give_up_after: 100 };
    const EVEN: u8 = 128;

    fn answered(status: u16) -> Outcome {
        Outcome::of_status(status, None)
    }

    #[test]
    fn any_success_is_done_and_everything_else_is_tried_again() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(RULES.next(&answered(status), 1, EVEN), Next::Done, "{status}");
        }
        for status in [100, 199, 300, 302, 304, 400, 401, 404, 429, 500, 503] {
            assert_eq!(RULES.next(&answered(status), 1, EVEN), Next::Again(5), "{status}");
        }
        assert_eq!(RULES.next(&Outcome::failed("no route"), 1, EVEN), Next::Again(5));
    }

    #[test]
    fn pauses_grow_to_six_hours_and_the_last_attempt_parks() {
        let pauses: Vec<Next> = (1..=10).map(|attempts| RULES.next(&answered(500), attempts, EVEN)).collect();
        let expected = [5, 15, 45, 135, 405, 1_215, 3_645, 10_935, 21_600].map(Next::Again);

        assert_eq!((&pauses[..9], pauses[9]), (&expected[..], Next::Parked));
        assert_eq!(
            DeliveryRules { attempts: u32::MAX, ..RULES }.next(&answered(500), 4_000_000, EVEN),
            Next::Again(21_600)
        );
    }

    #[test]
    fn a_receiver_that_says_it_is_gone_is_believed() {
        assert_eq!(RULES.next(&answered(410), 1, EVEN), Next::Parked);
    }

    #[test]
    fn chance_moves_a_pause_by_a_fifth_to_either_side() {
        let pauses = [0, EVEN, 255].map(|chance| RULES.next(&answered(500), 3, chance));
        assert_eq!(pauses, [36, 45, 54].map(Next::Again));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_and_not_for_less() {
        let cases =
            [("60", 60), (" 7 ", 7), ("1", 5), ("-5", 5), ("999999999", 21_600), ("Fri, 31 Dec 1999 23:59:59 GMT", 5)];
        for (retry_after, expected) in cases {
            let outcome = Outcome::of_status(429, Some(retry_after));
            assert_eq!(RULES.next(&outcome, 1, EVEN), Next::Again(expected), "{retry_after}");
        }
    }

    #[test]
    fn what_waits_longer_than_allowed_is_too_old() {
        let since = Timestamp::from_seconds(1_000);
        assert!(!RULES.is_too_old(since, since.plus(100)));
        assert!(RULES.is_too_old(since, since.plus(101)));
    }

    #[test]
    fn a_failure_says_what_was_answered() {
        let redirected = "it answered 302, and redirects are not followed: name the URL that it leads to";
        let cases = [(204, None), (302, Some(redirected)), (500, Some("it answered 500"))];
        for (status, failure) in cases {
            assert_eq!((answered(status).status(), answered(status).failure()), (Some(status), failure));
        }
    }
}
