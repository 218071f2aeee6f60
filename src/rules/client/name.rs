//! The name of a client (RFC 7591 section 2, `client_name`), stored and compared as it was sent.
//!
//! An unknown party chooses the name, and users read it on the consent page. Everything that can
//! hide, reorder or overflow text is therefore refused: control and format characters, line
//! separators, unassigned and private code points, and stacks of combining marks. Symbols that look
//! like a verification by this server are refused too. All scripts, emoji and punctuation are
//! allowed. Names are not normalized, because the response must show what was registered.

use std::fmt;

use serde::Serialize;
use unicode_general_category::{GeneralCategory, get_general_category};

use crate::client::verification_marks::poses_as_verified;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClientName(String);

/// The reason why a name is refused: the problem, a colon, the remedy. The texts are constant and
/// never quote the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientNameError {
    #[error("is blank: use at least one visible character")]
    Blank,
    #[error("is longer than 1000 characters: shorten it")]
    TooLong,
    #[error("contains a control character: remove it")]
    ControlCharacter,
    #[error("contains an invisible formatting character: remove it")]
    FormatCharacter,
    #[error("contains a line or paragraph separator: replace it with a space")]
    LineSeparator,
    #[error("contains a code point that Unicode has not assigned to a character: remove it")]
    UnassignedCharacter,
    #[error(
        "contains a symbol that looks like a verification mark, such as a check mark, star, shield \
         or lock: remove it"
    )]
    VerificationMark,
    #[error("has more than 8 combining marks on one character: remove some")]
    TooManyMarks,
}

const ZERO_WIDTH_NON_JOINER: char = '\u{200C}';
const ZERO_WIDTH_JOINER: char = '\u{200D}';

impl ClientName {
    pub const MAX_CHARACTERS: usize = 1000;
    const MAX_MARKS_IN_A_ROW: usize = 8;

    pub fn parse(text: &str) -> Result<Self, ClientNameError> {
        if text.chars().nth(Self::MAX_CHARACTERS).is_some() {
            return Err(ClientNameError::TooLong);
        }
        if !text.chars().any(is_visible) {
            return Err(ClientNameError::Blank);
        }
        check_characters(text)?;
        Ok(Self(text.to_owned()))
    }

    /// A name that was accepted when its client registered. It is not checked against the current
    /// rules, because a client must have a name to show.
    pub(crate) const fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character is visible. Hangul fillers, the empty Braille pattern, joiners and variation
/// selectors are not: a name made only of these would be blank on the consent page.
const fn is_visible(character: char) -> bool {
    let is_invisible = matches!(
        character,
        '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{2800}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{E0100}'..='\u{E01EF}' | ZERO_WIDTH_NON_JOINER | ZERO_WIDTH_JOINER
    );
    !is_invisible && !character.is_whitespace()
}

fn check_characters(text: &str) -> Result<(), ClientNameError> {
    let mut marks_in_a_row = 0;
    for character in text.chars() {
        marks_in_a_row = match character {
            // Persian, Indic scripts and emoji need these two. They do not end a row of marks.
            ZERO_WIDTH_NON_JOINER | ZERO_WIDTH_JOINER => marks_in_a_row,
            _ if is_stacking_mark(character)? => marks_in_a_row + 1,
            _ => 0,
        };
        if marks_in_a_row > ClientName::MAX_MARKS_IN_A_ROW {
            return Err(ClientNameError::TooManyMarks);
        }
    }
    Ok(())
}

/// Whether the character is a mark that is drawn over its neighbor. Characters that are not allowed
/// in a name are an error.
fn is_stacking_mark(character: char) -> Result<bool, ClientNameError> {
    use GeneralCategory as Category;
    if matches!(character, ' '..='~') {
        return Ok(false);
    }
    if poses_as_verified(character) {
        return Err(ClientNameError::VerificationMark);
    }
    match get_general_category(character) {
        Category::Control => Err(ClientNameError::ControlCharacter),
        Category::Format => Err(ClientNameError::FormatCharacter),
        Category::LineSeparator | Category::ParagraphSeparator => {
            Err(ClientNameError::LineSeparator)
        }
        Category::Unassigned | Category::PrivateUse => Err(ClientNameError::UnassignedCharacter),
        category => Ok(matches!(category, Category::NonspacingMark | Category::EnclosingMark)),
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marks() -> Vec<char> {
        ('\0'..=char::MAX).filter(|character| poses_as_verified(*character)).collect()
    }

    fn name(text: &str) -> Result<String, ClientNameError> {
        ClientName::parse(text).map(|name| name.to_string())
    }

    #[test]
    fn names_in_every_script_are_kept_as_sent() {
        let names = [
            "Example MCP Client",
            "  padded  ",
            "<b>\"quoted\" \\ & 'plain'</b>",
            "Größenwahn",
            "Gro\u{308}ßenwahn",
            "клиент",
            "العميل",
            "می\u{200C}خواهم",
            "ग्राहक\u{200D}",
            "客户端",
            "👩\u{200D}💻 ❤\u{FE0F}",
            "a\u{A0}b\u{3000}c",
            "\u{FFFD}",
        ];
        for text in names {
            assert_eq!(name(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn characters_that_hide_or_reorder_text_are_refused() {
        use ClientNameError as Error;
        let cases = [
            ('\0', Error::ControlCharacter),
            ('\t', Error::ControlCharacter),
            ('\n', Error::ControlCharacter),
            ('\u{1B}', Error::ControlCharacter),
            ('\u{7F}', Error::ControlCharacter),
            ('\u{85}', Error::ControlCharacter),
            ('\u{AD}', Error::FormatCharacter),
            ('\u{61C}', Error::FormatCharacter),
            ('\u{200B}', Error::FormatCharacter),
            ('\u{200E}', Error::FormatCharacter),
            ('\u{202E}', Error::FormatCharacter),
            ('\u{2066}', Error::FormatCharacter),
            ('\u{2069}', Error::FormatCharacter),
            ('\u{FEFF}', Error::FormatCharacter),
            ('\u{E0041}', Error::FormatCharacter),
            ('\u{2028}', Error::LineSeparator),
            ('\u{2029}', Error::LineSeparator),
            ('\u{E000}', Error::UnassignedCharacter),
            ('\u{FFFF}', Error::UnassignedCharacter),
            ('\u{10FFFF}', Error::UnassignedCharacter),
            ('\u{378}', Error::UnassignedCharacter),
        ];
        for (character, expected) in cases {
            for text in
                [format!("{character}name"), format!("na{character}me"), format!("name{character}")]
            {
                assert_eq!(name(&text), Err(expected), "{character:?}");
            }
        }
    }

    #[test]
    fn a_symbol_that_looks_like_a_verification_is_refused_in_every_style() {
        let names = [
            "Claude ✓",
            "✔\u{FE0F} Claude",
            "✔\u{FE0E}Claude",
            "Claude \u{2705}",
            "☑\u{FE0F}",
            "Verified ✓\u{20DD}",
            "Notes 🛡\u{FE0F}",
            "Bank 🔒",
            "Editor ⭐⭐⭐⭐⭐",
            "公式㊣",
            "Ⓥerified 🅥",
            "Team √",
        ];
        for text in names {
            assert_eq!(name(text), Err(ClientNameError::VerificationMark), "{text}");
        }
        for text in ["Contoso™ Editor®", "Chat ✨", "レビュー", "v2 (beta) ❤\u{FE0F}"] {
            assert_eq!(name(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_name_needs_a_visible_character() {
        let invisible = [
            "\u{2800}",
            "\u{3164}",
            "\u{115F}\u{1160}",
            "\u{FFA0} ",
            "\u{200C}\u{200D}",
            "\u{FE0F}",
            "\u{E0100}",
        ];
        for text in ["", " ", "\u{A0}\u{2003}\u{3000}", "\t\n"].into_iter().chain(invisible) {
            assert_eq!(name(text), Err(ClientNameError::Blank), "{text:?}");
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(name(&"客".repeat(1000)), Ok("客".repeat(1000)));
        assert_eq!(name(&"客".repeat(1001)), Err(ClientNameError::TooLong));
        assert_eq!(name(&" ".repeat(1001)), Err(ClientNameError::TooLong));
    }

    #[test]
    fn eight_combining_marks_in_a_row_are_accepted_and_nine_are_refused() {
        let piled = |mark: &str, count| format!("z{}", mark.repeat(count));
        for mark in ["\u{300}", "\u{20DD}"] {
            assert_eq!(name(&piled(mark, 8)), Ok(piled(mark, 8)));
            assert_eq!(name(&piled(mark, 9)), Err(ClientNameError::TooManyMarks));
            assert!(
                name(&format!("{}{}", piled(mark, 8), piled(mark, 8))).is_ok(),
                "a letter ends the row"
            );
            let joined = format!("{}\u{200D}{mark}", piled(mark, 8));
            assert_eq!(
                name(&joined),
                Err(ClientNameError::TooManyMarks),
                "a joiner does not end the row"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_an_accepted_name_is_unchanged(text in any::<String>()) {
            if let Ok(name) = ClientName::parse(&text) {
                prop_assert_eq!(name.as_str(), text);
                prop_assert!(!name.as_str().chars().any(char::is_control));
                prop_assert!(!name.as_str().chars().any(poses_as_verified));
            }
        }

        #[test]
        fn a_verification_mark_is_refused_anywhere_in_a_name(
            before in "[a-zA-Z ]{0,8}", mark in proptest::sample::select(marks()),
            after in "[\u{FE0E}\u{FE0F}\u{200D}a-z]{0,4}",
        ) {
            prop_assert_eq!(name(&format!("{before}{mark}{after}")), Err(ClientNameError::VerificationMark));
        }
    }
}
