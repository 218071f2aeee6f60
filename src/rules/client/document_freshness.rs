//! How long a client's metadata document is fresh (RFC 9111), within the limits of this server.

use crate::timestamp::Timestamp;

/// Used if the response has no `max-age`.
const DEFAULT: i64 = 3_600;
/// One authorization loads several pages, and each page needs the document.
const MIN_FRESH: i64 = 60;
const MAX_FRESH: i64 = 86_400;

/// How long the last version stays usable if the document cannot be fetched. If a client's site is
/// down for an hour, its users must not be signed out. After a week, the client is probably gone.
const USABLE_FOR: i64 = 7 * 86_400;

/// The number of seconds for which a response with these `Cache-Control` directives is fresh.
/// `Expires`, `Age` and the directives for shared caches are ignored, because the limits make them
/// irrelevant.
pub fn fresh_for(cache_control: Option<&str>) -> i64 {
    let mut fresh_for = DEFAULT;
    for directive in cache_control.unwrap_or_default().split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return MIN_FRESH,
            // An invalid number counts as stale (RFC 9111 section 4.2.1). A number that does not
            // fit into 64 bits counts as the maximum.
            "max-age" => fresh_for = seconds(value.trim().trim_matches('"')),
            _ => {}
        }
    }
    fresh_for.clamp(MIN_FRESH, MAX_FRESH)
}

fn seconds(text: &str) -> i64 {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().unwrap_or(MAX_FRESH) } else { 0 }
}

/// Whether the last fetched version is still usable if fetching fails.
pub const fn is_usable(fetched_at: Timestamp, now: Timestamp) -> bool {
    now.seconds_since(fetched_at) <= USABLE_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_limited_to_between_a_minute_and_a_day() {
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
    fn a_document_that_cannot_be_fetched_is_usable_for_a_week() {
        let at = Timestamp::from_seconds;
        assert!(is_usable(at(100), at(100)) && is_usable(at(100), at(100 + 7 * 86_400)));
        assert!(!is_usable(at(100), at(101 + 7 * 86_400)));
        assert!(!is_usable(at(0), at(1_767_323_045)));
    }
}
