//! The names of API keys and application keys.

use std::fmt;

/// In characters.
pub const MAX_LENGTH: usize = 255;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyNameError {
    #[error("name is empty: use 1 to 255 characters")]
    Empty,
    #[error("name is longer than 255 characters: shorten it")]
    TooLong,
    #[error("name contains a control character: remove it")]
    ControlCharacter,
}

impl KeyName {
    /// Names need not be unique.
    pub fn parse(text: &str) -> Result<Self, KeyNameError> {
        if text.trim().is_empty() {
            return Err(KeyNameError::Empty);
        }
        if text.chars().nth(MAX_LENGTH).is_some() {
            return Err(KeyNameError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(KeyNameError::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name of an API key that nobody named.
    pub fn of_api_key() -> Self {
        Self("API key".to_owned())
    }

    /// The name of an application key that nobody named.
    pub fn of_application_key() -> Self {
        Self("Application key".to_owned())
    }

    /// The name of the API key that a client creates for itself.
    pub fn of_client_key() -> Self {
        Self("OAuth Client API Key".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_has_1_to_255_visible_characters() {
        let longest = "ü".repeat(255);
        let too_long = "ü".repeat(256);
        let cases = [
            ("a", Ok(())),
            ("Deploy, 100% \u{1F680}", Ok(())),
            (" padded ", Ok(())),
            (longest.as_str(), Ok(())),
            ("", Err(KeyNameError::Empty)),
            ("  ", Err(KeyNameError::Empty)),
            ("\n\t", Err(KeyNameError::Empty)),
            (too_long.as_str(), Err(KeyNameError::TooLong)),
            ("a\nb", Err(KeyNameError::ControlCharacter)),
            ("a\u{0}", Err(KeyNameError::ControlCharacter)),
            ("\u{1b}[31mred", Err(KeyNameError::ControlCharacter)),
        ];
        for (text, expected) in cases {
            assert_eq!(KeyName::parse(text).map(drop), expected, "{text:?}");
        }
    }

    #[test]
    fn names_that_this_server_gives_are_valid() {
        let given =
            [KeyName::of_api_key(), KeyName::of_application_key(), KeyName::of_client_key()];
        for name in given {
            assert_eq!(KeyName::parse(name.as_str()), Ok(name));
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let cases = [
            (KeyNameError::Empty, "name is empty: use 1 to 255 characters"),
            (KeyNameError::TooLong, "name is longer than 255 characters: shorten it"),
            (KeyNameError::ControlCharacter, "name contains a control character: remove it"),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_an_accepted_name_is_unchanged(text in any::<String>()) {
            if let Ok(name) = KeyName::parse(&text) {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
