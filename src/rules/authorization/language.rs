//! The languages of the pages, and the choice of one by `ui_locales` (OpenID Connect Core 1.0
//! section 3.1.2.1).

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    #[serde(rename = "en")]
    English,
    #[serde(rename = "de")]
    German,
}

/// Further tags of `ui_locales` are ignored.
const MAX_TAGS: usize = 20;

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// The tag for `lang` and `Content-Language` (RFC 5646).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// Finds the language of a tag. The region is ignored: `de` and `DE-AT` are both German.
    pub fn named(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }

    /// The first supported language of `ui_locales`.
    pub fn first_supported(ui_locales: &str) -> Option<Self> {
        ui_locales.split(' ').filter(|tag| !tag.is_empty()).take(MAX_TAGS).find_map(Self::named)
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{English, German};
    use super::*;

    #[test]
    fn the_first_supported_language_is_chosen() {
        let beyond_the_limit = format!("{}de", "fr ".repeat(MAX_TAGS));
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
            (&beyond_the_limit, None),
        ];
        for (ui_locales, expected) in cases {
            assert_eq!(Language::first_supported(ui_locales), expected, "{ui_locales}");
        }
    }

    #[test]
    fn a_language_is_stored_by_its_tag() {
        for language in Language::ALL {
            let stored = serde_json::to_value(language).expect("serializes");

            assert_eq!(stored, language.tag());
            assert_eq!(Language::named(language.tag()), Some(language));
        }
    }
}
