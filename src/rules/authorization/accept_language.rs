//! Chooses the language of a page from `Accept-Language` (RFC 9110 section 12.5.4).

use crate::authorization::language::Language;

/// The number of language ranges that are read. Browsers send only a few.
const MAX_RANGES: usize = 20;

impl Language {
    /// Returns the language with the highest quality, given the values of all `Accept-Language`
    /// headers. If both have the same quality, the one listed first; if neither is acceptable,
    /// English.
    pub fn preferred<'a>(accept_language: impl IntoIterator<Item = &'a str>) -> Self {
        let ranges: Vec<Range<'_>> = accept_language
            .into_iter()
            .flat_map(|value| value.split(','))
            .take(MAX_RANGES)
            .filter_map(Range::parse)
            .collect();
        let english = quality_of(&ranges, Self::English);
        let german = quality_of(&ranges, Self::German);
        let german_is_first = position(&ranges, Self::German) < position(&ranges, Self::English);
        if german > english || (german == english && german > 0 && german_is_first) {
            Self::German
        } else {
            Self::English
        }
    }
}

/// A language range such as `de-AT;q=0.8` or `*`, with its quality in thousandths.
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
            Some(weight) => {
                parse_quality(weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q="))?)?
            }
        };
        Some(Self { tag, thousandths })
    }

    /// Whether the range is for this language in any region: `de`, `DE-AT`.
    fn matches(&self, language: Language) -> bool {
        Language::named(self.tag) == Some(language)
    }
}

/// A number from 0 to 1 with at most three decimals (RFC 9110 section 12.4.2).
fn parse_quality(text: &str) -> Option<u16> {
    let value: f32 = text.parse().ok()?;
    (0.0..=1.0).contains(&value).then_some((value * 1000.0) as u16)
}

/// 0 means not acceptable.
fn quality_of(ranges: &[Range<'_>], language: Language) -> u16 {
    let named =
        ranges.iter().filter(|range| range.matches(language)).map(|range| range.thousandths).max();
    let any = || ranges.iter().find(|range| range.tag == "*").map(|range| range.thousandths);
    named.or_else(any).unwrap_or(0)
}

fn position(ranges: &[Range<'_>], language: Language) -> usize {
    ranges.iter().position(|range| range.matches(language)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::Language::{English, German};
    use super::*;

    #[test]
    fn the_language_with_the_highest_quality_is_chosen() {
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
            assert_eq!(Language::preferred([header]), expected, "{header}");
        }
    }

    #[test]
    fn the_header_may_be_missing_or_repeated() {
        assert_eq!(Language::preferred([]), English);
        assert_eq!(Language::preferred(["en;q=0.1", "de;q=0.2"]), German);
    }

    #[test]
    fn ranges_beyond_the_maximum_are_ignored() {
        let header = format!("{}de", "fr,".repeat(MAX_RANGES));
        assert_eq!(Language::preferred([header.as_str()]), English);
    }
}
