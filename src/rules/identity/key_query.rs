//! How lists of keys are sorted and filtered.

use crate::audit::since::parse_time;
use crate::client::ClientId;
use crate::timestamp::Timestamp;

/// What a list of keys is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyOrder {
    #[default]
    Name,
    CreatedAt,
    ModifiedAt,
    LastFour,
}

impl KeyOrder {
    pub const OF_API_KEYS: [Self; 4] =
        [Self::Name, Self::CreatedAt, Self::ModifiedAt, Self::LastFour];
    pub const OF_APPLICATION_KEYS: [Self; 3] = [Self::Name, Self::CreatedAt, Self::LastFour];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::CreatedAt => "created_at",
            Self::ModifiedAt => "modified_at",
            Self::LastFour => "last4",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeySort {
    pub by: KeyOrder,
    pub descending: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sort must be one of these, with a leading - for descending order: {0}")]
pub struct KeySortError(String);

impl KeySort {
    pub fn parse(text: &str, known: &[KeyOrder]) -> Result<Self, KeySortError> {
        let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let found = known.iter().find(|order| order.as_str() == name);
        found.map(|by| Self { by: *by, descending }).ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|order| order.as_str()).collect();
            KeySortError(names.join(", "))
        })
    }
}

/// A range of times, including both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeRangeError {
    #[error("the start must be a time such as 2026-11-30T08:00:00Z")]
    Start,
    #[error("the end must be a time such as 2026-11-30T08:00:00Z")]
    End,
}

impl TimeRange {
    pub fn parse(start: Option<&str>, end: Option<&str>) -> Result<Self, TimeRangeError> {
        let time =
            |text: Option<&str>, error| text.map(|text| parse_time(text).ok_or(error)).transpose();
        Ok(Self {
            start: time(start, TimeRangeError::Start)?,
            end: time(end, TimeRangeError::End)?,
        })
    }
}

/// The prefix of the category of keys that a client created.
const OF_CLIENT: &str = "oauth_client:";

/// The category of an API key that a client created with an access token. Other keys have none.
pub fn category_of_client(id: ClientId) -> String {
    format!("{OF_CLIENT}{id}")
}

/// The keys of a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CategoryFilter {
    OfClient(ClientId),
    /// No key has this category.
    Unknown,
}

impl CategoryFilter {
    pub fn parse(text: &str) -> Self {
        let id = text.strip_prefix(OF_CLIENT).and_then(|id| ClientId::parse(id).ok());
        id.filter(|id| category_of_client(*id) == text).map_or(Self::Unknown, Self::OfClient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sort_is_a_known_name_with_at_most_one_minus() {
        let all = &KeyOrder::OF_API_KEYS[..];
        let sort = |by, descending| Ok(KeySort { by, descending });
        let error = |names: &str| Err(KeySortError(names.to_owned()));
        let cases = [
            ("name", all, sort(KeyOrder::Name, false)),
            ("-name", all, sort(KeyOrder::Name, true)),
            ("created_at", all, sort(KeyOrder::CreatedAt, false)),
            ("-modified_at", all, sort(KeyOrder::ModifiedAt, true)),
            ("last4", all, sort(KeyOrder::LastFour, false)),
            ("--name", all, error("name, created_at, modified_at, last4")),
            ("", all, error("name, created_at, modified_at, last4")),
            ("Name", all, error("name, created_at, modified_at, last4")),
            ("modified_at", &KeyOrder::OF_APPLICATION_KEYS[..], error("name, created_at, last4")),
        ];
        for (text, known, expected) in cases {
            assert_eq!(KeySort::parse(text, known), expected, "{text}");
        }
    }

    #[test]
    fn keys_are_sorted_by_name_unless_the_caller_says_otherwise() {
        assert_eq!(KeySort::parse("name", &KeyOrder::OF_API_KEYS), Ok(KeySort::default()));
        let error = KeySort::parse("id", &KeyOrder::OF_APPLICATION_KEYS).expect_err("an error");
        assert_eq!(
            error.to_string(),
            "sort must be one of these, with a leading - for descending order: name, created_at, last4"
        );
    }

    #[test]
    fn a_range_has_rfc_3339_times_and_may_be_open() {
        let at = |seconds| Some(Timestamp::from_seconds(seconds));
        let range = |start, end| Ok(TimeRange { start, end });
        let cases = [
            (None, None, range(None, None)),
            (Some("1970-01-01T00:00:10Z"), None, range(at(10), None)),
            (None, Some("1970-01-01T01:00:00+01:00"), range(None, at(0))),
            (Some("1970-01-01T00:00:10Z"), Some("1970-01-01T00:00:20.5Z"), range(at(10), at(20))),
            (Some("1970-01-01"), None, Err(TimeRangeError::Start)),
            (Some("1970-01-01T00:00:10Z"), Some("now"), Err(TimeRangeError::End)),
            (Some("x"), Some("x"), Err(TimeRangeError::Start)),
        ];
        for (start, end, expected) in cases {
            assert_eq!(TimeRange::parse(start, end), expected, "{start:?} {end:?}");
        }
    }

    #[test]
    fn only_keys_of_clients_have_a_category() {
        let text = "0190a0b0-36a6-7000-b21b-da7ad0900002";
        let id = ClientId::parse(text).expect("an id");
        let category = category_of_client(id);

        assert_eq!(category, format!("oauth_client:{text}"));
        assert_eq!(CategoryFilter::parse(&category), CategoryFilter::OfClient(id));
        let upper_case = category.to_uppercase();
        for unknown in ["", "oauth_client", "oauth_client:", "x", text, upper_case.as_str()] {
            assert_eq!(CategoryFilter::parse(unknown), CategoryFilter::Unknown, "{unknown}");
        }
    }
}
