//! How long a document of a client is good for without asking for it again (RFC 9111), within bounds of our own.

use crate::rules::timestamp::Timestamp;

/// Where the answer says nothing.
const DEFAULT: i64 = 3_600;
/// Whatever the answer says: an authorization and its consent take a moment, and a page that is loaded again asks again.
const LEAST: i64 = 60;
const MOST: i64 = 86_400;

/// A document that cannot be fetched any more works for so long as it was: a client's site that is down for an hour must
/// not log its users out, and one that is down for longer than this has somebody else's mind on it.
const USABLE_FOR: i64 = 7 * 86_400;

/// Seconds for which an answer with these `Cache-Control` directives is fresh. Of `Expires`, `Age` and what only shared
/// caches obey nothing is read: the bounds make them small matters.
pub fn fresh_for(cache_control: Option<&str>) -> i64 {
    let mut fresh_for = DEFAULT;
    for directive in cache_control.unwrap_or_default().split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return LEAST,
            // What cannot be read counts as stale (RFC 9111 section 4.2.1); too large a number is no less than the most.
            "max-age" => fresh_for = seconds(value.trim().trim_matches('"')),
            _ => {}
        }
    }
    fresh_for.clamp(LEAST, MOST)
}

fn seconds(text: &str) -> i64 {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().unwrap_or(MOST) } else { 0 }
}

/// Whether what was fetched last still stands where nothing newer can be had.
pub const fn is_usable(fetched_at: Timestamp, now: Timestamp) -> bool {
    now.seconds_since(fetched_at) <= USABLE_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_counts_within_a_minute_and_a_day() {
        for (header, expected) in [
            (None, 3_600),
            (Some(""), 3_600),
            (Some("public, must-revalidate"), 3_600),
            (Some("max-age=600"), 600),
            (Some("public, MAX-AGE=\"600\" , immutable"), 600),
            (Some("max-age=0, must-revalidate"), 60),
            (Some("max-age=59"), 60),
            (Some("max-age=86401"), 86_400),
            (Some("max-age=99999999999999999999"), 86_400),
            (Some("max-age=-1"), 60),
            (Some("max-age=soon"), 60),
            (Some("max-age"), 60),
            (Some("s-maxage=5"), 3_600),
            (Some("max-age=600, no-store"), 60),
            (Some("no-cache"), 60),
            (Some("private=\"x\", max-age=120"), 120),
        ] {
            assert_eq!(fresh_for(header), expected, "{header:?}");
        }
    }

    #[test]
    fn a_document_that_cannot_be_had_any_more_works_for_a_week() {
        let at = Timestamp::from_seconds;
        assert!(is_usable(at(100), at(100)) && is_usable(at(100), at(100 + 7 * 86_400)));
        assert!(!is_usable(at(100), at(101 + 7 * 86_400)));
        assert!(!is_usable(at(0), at(1_767_323_045)));
    }
}
