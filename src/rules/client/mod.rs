//! Clients: their ids, registration, metadata and metadata documents.
//!
//! A client id is a UUID (RFC 9562), derived from the client's metadata or random.

pub mod client_secret;
pub mod disabled_reason;
pub mod document;
pub mod document_freshness;
pub mod grant_types;
pub mod identity;
pub mod kind;
#[cfg(test)]
pub mod known_clients;
#[cfg(test)]
pub mod known_documents;
pub mod look_alike;
pub mod member;
pub mod metadata;
pub mod metadata_error;
pub mod name;
pub mod private_client;
pub mod proof;
pub mod raw_metadata;
pub mod registration;
pub mod review;
pub mod state;
pub mod submission;
pub mod tile;
pub mod unused;
pub mod verification_marks;
pub mod version;

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::timestamp::Timestamp;

/// Whether a client was not seen for more than `sleep_after` seconds. If `sleep_after` is 0,
/// clients never sleep. The state is computed, not stored, so any use of the client ends it.
pub const fn is_asleep(last_seen_at: Timestamp, now: Timestamp, sleep_after: i64) -> bool {
    sleep_after > 0 && now.seconds_since(last_seen_at) > sleep_after
}

/// The `client_id` of RFC 6749 section 2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ClientId(Uuid);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client id is a UUID of 36 characters with hyphens")]
pub struct ClientIdError;

impl ClientId {
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// Whether the id was assigned, as those of confidential clients are. The ids of public clients
    /// are derived from what they register or publish. A different id can belong to either kind, if
    /// clients are not deduplicated.
    pub fn may_be_confidential(self) -> bool {
        self.0.get_version_num() == 7
    }

    /// Parses the format of RFC 9562 section 4, in upper or lower case. Other formats that UUID
    /// libraries accept (braces, a URN, no hyphens) are refused, so that a client has only one
    /// name.
    pub fn parse(text: &str) -> Result<Self, ClientIdError> {
        const HYPHENATED: usize = uuid::fmt::Hyphenated::LENGTH;
        if text.len() != HYPHENATED {
            return Err(ClientIdError);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| ClientIdError)
    }

    /// The lowest and the highest id that start with this text. `None` if no id can start with it,
    /// or if the text is too short.
    pub fn range_of_prefix(text: &str) -> Option<(Self, Self)> {
        const MIN_PREFIX: usize = 4;
        const LOWEST: &str = "00000000-0000-0000-0000-000000000000";
        const HIGHEST: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";
        if text.len() < MIN_PREFIX {
            return None;
        }
        let filled = |rest: &str| Self::parse(&format!("{text}{}", rest.get(text.len()..)?)).ok();
        Some((filled(LOWEST)?, filled(HIGHEST)?))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "72b68208-36a6-11f0-b21b-da7ad0900002";

    #[test]
    fn a_client_sleeps_if_it_was_not_seen_for_too_long_and_never_if_the_limit_is_0() {
        let at = Timestamp::from_seconds;
        for (last_seen_at, sleep_after, asleep) in [
            (0, 100, false),
            (-1, 100, true),
            (50, 100, false),
            (200, 100, false),
            (-1_000_000, 0, false),
        ] {
            assert_eq!(
                is_asleep(at(last_seen_at), at(100), sleep_after),
                asleep,
                "{last_seen_at} {sleep_after}"
            );
        }
    }

    #[test]
    fn an_id_is_parsed_in_either_case_and_written_in_lower_case() {
        for text in [ID.to_owned(), ID.to_uppercase()] {
            assert_eq!(ClientId::parse(&text).map(|id| id.to_string()), Ok(ID.to_owned()));
        }
        assert_eq!(
            serde_json::to_value(ClientId::parse(ID).expect("an id")).expect("serializes"),
            ID
        );
    }

    #[test]
    fn a_prefix_gives_the_range_of_ids_that_start_with_it() {
        let range = |text: &str| {
            ClientId::range_of_prefix(text)
                .map(|(first, last)| (first.to_string(), last.to_string()))
        };
        let of = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));

        assert_eq!(range(ID), of(ID, ID));
        let short =
            of("72b60000-0000-0000-0000-000000000000", "72b6ffff-ffff-ffff-ffff-ffffffffffff");
        assert_eq!((range("72b6"), range("72B6")), (short.clone(), short));
        let longer =
            of("72b68208-3000-0000-0000-000000000000", "72b68208-3fff-ffff-ffff-ffffffffffff");
        assert_eq!(range("72b68208-3"), longer);
        for text in ["", "72b", "Claude", "72b6820836", "72b682083-", "72b6é", &format!("{ID}0")] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn every_other_format_is_refused() {
        let spellings = [
            String::new(),
            ID.replace('-', ""),
            format!("{{{ID}}}"),
            format!("urn:uuid:{ID}"),
            format!(" {ID}"),
            format!("{ID}\n"),
            ID.replace('7', "g"),
            ID.replace("-36a6", "36-a6"),
            ID.replace('-', "_"),
            format!("{{{}--}}", ID.replace('-', "")),
            ID.replace('7', "é").chars().take(35).collect(),
        ];
        for text in spellings {
            assert_eq!(ClientId::parse(&text), Err(ClientIdError), "{text}");
        }
    }
}
