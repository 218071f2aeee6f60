//! When a signing key is published, signs, and is published still: whoever checks tokens with a cached key set must never
//! meet a key that it does not know, nor lose one that living tokens need.

use crate::rules::timestamp::Timestamp;

/// A new key is published for so many seconds before it signs: longer than the key set may be cached.
pub const PUBLISHED_BEFORE_USE: i64 = 600;
/// For how long the key set may be cached. Short, so that a revoked key leaves caches soon.
pub const KEY_SET_MAX_AGE: i64 = 60;
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

    /// False if a younger key replaced it before its time came.
    fn will_sign(self) -> bool {
        self.retired_at.is_none_or(|at| at > self.signs_from)
    }

    /// The last second at which a token that it signed can be valid. `None`: it has signed nothing yet.
    pub fn last_token_ends_at(self, access_ttl: i64, now: Timestamp) -> Option<Timestamp> {
        let signed_until = self.retired_at.map_or(now, |at| at.min(now));
        // Within one second a key may sign and be retired.
        let has_signed = self.signs_from <= now && self.retired_at.is_none_or(|at| at >= self.signs_from);
        has_signed.then(|| signed_until.plus(access_ttl))
    }

    /// When nothing that it signed can live any more.
    pub fn ends_at(self, kept_for: i64) -> Option<Timestamp> {
        self.retired_at.map(|at| at.plus(kept_for))
    }
}

/// A key that remains when another one is revoked.
#[derive(Clone, Copy, Debug)]
pub struct RemainingKey {
    pub period: SigningPeriod,
    /// Whether the key ring opens its private half.
    pub is_usable: bool,
}

/// What must change so that a key signs after another one was revoked. A number is an index into the remaining keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Succession {
    /// A key signs, and nothing planned depends on the revoked one.
    Unchanged,
    /// The next key signs at once, earlier than planned.
    SignNow(usize),
    /// The current key keeps signing, because the revoked key was its planned successor.
    KeepSigning(usize),
    /// No remaining key can sign.
    NewKey,
}

impl Succession {
    /// `keys` are in the order in which they sign.
    pub fn after_revocation(keys: &[RemainingKey], now: Timestamp) -> Self {
        let find = |state| {
            keys.iter().position(|key| key.is_usable && key.period.will_sign() && key.period.state(now) == state)
        };
        match (find(SigningState::Signs), find(SigningState::Published)) {
            (Some(current), None) if keys[current].period.retired_at.is_some() => Self::KeepSigning(current),
            (Some(_), _) => Self::Unchanged,
            (None, Some(next)) => Self::SignNow(next),
            (None, None) => Self::NewKey,
        }
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

    #[test]
    fn after_a_revocation_exactly_one_usable_key_signs() {
        use Succession::{KeepSigning, NewKey, SignNow, Unchanged};
        let key = |signs_from, retired_at: Option<i64>, is_usable| RemainingKey {
            period: SigningPeriod { signs_from: at(signs_from), retired_at: retired_at.map(at) },
            is_usable,
        };
        let cases = [
            ("no key remains", vec![], NewKey),
            ("only a retired key remains", vec![key(0, Some(50), true)], NewKey),
            ("the ring does not open the next key", vec![key(200, None, false)], NewKey),
            ("the next key was replaced before its time", vec![key(200, Some(150), true)], NewKey),
            ("the current key was revoked", vec![key(0, Some(50), true), key(200, None, true)], SignNow(1)),
            ("two keys wait", vec![key(200, Some(300), true), key(300, None, true)], SignNow(0)),
            ("the next key was revoked", vec![key(0, Some(200), true)], KeepSigning(0)),
            ("a retired key was revoked", vec![key(50, None, true)], Unchanged),
            ("a rotation is under way", vec![key(0, Some(200), true), key(200, None, true)], Unchanged),
            ("the current key cannot be opened", vec![key(0, Some(200), false), key(200, None, true)], SignNow(1)),
        ];
        for (name, keys, expected) in cases {
            assert_eq!(Succession::after_revocation(&keys, at(100)), expected, "{name}");
        }
    }

    #[test]
    fn the_last_token_of_a_key_ends_one_lifetime_after_its_last_signature() {
        let cases = [
            (0, None, Some(1_100)),
            (0, Some(40), Some(1_040)),
            (0, Some(400), Some(1_100)),
            (40, Some(40), Some(1_040)),
            (101, None, None),
            (90, Some(80), None),
        ];
        for (signs_from, retired_at, expected) in cases {
            let period = SigningPeriod { signs_from: at(signs_from), retired_at: retired_at.map(at) };
            assert_eq!(period.last_token_ends_at(1_000, at(100)), expected.map(at), "{period:?}");
        }
    }
}
