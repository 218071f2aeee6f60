//! The languages that pages come in, and which of them a client wants for its user (OpenID Connect Core 1.0 section
//! 3.1.2.1).

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    #[serde(rename = "en")]
    English,
    #[serde(rename = "de")]
    German,
}

/// How many tags of `ui_locales` are looked at.
const MOST_TAGS: usize = 20;

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// As `lang` and `Content-Language` name it (RFC 5646).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// By a tag of whatever region: `de`, `DE-AT`.
    pub fn named(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }

    /// The first of `ui_locales` that there are pages in.
    pub fn first_of(ui_locales: &str) -> Option<Self> {
        ui_locales.split(' ').filter(|tag| !tag.is_empty()).take(MOST_TAGS).find_map(Self::named)
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{English, German};
    use super::*;

    #[test]
    fn the_first_language_that_there_are_pages_in_is_taken() {
        let far_behind = format!("{}de", "fr ".repeat(MOST_TAGS));
        let cases = [
            ("", None),
            ("de", Some(German)),
            ("DE-at en", Some(German)),
            ("en de", Some(English)),
            ("fr-CA  fr de", Some(German)),
            ("fr", None),
            ("den", None),
            ("- -de", None),
            ("de,en", None),
            (&far_behind, None),
        ];
        for (ui_locales, expected) in cases {
            assert_eq!(Language::first_of(ui_locales), expected, "{ui_locales}");
        }
    }

    #[test]
    fn a_language_is_stored_by_its_tag() {
        for language in Language::ALL {
            let stored = serde_json::to_value(language).expect("serialises");

            assert_eq!(stored, language.tag());
            assert_eq!(Language::named(language.tag()), Some(language));
        }
    }
}
