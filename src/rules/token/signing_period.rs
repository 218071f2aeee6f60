//! The periods in which a signing key is published and in which it signs. A key is published before
//! it signs and as long as its tokens are valid, so APIs with a cached key set can always verify
//! tokens.

use crate::timestamp::Timestamp;

/// The number of seconds for which a new key is published before it signs. This is longer than the
/// key set may be cached.
pub const PUBLISHED_BEFORE_USE: i64 = 600;
/// The number of seconds for which the key set may be cached. It is short, so that a revoked key
/// disappears from caches soon.
pub const KEY_SET_MAX_AGE: i64 = 60;
/// The number of seconds for which a key stays published after its last token expired, for clocks
/// that are slow.
const KEPT_BEYOND_TOKENS: i64 = 3600;

/// The number of seconds for which a retired key stays published. `access_ttl` is the lifetime of
/// access tokens.
pub const fn kept_for(access_ttl: i64) -> i64 {
    access_ttl.saturating_add(KEPT_BEYOND_TOKENS)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningPeriod {
    pub signs_from: Timestamp,
    /// When a newer key replaces this one. `None` if no replacement is planned.
    pub retired_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningState {
    /// The key does not sign yet.
    Published,
    Signs,
    /// The key no longer signs.
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

    /// False if a newer key replaced this one before it would have signed.
    fn will_sign(self) -> bool {
        self.retired_at.is_none_or(|at| at > self.signs_from)
    }

    /// When the last token that this key signed expires. `None` if it has not signed a token yet.
    pub fn last_token_ends_at(self, access_ttl: i64, now: Timestamp) -> Option<Timestamp> {
        let signed_until = self.retired_at.map_or(now, |at| at.min(now));
        // A key can sign and be retired within the same second.
        let has_signed =
            self.signs_from <= now && self.retired_at.is_none_or(|at| at >= self.signs_from);
        has_signed.then(|| signed_until.plus(access_ttl))
    }

    /// When the key is no longer published.
    pub fn ends_at(self, kept_for: i64) -> Option<Timestamp> {
        self.retired_at.map(|at| at.plus(kept_for))
    }
}

/// A key that remains after another one was revoked.
#[derive(Clone, Copy, Debug)]
pub struct RemainingKey {
    pub period: SigningPeriod,
    /// Whether the key ring can decrypt the private key.
    pub is_usable: bool,
}

/// The change that is needed so that a key signs after another one was revoked. The numbers are
/// indexes into the remaining keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Succession {
    /// A key signs, and no plan depends on the revoked key.
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
            keys.iter().position(|key| {
                key.is_usable && key.period.will_sign() && key.period.state(now) == state
            })
        };
        match (find(SigningState::Signs), find(SigningState::Published)) {
            (Some(current), None) if keys[current].period.retired_at.is_some() => {
                Self::KeepSigning(current)
            }
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
    fn a_key_is_published_before_it_signs_and_after_it_is_retired() {
        use SigningState::{Published, Retired, Signs};
        let cases = [
            (100, None, 99, Published),
            (100, None, 100, Signs),
            (100, None, 1_000_000, Signs),
            (100, Some(200), 99, Published),
            (100, Some(200), 199, Signs),
            (100, Some(200), 200, Retired),
            // Another key replaced it before it signed.
            (100, Some(50), 49, Published),
            (100, Some(50), 50, Retired),
            (100, Some(50), 150, Retired),
        ];
        for (signs_from, retired_at, now, state) in cases {
            let period =
                SigningPeriod { signs_from: at(signs_from), retired_at: retired_at.map(at) };
            assert_eq!(period.state(at(now)), state, "{period:?} at {now}");
        }
    }

    #[test]
    fn a_key_is_published_until_an_hour_after_its_last_token_expires() {
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
            ("the key ring cannot decrypt the next key", vec![key(200, None, false)], NewKey),
            ("the next key was replaced before its time", vec![key(200, Some(150), true)], NewKey),
            (
                "the current key was revoked",
                vec![key(0, Some(50), true), key(200, None, true)],
                SignNow(1),
            ),
            (
                "two keys do not sign yet",
                vec![key(200, Some(300), true), key(300, None, true)],
                SignNow(0),
            ),
            ("the next key was revoked", vec![key(0, Some(200), true)], KeepSigning(0)),
            ("a retired key was revoked", vec![key(50, None, true)], Unchanged),
            (
                "a rotation is under way",
                vec![key(0, Some(200), true), key(200, None, true)],
                Unchanged,
            ),
            (
                "the key ring cannot decrypt the current key",
                vec![key(0, Some(200), false), key(200, None, true)],
                SignNow(1),
            ),
        ];
        for (name, keys, expected) in cases {
            assert_eq!(Succession::after_revocation(&keys, at(100)), expected, "{name}");
        }
    }

    #[test]
    fn the_last_token_of_a_key_expires_one_lifetime_after_its_last_signature() {
        let cases = [
            (0, None, Some(1_100)),
            (0, Some(40), Some(1_040)),
            (0, Some(400), Some(1_100)),
            (40, Some(40), Some(1_040)),
            (101, None, None),
            (90, Some(80), None),
        ];
        for (signs_from, retired_at, expected) in cases {
            let period =
                SigningPeriod { signs_from: at(signs_from), retired_at: retired_at.map(at) };
            assert_eq!(period.last_token_ends_at(1_000, at(100)), expected.map(at), "{period:?}");
        }
    }
}
