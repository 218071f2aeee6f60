//! Why an organization disabled a client, in the words of its administrator. People who try to
//! authorize the client see it.

use std::fmt;

use serde::Serialize;

use crate::client::name::{ClientName, ClientNameError};

/// One line of text. Characters that hide or reorder text are refused, as in names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DisabledReason(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisabledReasonError {
    #[error("the reason is longer than 300 characters: shorten it")]
    TooLong,
    #[error("the reason {0}")]
    Text(ClientNameError),
}

impl DisabledReason {
    pub const MAX_CHARACTERS: usize = 300;

    /// Spaces around the text are removed. `None` if nothing is left.
    pub fn parse(text: &str) -> Result<Option<Self>, DisabledReasonError> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Ok(None);
        }
        if text.chars().nth(Self::MAX_CHARACTERS).is_some() {
            return Err(DisabledReasonError::TooLong);
        }
        ClientName::parse(text).map_err(DisabledReasonError::Text)?;
        Ok(Some(Self(text.to_owned())))
    }

    /// A reason that was accepted when it was stored.
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DisabledReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether an organization has disabled a client, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disabling {
    pub is_disabled: bool,
    /// `None` if no reason was given, or if the client is enabled.
    pub reason: Option<DisabledReason>,
}

impl Disabling {
    pub const ENABLED: Self = Self { is_disabled: false, reason: None };

    pub const fn disabled(reason: Option<DisabledReason>) -> Self {
        Self { is_disabled: true, reason }
    }

    /// Returns the new state, or `None` if nothing changes. Disabling a disabled client again
    /// replaces its reason if another one is given.
    pub fn changed_to(&self, wanted: &Self) -> Option<Self> {
        let is_same_state = self.is_disabled == wanted.is_disabled;
        let is_same_reason = wanted.reason.is_none() || wanted.reason == self.reason;
        if is_same_state && (!self.is_disabled || is_same_reason) {
            return None;
        }
        Some(if wanted.is_disabled { wanted.clone() } else { Self::ENABLED })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Option<DisabledReason> {
        DisabledReason::parse(text).expect("a reason")
    }

    #[test]
    fn a_reason_is_one_line_of_at_most_300_visible_characters() {
        let longest = "ä".repeat(300);
        let cases = [
            ("It is under review.", Ok(Some("It is under review."))),
            (
                "  Wird geprüft: bitte „Notes“ benutzen 🙂 ",
                Ok(Some("Wird geprüft: bitte „Notes“ benutzen 🙂")),
            ),
            (longest.as_str(), Ok(Some(longest.as_str()))),
            ("", Ok(None)),
            ("   ", Ok(None)),
        ];
        for (text, expected) in cases {
            let parsed = DisabledReason::parse(text);
            let parsed = parsed.as_ref().map(|found| found.as_ref().map(DisabledReason::as_str));
            assert_eq!(parsed, expected.as_ref().map(|text| *text), "{text:?}");
        }
    }

    #[test]
    fn text_that_is_too_long_or_hides_something_is_refused() {
        let cases = [
            ("x".repeat(301), "the reason is longer than 300 characters: shorten it"),
            ("two\nlines".to_owned(), "the reason contains a control character: remove it"),
            (
                "a\u{202e}b".to_owned(),
                "the reason contains an invisible formatting character: remove it",
            ),
            ("\u{3164}".to_owned(), "the reason is blank: use at least one visible character"),
        ];
        for (text, expected) in cases {
            let error = DisabledReason::parse(&text).expect_err(&text);
            assert_eq!(error.to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_change_is_another_state_or_another_reason() {
        let disabled = |text: &str| Disabling::disabled(reason(text));
        let cases = [
            (Disabling::ENABLED, Disabling::ENABLED, None),
            (Disabling::ENABLED, disabled(""), Some(disabled(""))),
            (Disabling::ENABLED, disabled("a"), Some(disabled("a"))),
            (disabled("a"), Disabling::ENABLED, Some(Disabling::ENABLED)),
            (disabled("a"), disabled("a"), None),
            (disabled("a"), disabled("b"), Some(disabled("b"))),
            (disabled(""), disabled("b"), Some(disabled("b"))),
            (disabled("a"), disabled(""), None),
        ];
        for (before, wanted, expected) in cases {
            assert_eq!(before.changed_to(&wanted), expected, "{before:?} -> {wanted:?}");
        }
    }
}
