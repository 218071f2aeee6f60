//! The query of a search in the audit trail: terms that are joined by AND. A term is a word of the
//! message, or a facet such as `@evt.name:client.disabled`. A trailing `*` matches any rest.

use crate::audit::catalog::{AUDIT_EVENTS, AuditEventKind};

pub const MAX_LENGTH: usize = 1_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    words: Vec<Pattern>,
    names: Vec<Pattern>,
    /// The user who acted.
    pub user_id: Option<Pattern>,
    pub asset_id: Option<Pattern>,
    pub asset_type: Option<Pattern>,
}

/// A text in lower case, exact or with any rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub text: String,
    pub is_prefix: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditQueryError {
    #[error("the query is longer than 1000 characters: shorten it")]
    TooLong,
    #[error("{0} is not a facet: use @evt.name, @usr.id, @asset.id or @asset.type")]
    UnknownFacet(String),
    #[error("{0} is in the query twice: name it once")]
    Repeated(&'static str),
    #[error("{0} has no value")]
    Empty(&'static str),
    #[error(
        "the query has quotation marks or parentheses: write words and facets, which are joined by AND"
    )]
    Unsupported,
}

const EVENT: &str = "@evt.name";
const USER: &str = "@usr.id";
const ASSET_ID: &str = "@asset.id";
const ASSET_TYPE: &str = "@asset.type";

impl AuditQuery {
    pub fn parse(text: &str) -> Result<Self, AuditQueryError> {
        if text.chars().nth(MAX_LENGTH).is_some() {
            return Err(AuditQueryError::TooLong);
        }
        if text.contains(['"', '(', ')', '[', ']', '\'']) {
            return Err(AuditQueryError::Unsupported);
        }
        let mut query = Self::default();
        for term in text.split_whitespace().filter(|term| *term != "*" && *term != "AND") {
            match term.split_once(':') {
                Some((EVENT, value)) => query.names.push(Pattern::of(EVENT, value)?),
                Some((USER, value)) => set(&mut query.user_id, USER, value)?,
                Some((ASSET_ID, value)) => set(&mut query.asset_id, ASSET_ID, value)?,
                Some((ASSET_TYPE, value)) => set(&mut query.asset_type, ASSET_TYPE, value)?,
                Some((facet, _)) => {
                    return Err(AuditQueryError::UnknownFacet(facet.escape_debug().to_string()));
                }
                None if term.starts_with('@') => {
                    return Err(AuditQueryError::UnknownFacet(term.escape_debug().to_string()));
                }
                None => query.words.push(Pattern::of("a word", term)?),
            }
        }
        Ok(query)
    }

    /// The names of the events that match the words and names. `None` if every event does.
    pub fn event_names(&self) -> Option<Vec<&'static str>> {
        if self.words.is_empty() && self.names.is_empty() {
            return None;
        }
        let matches = |kind: &&AuditEventKind| {
            self.names.iter().all(|name| name.matches(kind.name))
                && self.words.iter().all(|word| has_word(kind.meaning, word))
        };
        Some(AUDIT_EVENTS.iter().filter(matches).map(|kind| kind.name).collect())
    }
}

impl Pattern {
    fn of(facet: &'static str, value: &str) -> Result<Self, AuditQueryError> {
        let (text, is_prefix) = match value.strip_suffix('*') {
            Some(text) => (text, true),
            None => (value, false),
        };
        if text.is_empty() && !is_prefix {
            return Err(AuditQueryError::Empty(facet));
        }
        Ok(Self { text: text.to_lowercase(), is_prefix })
    }

    fn matches(&self, text: &str) -> bool {
        if self.is_prefix { text.starts_with(&self.text) } else { text == self.text }
    }
}

fn set(
    pattern: &mut Option<Pattern>,
    facet: &'static str,
    value: &str,
) -> Result<(), AuditQueryError> {
    let new = Pattern::of(facet, value)?;
    match pattern.replace(new) {
        None => Ok(()),
        Some(_) => Err(AuditQueryError::Repeated(facet)),
    }
}

fn has_word(message: &str, word: &Pattern) -> bool {
    let lower = message.to_lowercase();
    lower.split(|char: char| !char.is_alphanumeric()).any(|found| word.matches(found))
}

/// The message of an event: what it means, in one sentence.
pub fn message(name: &str) -> &'static str {
    let kind = AUDIT_EVENTS.iter().find(|kind| kind.name == name);
    kind.map_or("An event of another version of this server.", |kind| kind.meaning)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> AuditQuery {
        AuditQuery::parse(text).expect(text)
    }

    #[test]
    fn words_and_names_select_events() {
        let all = AUDIT_EVENTS.len();
        let cases = [
            ("", None),
            ("*", None),
            ("@usr.id:abc", None),
            ("@evt.name:client.disabled", Some(vec!["client.disabled"])),
            ("@evt.name:CLIENT.disabled", Some(vec!["client.disabled"])),
            (
                "@evt.name:partner.*",
                Some(vec!["partner.approved", "partner.changed", "partner.ended"]),
            ),
            ("@evt.name:partner.* ended", Some(vec![])),
            ("@evt.name:partner.* AND longer", Some(vec!["partner.ended"])),
            ("Renamed API", Some(vec!["api_key.changed"])),
            ("renam* api", Some(vec!["api_key.changed"])),
            ("@evt.name:nonsense", Some(vec![])),
            ("ename", Some(vec![])),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).event_names(), expected, "{text}");
        }
        assert_eq!(parse("@evt.name:*").event_names().map(|names| names.len()), Some(all));
    }

    #[test]
    fn facets_are_read_with_their_wildcards() {
        let query = parse("@usr.id:ABC @asset.type:client @asset.id:019b7*");
        let pattern = |text: &str, is_prefix| Some(Pattern { text: text.to_owned(), is_prefix });
        assert_eq!(query.user_id, pattern("abc", false));
        assert_eq!(query.asset_type, pattern("client", false));
        assert_eq!(query.asset_id, pattern("019b7", true));
    }

    #[test]
    fn other_queries_are_errors_that_name_the_term() {
        let facet = |name: &str| AuditQueryError::UnknownFacet(name.to_owned());
        let cases = [
            ("@http.url:x", facet("@http.url")),
            ("@usr.email:a", facet("@usr.email")),
            ("@evt.name", facet("@evt.name")),
            ("service:grantor", facet("service")),
            ("@usr.id:a @usr.id:b", AuditQueryError::Repeated("@usr.id")),
            ("@asset.id:", AuditQueryError::Empty("@asset.id")),
            ("@evt.name:(a OR b)", AuditQueryError::Unsupported),
            ("\"two words\"", AuditQueryError::Unsupported),
        ];
        for (text, error) in cases {
            assert_eq!(AuditQuery::parse(text), Err(error), "{text}");
        }
        assert_eq!(AuditQuery::parse(&"x".repeat(1001)), Err(AuditQueryError::TooLong));
        assert!(AuditQuery::parse(&"x".repeat(1000)).is_ok());
    }

    #[test]
    fn every_event_has_a_message() {
        for kind in AUDIT_EVENTS {
            assert_eq!(message(kind.name), kind.meaning);
        }
        assert_eq!(message("x"), "An event of another version of this server.");
    }

    proptest! {
        #[test]
        fn no_query_panics(text in ".{0,200}") {
            if let Ok(query) = AuditQuery::parse(&text) {
                query.event_names();
            }
        }
    }
}
