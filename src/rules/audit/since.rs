//! The start of a time range, as a person writes it: an RFC 3339 time, a date, or an age.

use crate::timestamp::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a time such as 2026-11-30T08:00:00Z, a date such as 2026-11-30, or an age such as 30m, 24h or 7d"
)]
pub struct SinceError;

/// Parses a time, a date or an age. A date means midnight UTC at its start.
pub fn parse_since(text: &str, now: Timestamp) -> Result<Timestamp, SinceError> {
    let at = age(text).map(|seconds| now.minus(seconds)).or_else(|| date_or_time(text));
    at.ok_or(SinceError)
}

/// Parses an RFC 3339 time, or a time such as `now` or `now-15m`.
pub fn parse_relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    match text.strip_prefix("now") {
        Some("") => Some(now),
        Some(rest) => age(rest.strip_prefix('-')?).map(|seconds| now.minus(seconds)),
        None => parse_time(text),
    }
}

/// Parses an RFC 3339 time, such as `2026-11-30T08:00:00Z`.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    date_or_time(text).filter(|_| text.len() > "2026-11-30".len())
}

/// Seconds of an age such as `24h`.
fn age(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    number(text.get(..text.len() - 1)?)?.checked_mul(unit)
}

fn date_or_time(text: &str) -> Option<Timestamp> {
    let (date, time) = match text.get(10..) {
        Some("") => (text, None),
        Some(rest) => (text.get(..10)?, Some(rest.strip_prefix(['T', 't', ' '])?)),
        None => return None,
    };
    let midnight = days(date)?.checked_mul(86_400)?;
    let seconds = time.map_or(Some(0), seconds_of_day)?;
    Some(Timestamp::from_seconds(midnight.checked_add(seconds)?))
}

/// Days since 1970-01-01 of a date such as `2026-11-30`.
fn days(date: &str) -> Option<i64> {
    let [year, month, day] = fields::<3>(date, '-', [4, 2, 2])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    // If the year starts on March 1, the leap day is its last day.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    Some(
        365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
            - 719_468,
    )
}

/// Seconds since midnight UTC of a time such as `08:00:00.25+01:00`. The result may be negative.
fn seconds_of_day(text: &str) -> Option<i64> {
    let (clock, offset) = match text.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => {
            let (clock, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
            let sign = match offset.chars().next()? {
                '+' => 1,
                '-' => -1,
                _ => return None,
            };
            let [hours, minutes] = fields::<2>(offset.get(1..)?, ':', [2, 2])?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            (clock, sign * (hours * 3_600 + minutes * 60))
        }
    };
    let clock = match clock.split_once('.') {
        Some((clock, fraction)) => number(fraction).map(|_| clock)?,
        None => clock,
    };
    let [hour, minute, second] = fields::<3>(clock, ':', [2, 2, 2])?;
    // RFC 3339 section 5.6 allows a leap second.
    (hour <= 23 && minute <= 59 && second <= 60)
        .then_some(hour * 3_600 + minute * 60 + second - offset)
}

/// Numbers with exactly these many digits.
fn fields<const N: usize>(text: &str, separator: char, lengths: [usize; N]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (field, length) in numbers.iter_mut().zip(lengths) {
        *field = parts.next().filter(|part| part.len() == length).and_then(number)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Accepts only digits; `parse` alone would also accept a sign.
fn number(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_255_901);

    #[test]
    fn a_time_may_be_relative_to_now() {
        let now = Timestamp::from_seconds(1_000_000);
        let cases = [
            ("now", Some(1_000_000)),
            ("now-15m", Some(999_100)),
            ("now-1d", Some(913_600)),
            ("1970-01-01T00:00:05Z", Some(5)),
            ("now+1d", None),
            ("now-", None),
            ("yesterday", None),
            ("15m", None),
        ];
        for (text, expected) in cases {
            let found = parse_relative(text, now).map(Timestamp::seconds);
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_time_a_date_and_an_age_are_accepted() {
        let cases = [
            ("2026-11-21T10:11:41Z", "2026-11-21T10:11:41Z"),
            ("2026-11-21t10:11:41.999z", "2026-11-21T10:11:41Z"),
            ("2026-11-21 10:11:41Z", "2026-11-21T10:11:41Z"),
            ("2026-11-21T10:11:41+01:30", "2026-11-21T08:41:41Z"),
            ("2026-11-21T23:11:41-05:00", "2026-11-22T04:11:41Z"),
            ("2026-11-21", "2026-11-21T00:00:00Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z"),
            ("2000-02-29", "2000-02-29T00:00:00Z"),
            ("2000-03-01", "2000-03-01T00:00:00Z"),
            ("2026-11-21T10:11:41+23:59", "2026-11-20T10:12:41Z"),
            ("24h", "2026-11-20T10:11:41Z"),
            ("7d", "2026-11-14T10:11:41Z"),
            ("2w", "2026-11-07T10:11:41Z"),
            ("30m", "2026-11-21T09:41:41Z"),
            ("1s", "2026-11-21T10:11:40Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                parse_since(text, NOW).map(Timestamp::to_rfc3339),
                Ok(expected.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let texts = [
            "",
            "7",
            "d",
            "-7d",
            "+7d",
            "7 d",
            "7y",
            "99999999999999999999d",
            "9223372036854775807w",
            "yesterday",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-1-1",
            "2026-11-21T10:11",
            "2026-11-21T10:11:41",
            "2026-11-21T24:00:00Z",
            "2026-11-21T10:61:00Z",
            "2026-11-21T10:11:41+1:00",
            "2026-11-21T10:11:41+24:00",
            "2026-11-21T10:11:41.Z",
            "20261121",
            "é026-11-21",
        ];
        for text in texts {
            assert_eq!(parse_since(text, NOW), Err(SinceError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_formatted_time_parses_to_the_same_time(seconds in 0_i64..253_402_300_800) {
            let at = Timestamp::from_seconds(seconds);

            prop_assert_eq!(parse_since(&at.to_rfc3339(), NOW), Ok(at));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse_since(&text, NOW);
        }
    }
}
