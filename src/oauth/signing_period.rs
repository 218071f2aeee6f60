//! When a signing key is published, signs, and is published still: whoever checks tokens with a cached key set must never
//! meet a key that it does not know, nor lose one that living tokens need.

use super::Timestamp;

/// A new key is published for so many seconds before it signs: longer than the key set may be cached.
pub const PUBLISHED_BEFORE_USE: i64 = 600;
/// For how long the key set may be cached.
pub const KEY_SET_MAX_AGE: i64 = 300;
/// How long after the last token of a key has ended the key stays, for clocks that are behind.
const KEPT_BEYOND_TOKENS: i64 = 3600;

/// How long a key that signs no more is published still, where access tokens live for `access_ttl` seconds.
pub const fn kept_for(access_ttl: i64) -> i64 {
    access_ttl.saturating_add(KEPT_BEYOND_TOKENS)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningPeriod {
    pub signs_from: Timestamp,
    /// When a younger key takes its place; none is not yet known.
    pub retired_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningState {
    /// It will sign.
    Published,
    Signs,
    /// It signs no more.
    Retired,
}

impl SigningState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Signs => "signs",
            Self::Retired => "retired",
        }
    }
}

impl SigningPeriod {
    pub fn state(self, now: Timestamp) -> SigningState {
        if self.retired_at.is_some_and(|at| at <= now) {
            SigningState::Retired
        } else if self.signs_from <= now {
            SigningState::Signs
        } else {
            SigningState::Published
        }
    }

    /// When nothing that it signed can live any more.
    pub fn ends_at(self, kept_for: i64) -> Option<Timestamp> {
        self.retired_at.map(|at| at.plus(kept_for))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_key_is_published_then_signs_and_then_is_published_still() {
        use SigningState::{Published, Retired, Signs};
        let cases = [
            (100, None, 99, Published),
            (100, None, 100, Signs),
            (100, None, 1_000_000, Signs),
            (100, Some(200), 99, Published),
            (100, Some(200), 199, Signs),
            (100, Some(200), 200, Retired),
            // Another one took its place before its time came.
            (100, Some(50), 49, Published),
            (100, Some(50), 50, Retired),
            (100, Some(50), 150, Retired),
        ];
        for (signs_from, retired_at, now, state) in cases {
            let period = SigningPeriod { signs_from: at(signs_from), retired_at: retired_at.map(at) };
            assert_eq!(period.state(at(now)), state, "{period:?} at {now}");
        }
    }

    #[test]
    fn a_key_ends_when_the_last_of_its_tokens_has_ended_and_an_hour_later() {
        let period = SigningPeriod { signs_from: at(0), retired_at: Some(at(1000)) };

        assert_eq!(period.ends_at(kept_for(900)), Some(at(1000 + 900 + 3600)));
        assert_eq!(SigningPeriod { retired_at: None, ..period }.ends_at(0), None);
        const { assert!(KEY_SET_MAX_AGE < PUBLISHED_BEFORE_USE) };
    }
}
