//! Scope names and sets of them (RFC 6749 section 3.3).
//!
//! A `scope` parameter is a list of case-sensitive names separated by single spaces. Their order
//! does not matter. Parsing accepts leading, trailing and repeated spaces, because clients send
//! them; formatting writes single ones. The catalog decides which names exist.

pub mod catalog;
pub mod configured;
pub mod offered;
pub mod scopes_restriction;
pub mod standing;

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One scope name: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ScopeToken(String);

impl ScopeToken {
    /// The RFC sets no limit. Names in use are much shorter, and names that are URLs still fit.
    pub const MAX_LENGTH: usize = 128;

    pub fn parse(raw: &str) -> Result<Self, ScopeError> {
        if raw.is_empty() {
            return Err(ScopeError::EmptyName);
        }
        if raw.len() > Self::MAX_LENGTH {
            return Err(ScopeError::NameTooLong);
        }
        if !raw.bytes().all(is_nqchar) {
            return Err(ScopeError::ForbiddenCharacter);
        }
        Ok(Self(raw.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `NQCHAR` of RFC 6749 appendix A: printable ASCII without space, quote and backslash.
const fn is_nqchar(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

impl FromStr for ScopeToken {
    type Err = ScopeError;

    fn from_str(raw: &str) -> Result<Self, ScopeError> {
        Self::parse(raw)
    }
}

impl TryFrom<String> for ScopeToken {
    type Error = ScopeError;

    fn try_from(raw: String) -> Result<Self, ScopeError> {
        Self::parse(&raw)
    }
}

impl fmt::Display for ScopeToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for ScopeToken {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Allows lookups by `&str`: the derived order and hash are those of the text.
impl Borrow<str> for ScopeToken {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Distinct scope names in alphabetical order, so that equal sets have the same text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeSet(BTreeSet<ScopeToken>);

impl ScopeSet {
    /// The most names in one `scope` parameter. Sets from other places, such as the catalog, may be
    /// larger.
    const MAX_PARSED: usize = 100;

    /// Parses a `scope` parameter. `""` is the empty set.
    pub fn parse(raw: &str) -> Result<Self, ScopeError> {
        let mut names = raw.split(' ').filter(|name| !name.is_empty());
        let set = names
            .by_ref()
            .take(Self::MAX_PARSED)
            .map(ScopeToken::parse)
            .collect::<Result<_, _>>()?;
        if names.next().is_some() {
            return Err(ScopeError::TooManyNames);
        }
        Ok(set)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ScopeToken> {
        self.0.iter()
    }

    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(ScopeToken::as_str)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    pub fn insert(&mut self, name: ScopeToken) {
        self.0.insert(name);
    }

    /// The first few names and the number of the others, for use in a sentence.
    pub fn in_words(&self) -> String {
        const FEW: usize = 5;
        let mut words: Vec<String> = self.names().take(FEW).map(str::to_owned).collect();
        words.extend(
            self.len().checked_sub(FEW).filter(|more| *more > 0).map(|more| format!("{more} more")),
        );
        match words.as_slice() {
            [] => "none".to_owned(),
            [only] => only.clone(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        }
    }

    pub fn union(&self, other: &Self) -> Self {
        Self(&self.0 | &other.0)
    }

    pub fn intersection(&self, other: &Self) -> Self {
        Self(&self.0 & &other.0)
    }

    /// The names in this set that are not in the other.
    pub fn difference(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }

    /// Splits the set into the names that `keep` accepts and the others.
    pub fn partition(self, keep: impl Fn(&ScopeToken) -> bool) -> (Self, Self) {
        let (kept, left) = self.0.into_iter().partition(keep);
        (Self(kept), Self(left))
    }
}

impl FromIterator<ScopeToken> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = ScopeToken>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

impl IntoIterator for ScopeSet {
    type Item = ScopeToken;
    type IntoIter = std::collections::btree_set::IntoIter<ScopeToken>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a ScopeSet {
    type Item = &'a ScopeToken;
    type IntoIter = std::collections::btree_set::Iter<'a, ScopeToken>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Formats the set as a `scope` parameter: names separated by single spaces.
impl fmt::Display for ScopeSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" ")?;
            }
            write!(formatter, "{name}")?;
        }
        Ok(())
    }
}

/// Why a text is not a list of scopes. Messages never quote the text, so they are safe to return
/// to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    #[error("a scope name is empty")]
    EmptyName,
    #[error("a scope name is longer than {} characters", ScopeToken::MAX_LENGTH)]
    NameTooLong,
    #[error(
        "a scope name may contain only printable ASCII characters except spaces, quotes and backslashes"
    )]
    ForbiddenCharacter,
    #[error("more than {} scope names", ScopeSet::MAX_PARSED)]
    TooManyNames,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(raw: &str) -> ScopeSet {
        ScopeSet::parse(raw).expect("a scope")
    }

    #[test]
    fn a_name_may_contain_exactly_the_characters_of_the_grammar() {
        for byte in 0..=0x7F_u8 {
            let allowed = byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
            let name = format!("a{}b", char::from(byte));

            assert_eq!(ScopeToken::parse(&name).is_ok(), allowed, "{name:?}");
        }
    }

    #[test]
    fn an_invalid_name_is_refused_with_the_reason() {
        let longest = "x".repeat(ScopeToken::MAX_LENGTH);
        let cases = [
            ("", Err(ScopeError::EmptyName)),
            ("dashboards_read", Ok("dashboards_read")),
            ("https://api.example/read:all", Ok("https://api.example/read:all")),
            ("two words", Err(ScopeError::ForbiddenCharacter)),
            ("größe", Err(ScopeError::ForbiddenCharacter)),
            ("nul\0", Err(ScopeError::ForbiddenCharacter)),
            (&longest, Ok(longest.as_str())),
            (&format!("{longest}x"), Err(ScopeError::NameTooLong)),
        ];
        for (raw, expected) in cases {
            assert_eq!(
                ScopeToken::parse(raw).as_ref().map(ScopeToken::as_str),
                expected.as_ref().copied(),
                "{raw:?}"
            );
        }
    }

    #[test]
    fn extra_spaces_and_repeated_names_are_accepted() {
        let cases = [
            ("", ""),
            ("   ", ""),
            ("openid", "openid"),
            (" openid  email ", "email openid"),
            ("email openid email", "email openid"),
            ("Email email", "Email email"),
        ];
        for (raw, written) in cases {
            assert_eq!(set(raw).to_string(), written, "{raw:?}");
        }
    }

    #[test]
    fn only_the_space_separates_names() {
        for raw in ["a\tb", "a\nb", "a\u{a0}b", "a \"b\""] {
            assert_eq!(ScopeSet::parse(raw), Err(ScopeError::ForbiddenCharacter), "{raw:?}");
        }
    }

    #[test]
    fn a_hundred_names_are_accepted_and_one_more_is_refused_even_if_repeated() {
        assert_eq!(ScopeSet::parse(&"a ".repeat(ScopeSet::MAX_PARSED)).map(|set| set.len()), Ok(1));
        assert_eq!(
            ScopeSet::parse(&"a ".repeat(ScopeSet::MAX_PARSED + 1)),
            Err(ScopeError::TooManyNames)
        );
    }

    #[test]
    fn union_intersection_difference_and_partition() {
        let (left, right) = (set("a b c"), set("c d"));

        assert_eq!(left.union(&right), set("a b c d"));
        assert_eq!(left.intersection(&right), set("c"));
        assert_eq!(left.difference(&right), set("a b"));
        assert_eq!(left.clone().partition(|name| name.as_str() < "b"), (set("a"), set("b c")));
        assert!(set("c").is_subset(&left) && !right.is_subset(&left));
        assert!(left.contains("a") && !left.contains("A"));
    }

    #[test]
    fn json_is_a_list_and_parsing_it_checks_every_name() {
        let read = |json| serde_json::from_str::<ScopeSet>(json).map_err(|error| error.to_string());

        assert_eq!(
            serde_json::to_string(&set("openid email")).expect("serializes"),
            r#"["email","openid"]"#
        );
        assert_eq!(read(r#"["openid","email"]"#), Ok(set("openid email")));
        assert!(read(r#"["openid email"]"#).is_err_and(|error| error.contains("printable ASCII")));
        assert!(read(r#"[""]"#).is_err_and(|error| error.contains("empty")));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_a_formatted_set_parses_to_the_same_set(raw in "[ -~\\t€]{0,80}") {
            if let Ok(scopes) = ScopeSet::parse(&raw) {
                prop_assert_eq!(ScopeSet::parse(&scopes.to_string()), Ok(scopes));
            }
        }

        #[test]
        fn the_order_of_names_does_not_matter(
            mut names in proptest::collection::vec("[!#-\\[\\]-~]{1,20}", 0..20),
        ) {
            let sent = set(&names.join(" "));
            names.reverse();

            prop_assert_eq!(sent, set(&names.join(" ")));
        }
    }
}
