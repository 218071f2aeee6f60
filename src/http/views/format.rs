//! Formats untrusted text and dates for a page.

use crate::rules::client::verification_marks::poses_as_verified;
use crate::rules::timestamp::Timestamp;

/// The maximum length of a name. A longer one would push everything else off the page.
const MAX_LINE: usize = 80;
/// The maximum length of an error detail.
const MAX_DETAIL: usize = 400;

/// A name on one line, truncated.
pub fn line(text: &str) -> String {
    truncate(text, MAX_LINE)
}

/// An untrusted name for use between quotation marks. It cannot close them or contain a symbol
/// that looks like a verification mark. Registration refuses such symbols, but older names may
/// have them.
pub fn name(text: &str) -> String {
    line(text).chars().map(quotable).collect()
}

fn quotable(character: char) -> char {
    match character {
        '"' | '“' | '”' | '„' | '‟' | '«' | '»' | '＂' | '〝' | '〞' | '〟' => '\'',
        mark if poses_as_verified(mark) => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// A sentence or two, truncated.
pub fn detail(text: &str) -> String {
    truncate(text, MAX_DETAIL)
}

/// At most `max` characters, including the ellipsis that replaces the rest. Characters that change
/// the text direction or end the line are replaced.
fn truncate(text: &str, max: usize) -> String {
    let printable = |character: char| {
        if is_control(character) { char::REPLACEMENT_CHARACTER } else { character }
    };
    let kept = if text.chars().nth(max).is_some() { max - 1 } else { max };
    let mut shown: String = text.chars().take(kept).map(printable).collect();
    if kept < max {
        shown.push('…');
    }
    shown
}

/// Registration refuses client names with these characters, but other texts may contain them.
fn is_control(character: char) -> bool {
    let changes_direction = matches!(character, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    changes_direction || character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// `2026-01-02`, in UTC.
pub fn date(at: &Timestamp) -> String {
    let text = at.to_rfc3339();
    text.split_once('T').map_or(text.clone(), |(date, _)| date.to_owned())
}

/// The number of times that the date (UTC) changed between the two.
pub const fn days_between(earlier: Timestamp, now: Timestamp) -> u64 {
    const DAY: i64 = 86_400;
    let days = now.seconds().div_euclid(DAY) - earlier.seconds().div_euclid(DAY);
    if days < 0 { 0 } else { days.unsigned_abs() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_truncated_at_80_characters_with_an_ellipsis() {
        let of = |count: usize| "ä".repeat(count);
        let cases =
            [(of(0), of(0)), (of(80), of(80)), (of(81), of(79) + "…"), (of(1000), of(79) + "…")];
        for (name, expected) in cases {
            assert_eq!(line(&name), expected);
        }
    }

    #[test]
    fn characters_that_reorder_or_break_a_line_are_replaced() {
        let cases = [
            ("evil\u{202E}gpj.exe", "evil\u{FFFD}gpj.exe"),
            ("two\nlines\u{2028}three", "two\u{FFFD}lines\u{FFFD}three"),
            ("\u{2066}a\u{2069}\u{200F}", "\u{FFFD}a\u{FFFD}\u{FFFD}"),
            ("مرحبا 👩\u{200D}💻", "مرحبا 👩\u{200D}💻"),
        ];
        for (name, expected) in cases {
            assert_eq!(line(name), expected);
        }
    }

    #[test]
    fn a_name_cannot_close_its_quotation_marks_or_carry_a_verification_mark() {
        let cases = [
            ("Claude” verified by “Grantor", "Claude' verified by 'Grantor"),
            ("„Notes“ «2» \"x\" it's", "'Notes' '2' 'x' it's"),
            ("Bank ✅\u{FE0F} 🔒", "Bank \u{FFFD}\u{FE0F} \u{FFFD}"),
            ("客户端「一」 👩\u{200D}💻", "客户端「一」 👩\u{200D}💻"),
        ];
        for (text, expected) in cases {
            assert_eq!(name(text), expected);
        }
        assert_eq!(name(&"x".repeat(1000)), "x".repeat(79) + "…");
    }

    #[test]
    fn days_are_counted_by_date_and_never_negative() {
        let at = Timestamp::from_seconds;
        let cases = [
            (0, 0, 0),
            (0, 86_399, 0),
            (86_399, 86_400, 1),
            (0, 864_000, 10),
            (86_400, 0, 0),
            (-1, 0, 1),
        ];
        for (earlier, now, days) in cases {
            assert_eq!(days_between(at(earlier), at(now)), days, "{earlier} {now}");
        }
        assert_eq!(date(&at(86_399)), "1970-01-01");
    }
}
