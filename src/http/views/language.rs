//! Which language a person reads, as their browser says (RFC 9110 section 12.5.4).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

pub use crate::rules::authorization::language::Language;

/// How many ranges of a header are looked at. Browsers send a handful.
const MOST_RANGES: usize = 20;

impl Language {
    /// The one that is wanted most; of two wanted alike, the one named first; English where neither is named.
    pub fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<Range<'_>> =
            values.flat_map(|value| value.split(',')).take(MOST_RANGES).filter_map(Range::parse).collect();
        let (english, german) = (wanted(&ranges, Self::English), wanted(&ranges, Self::German));
        let german_is_first = first(&ranges, Self::German) < first(&ranges, Self::English);
        if german > english || (german == english && german > 0 && german_is_first) {
            Self::German
        } else {
            Self::English
        }
    }
}

/// `de-AT;q=0.8`: a language, or any, and how much it is wanted in thousandths.
struct Range<'a> {
    tag: &'a str,
    thousandths: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let tag = parts.next()?;
        let thousandths = match parts.next() {
            None => 1000,
            Some(weight) => quality(weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q="))?)?,
        };
        Some(Self { tag, thousandths })
    }

    /// Whether it names the language, whatever the region: `de`, `DE-AT`.
    fn names(&self, language: Language) -> bool {
        Language::named(self.tag) == Some(language)
    }
}

/// RFC 9110 section 12.4.2: 0 to 1 with at most three decimals.
fn quality(text: &str) -> Option<u16> {
    let value: f32 = text.parse().ok()?;
    (0.0..=1.0).contains(&value).then_some((value * 1000.0) as u16)
}

fn wanted(ranges: &[Range<'_>], language: Language) -> u16 {
    let named = ranges.iter().filter(|range| range.names(language)).map(|range| range.thousandths).max();
    let any = || ranges.iter().find(|range| range.tag == "*").map(|range| range.thousandths);
    named.or_else(any).unwrap_or(0)
}

fn first(ranges: &[Range<'_>], language: Language) -> usize {
    ranges.iter().position(|range| range.names(language)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::Language::{English, German};
    use super::*;

    #[test]
    fn the_language_that_is_wanted_most_is_chosen() {
        let cases = [
            ("", English),
            ("de", German),
            ("DE-at", German),
            ("de-DE,de;q=0.9,en;q=0.8", German),
            ("en-US,en;q=0.9,de;q=0.8", English),
            ("en;q=0.3, de;q=0.31", German),
            ("en;q=0.8, de ; q=0.9", German),
            ("fr, de;q=0.1", German),
            ("fr, *", English),
            ("fr", English),
            ("de, en", German),
            ("en, de", English),
            ("de;q=0", English),
            ("de;q=0, *;q=0.5", English),
            ("en;q=0, *;q=0.5", German),
            ("de;q=0.3, de-CH;q=0.9, en;q=0.5", German),
            ("den", English),
            ("de;q=2, en;q=0.1", English),
            ("de;q=high, en;q=0.1", English),
            ("de;q=NaN", English),
            ("de;level=1, en;q=0.1", English),
            (",,;;,de;q=0.5", German),
        ];
        for (header, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_str(header).expect("a header"));
            assert_eq!(Language::of(&headers), expected, "{header}");
        }
    }

    #[test]
    fn a_header_may_be_absent_come_twice_or_be_no_text() {
        let mut headers = HeaderMap::new();
        assert_eq!(Language::of(&headers), English);
        headers.append(ACCEPT_LANGUAGE, HeaderValue::from_static("en;q=0.1"));
        headers.append(ACCEPT_LANGUAGE, HeaderValue::from_static("de;q=0.2"));
        assert_eq!(Language::of(&headers), German);
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_bytes(b"\xff").expect("bytes"));
        assert_eq!(Language::of(&headers), English);
    }

    #[test]
    fn what_stands_behind_many_ranges_is_not_looked_at() {
        let mut headers = HeaderMap::new();
        let header = format!("{}de", "fr,".repeat(MOST_RANGES));
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_str(&header).expect("a header"));
        assert_eq!(Language::of(&headers), English);
    }
}
