//! Refresh tokens and what becomes of a presented one (RFC 6749 section 6, RFC 9700 section 4.14.2).
//!
//! All tokens of a family carry its seed and are derived one after the other, and a rotation moves to the next. The family's
//! row holds digests only, so that neither a dump of the database nor a key of the ring makes a token:
//!
//! | presented is | in the family's row | answer |
//! | --- | --- | --- |
//! | any | revoked, ended or long unused | `Ended`: refused |
//! | the current token | its digest | `Rotate`: the next token becomes the current one |
//! | the one before it, soon after | its digest | `Repeat`: the current token again, since an answer may be lost |
//! | the one before it, later | its digest | `Reused`: two parties hold the family, so it ends |
//! | the one before that, soon after its own rotation | its tag can be derived again | `Overtaken`: refused, and nothing ends |
//! | an older one of this family | its tag can be derived again | `Reused` |
//! | anything else | nothing | `Foreign`: refused, and nothing ends, since anyone can make it up |

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::id::FamilyId;
use super::timestamp::Timestamp;
use crate::secret::{Digest, Secret};

/// What a key of the ring is used for when it makes a tag.
pub const PURPOSE: &str = "refresh token";

const PREFIX: &str = "rt_";
const FAMILY_BYTES: usize = 16;
const SEQUENCE_BYTES: usize = 4;
const SEED_BYTES: usize = 16;
const TAG_BYTES: usize = 32;
const BYTES: usize = FAMILY_BYTES + SEQUENCE_BYTES + SEED_BYTES + TAG_BYTES;
const ENCODED: usize = (BYTES * 8).div_ceil(6);

/// Drawn for each family, and in each of its tokens.
pub type Seed = [u8; SEED_BYTES];

/// `rt_` and base64url without padding of the family, the place in it, its seed, and a tag that only this server can make.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    pub family: FamilyId,
    pub sequence: u32,
    seed: Seed,
    tag: [u8; TAG_BYTES],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no refresh token of this server")]
pub struct RefreshTokenError;

impl RefreshToken {
    /// `mac` is that of a key of the ring for [`PURPOSE`].
    pub fn derive(family: FamilyId, sequence: u32, seed: Seed, mac: impl FnOnce(&[u8]) -> [u8; TAG_BYTES]) -> Self {
        let tag = mac(&[family.0.as_bytes().as_slice(), &sequence.to_be_bytes(), &seed].concat());
        Self { family, sequence, seed, tag }
    }

    /// The one that takes its place.
    pub fn successor(&self, mac: impl FnOnce(&[u8]) -> [u8; TAG_BYTES]) -> Self {
        Self::derive(self.family, self.sequence.saturating_add(1), self.seed, mac)
    }

    pub fn parse(text: &str) -> Result<Self, RefreshTokenError> {
        let encoded = text.strip_prefix(PREFIX).filter(|encoded| encoded.len() == ENCODED).ok_or(RefreshTokenError)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| RefreshTokenError)?;
        let (family, rest) = bytes.split_first_chunk::<FAMILY_BYTES>().ok_or(RefreshTokenError)?;
        let (sequence, rest) = rest.split_first_chunk::<SEQUENCE_BYTES>().ok_or(RefreshTokenError)?;
        let (seed, rest) = rest.split_first_chunk::<SEED_BYTES>().ok_or(RefreshTokenError)?;
        let tag = rest.try_into().map_err(|_| RefreshTokenError)?;
        let (family, sequence) = (FamilyId(Uuid::from_bytes(*family)), u32::from_be_bytes(*sequence));
        Ok(Self { family, sequence, seed: *seed, tag })
    }

    /// The token as the client holds it.
    pub fn secret(&self) -> Secret {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend(self.family.0.as_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.seed);
        bytes.extend(self.tag);
        Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes)))
    }

    /// Of the whole text: what the family's row holds.
    pub fn digest(&self) -> Digest {
        self.secret().digest()
    }

    /// Whether the tag was made with this key.
    pub fn was_derived(&self, mac: impl FnOnce(&[u8]) -> [u8; TAG_BYTES]) -> bool {
        let again = Self::derive(self.family, self.sequence, self.seed, mac);
        verify_slices_are_equal(&again.tag, &self.tag).is_ok()
    }
}

/// Seed and tag are the secret part.
impl fmt::Debug for RefreshToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RefreshToken({}, {}, ***)", self.family, self.sequence)
    }
}

/// The part of a family's row that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyState {
    pub sequence: u32,
    /// `None`: the family has no refresh token.
    pub current_digest: Option<Digest>,
    pub previous_digest: Option<Digest>,
    /// When the current token was made.
    pub rotated_at: Timestamp,
    /// When the token before it was made.
    pub previous_rotated_at: Option<Timestamp>,
    /// When the family ends, however often it is used.
    pub ends_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshRules {
    /// How long a token may stay unused; 0 is for ever.
    pub idle: i64,
    /// How long the previous token still works; 0 is not at all.
    pub grace: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Rotate,
    Repeat,
    /// Sent by one of several processes that refresh at once, and two others were faster.
    Overtaken,
    Reused,
    Ended(Ending),
    Foreign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Revoked,
    /// Its absolute end has come.
    Expired,
    /// It was not used for too long.
    Idle,
}

/// What becomes of a token that names this family. `was_derived` says whether any key of the ring
/// gives its tag; it is asked only where that decides.
pub fn decide(
    presented: &RefreshToken,
    family: &FamilyState,
    rules: RefreshRules,
    now: Timestamp,
    was_derived: impl FnOnce() -> bool,
) -> Decision {
    if let Some(ending) = ending(family, rules, now) {
        return Decision::Ended(ending);
    }
    let digest = Some(presented.digest());
    if digest == family.current_digest {
        Decision::Rotate
    } else if digest == family.previous_digest {
        if is_within_grace(family.rotated_at, rules, now) { Decision::Repeat } else { Decision::Reused }
    } else if presented.sequence < family.sequence && was_derived() {
        let was_replaced_by_the_one_before = presented.sequence.saturating_add(2) == family.sequence;
        let is_soon = |replaced_at| is_within_grace(replaced_at, rules, now);
        let is_overtaken = was_replaced_by_the_one_before && family.previous_rotated_at.is_some_and(is_soon);
        if is_overtaken { Decision::Overtaken } else { Decision::Reused }
    } else {
        Decision::Foreign
    }
}

/// A clock that stepped back makes a token look fresh: it may live longer by the step, and never dies of it.
fn ending(family: &FamilyState, rules: RefreshRules, now: Timestamp) -> Option<Ending> {
    if family.revoked_at.is_some() {
        Some(Ending::Revoked)
    } else if family.ends_at.is_some_and(|ends_at| ends_at <= now) {
        Some(Ending::Expired)
    } else if rules.idle > 0 && now.seconds_since(family.rotated_at) >= rules.idle {
        Some(Ending::Idle)
    } else {
        None
    }
}

/// Near the rotation on either side: a clock that is a little behind the one of the replica that rotated must not end
/// the family, and one that stepped back far must not hold the door open until it has caught up.
fn is_within_grace(replaced_at: Timestamp, rules: RefreshRules, now: Timestamp) -> bool {
    let apart = now.seconds_since(replaced_at).max(replaced_at.seconds_since(now));
    rules.grace > 0 && apart <= rules.grace
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    const SEED: Seed = [7; 16];
    const RULES: RefreshRules = RefreshRules { idle: 1_000, grace: 10 };
    const ROTATED_AT: i64 = 5_000;

    fn family() -> FamilyId {
        FamilyId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001))
    }

    /// Stands for a key of the ring.
    fn mac(message: &[u8]) -> [u8; 32] {
        Sha256::new_with_prefix("key").chain_update(message).finalize().into()
    }

    fn token(sequence: u32) -> RefreshToken {
        RefreshToken::derive(family(), sequence, SEED, mac)
    }

    fn forged(sequence: u32) -> RefreshToken {
        RefreshToken { tag: [9; 32], ..token(sequence) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    /// The third token is the current one.
    fn state() -> FamilyState {
        FamilyState {
            sequence: 3,
            current_digest: Some(token(3).digest()),
            previous_digest: Some(token(2).digest()),
            rotated_at: at(ROTATED_AT),
            previous_rotated_at: Some(at(ROTATED_AT - 3)),
            ends_at: Some(at(9_000)),
            revoked_at: None,
        }
    }

    fn decide_at(presented: &RefreshToken, family: &FamilyState, rules: RefreshRules, now: i64) -> Decision {
        decide(presented, family, rules, at(now), || presented.was_derived(mac))
    }

    #[test]
    fn a_token_is_read_as_it_is_written() {
        for sequence in [0, 1, u32::MAX] {
            let text = token(sequence).secret();

            assert_eq!(RefreshToken::parse(text.expose()), Ok(token(sequence)));
            assert_eq!(token(sequence).digest(), text.digest());
        }
        assert_eq!(
            token(3).secret().expose(),
            "rt_AZIAAAAAcACAAAAAAAAAAQAAAAMHBwcHBwcHBwcHBwcHBwcHr9GnycccvXvB52GdTJ_5oWIj_RauL_5TA6qD68vI7Go",
        );
    }

    #[test]
    fn every_other_spelling_is_no_token() {
        let text = token(1).secret().expose().to_owned();
        let spellings = [
            String::new(),
            "rt_".to_owned(),
            text.replace("rt_", ""),
            text.replace("rt_", "RT_"),
            text[..text.len() - 1].to_owned(),
            format!("{text}A"),
            format!("{text}AAAA"),
            format!("{text}=="),
            format!("{text} "),
            format!(" {text}"),
            format!("rt_{}", "ä".repeat(35)),
            format!("rt_{}/B", "A".repeat(89)),
            // The last character carries two bits that no byte has.
            format!("rt_{}B", "A".repeat(90)),
        ];
        for spelling in spellings {
            assert_eq!(RefreshToken::parse(&spelling), Err(RefreshTokenError), "{spelling}");
        }
    }

    #[test]
    fn a_tag_depends_on_seed_place_and_key_and_does_not_print() {
        let token = token(3);

        assert!(token.was_derived(mac));
        assert!(!token.was_derived(|_| [0; 32]));
        assert!(!RefreshToken { seed: [8; 16], ..token }.was_derived(mac));
        assert!(!RefreshToken { sequence: 2, ..token }.was_derived(mac));
        assert!(!RefreshToken { family: FamilyId(Uuid::nil()), ..token }.was_derived(mac));
        assert!(token.successor(mac).was_derived(mac));
        assert_eq!(token.successor(mac), RefreshToken::derive(family(), 4, SEED, mac));
        assert_eq!(format!("{token:?}"), format!("RefreshToken({}, 3, ***)", family()));
    }

    #[test]
    fn what_becomes_of_a_token_depends_on_its_place_in_the_family() {
        let now = ROTATED_AT + 5;
        let later = ROTATED_AT + 11;
        let cases = [
            (token(3), now, Decision::Rotate),
            (token(3), later, Decision::Rotate),
            (token(2), now, Decision::Repeat),
            (token(2), later, Decision::Reused),
            (token(1), now, Decision::Overtaken),
            (token(1), ROTATED_AT + 7, Decision::Overtaken),
            (token(1), ROTATED_AT + 8, Decision::Reused),
            (token(1), later, Decision::Reused),
            (token(0), now, Decision::Reused),
            (token(4), now, Decision::Foreign),
            (forged(3), now, Decision::Foreign),
            (forged(2), now, Decision::Foreign),
            (forged(1), now, Decision::Foreign),
            (forged(u32::MAX), now, Decision::Foreign),
        ];
        for (presented, now, expected) in cases {
            assert_eq!(decide_at(&presented, &state(), RULES, now), expected, "{presented:?} at {now}");
        }
    }

    #[test]
    fn nothing_of_a_family_that_is_over_works() {
        let revoked = FamilyState { revoked_at: Some(at(1)), ..state() };
        let endless = FamilyState { ends_at: None, ..state() };
        let never_idle = RefreshRules { idle: 0, ..RULES };
        let idle_at = ROTATED_AT + RULES.idle;
        let cases = [
            (revoked, RULES, ROTATED_AT, Decision::Ended(Ending::Revoked)),
            (revoked, RULES, 99_999, Decision::Ended(Ending::Revoked)),
            (state(), RULES, idle_at - 1, Decision::Rotate),
            (state(), RULES, idle_at, Decision::Ended(Ending::Idle)),
            (state(), never_idle, 8_999, Decision::Rotate),
            (state(), never_idle, 9_000, Decision::Ended(Ending::Expired)),
            (endless, RULES, idle_at, Decision::Ended(Ending::Idle)),
            (endless, never_idle, i64::MAX, Decision::Rotate),
        ];
        for (family, rules, now, expected) in cases {
            assert_eq!(decide_at(&token(3), &family, rules, now), expected, "{family:?} {rules:?} at {now}");
            if let Decision::Ended(_) = expected {
                for presented in [token(2), token(1), forged(3)] {
                    assert_eq!(decide_at(&presented, &family, rules, now), expected, "{presented:?}");
                }
            }
        }
    }

    #[test]
    fn a_family_without_a_refresh_token_has_none_to_present() {
        let bare = FamilyState { sequence: 0, current_digest: None, previous_digest: None, ..state() };

        for presented in [token(0), token(1), forged(0)] {
            assert_eq!(decide_at(&presented, &bare, RULES, ROTATED_AT), Decision::Foreign);
        }
    }

    #[test]
    fn the_grace_time_lies_on_both_sides_of_the_rotation_and_0_is_none() {
        let none = RefreshRules { grace: 0, ..RULES };
        let cases = [
            (RULES, 0, Decision::Repeat),
            (RULES, 10, Decision::Repeat),
            (RULES, 11, Decision::Reused),
            (RULES, -10, Decision::Repeat),
            (RULES, -11, Decision::Reused),
            (RULES, -3_600, Decision::Reused),
            (none, 0, Decision::Reused),
            (none, -1, Decision::Reused),
        ];
        for (rules, after, expected) in cases {
            assert_eq!(decide_at(&token(2), &state(), rules, ROTATED_AT + after), expected, "{rules:?} {after}");
        }
    }

    #[test]
    fn a_clock_that_stepped_back_ends_no_family() {
        for now in [ROTATED_AT - 1, 0, i64::MIN] {
            assert_eq!(decide_at(&token(3), &state(), RULES, now), Decision::Rotate, "{now}");
        }
    }

    #[test]
    fn a_tag_is_derived_again_only_where_that_decides() {
        let never_asked = || -> bool { panic!("asked") };
        let now = at(ROTATED_AT);

        for presented in [token(3), token(2), token(4)] {
            let _ = decide(&presented, &state(), RULES, now, never_asked);
        }
        let revoked = FamilyState { revoked_at: Some(now), ..state() };
        let _ = decide(&token(1), &revoked, RULES, now, never_asked);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// The token so many places before the current one, or after it.
        Present(i64),
        Wait(i64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![(-1..6_i64).prop_map(Step::Present), (-40..40_i64).prop_map(Step::Wait)]
    }

    proptest! {
        #[test]
        fn no_text_panics_and_a_token_has_one_spelling(
            text in "\\PC*|rt_[A-Za-z0-9_-]{60,80}|rt_[A-Za-z0-9_-]{69}[AEIMQUYcgkosw048]",
        ) {
            if let Ok(token) = RefreshToken::parse(&text) {
                prop_assert_eq!(token.secret(), Secret::new(text));
            }
        }

        #[test]
        fn no_sequence_of_tokens_has_an_older_one_accepted_outside_the_grace_time(
            steps in proptest::collection::vec(any_step(), 1..60),
        ) {
            let mut now = ROTATED_AT;
            let mut family = state();
            for step in steps {
                let behind = match step {
                    Step::Wait(seconds) => {
                        now += seconds;
                        continue;
                    }
                    Step::Present(behind) => behind,
                };
                let Ok(sequence) = u32::try_from(i64::from(family.sequence) - behind) else { continue };
                let apart = (now - family.rotated_at.seconds()).abs();
                let before = family.previous_rotated_at.map_or(i64::MAX, |before| (now - before.seconds()).abs());
                let decision = decide_at(&token(sequence), &family, RULES, now);
                match decision {
                    Decision::Rotate => {
                        prop_assert_eq!(behind, 0);
                        family.previous_digest = family.current_digest;
                        family.sequence += 1;
                        family.current_digest = Some(token(family.sequence).digest());
                        family.previous_rotated_at = Some(family.rotated_at);
                        family.rotated_at = at(now);
                    }
                    Decision::Repeat => prop_assert!(behind == 1 && apart <= RULES.grace),
                    Decision::Overtaken => prop_assert!(behind == 2 && before <= RULES.grace),
                    Decision::Reused => {
                        prop_assert!(behind > 2 || behind == 2 && before > RULES.grace || behind == 1 && apart > RULES.grace);
                        family.revoked_at = Some(at(now));
                    }
                    Decision::Foreign => prop_assert!(behind < 0 && family.revoked_at.is_none()),
                    Decision::Ended(ending) => {
                        prop_assert_eq!(ending == Ending::Revoked, family.revoked_at.is_some());
                    }
                }
                prop_assert!(family.revoked_at.is_none() || !matches!(decision, Decision::Rotate | Decision::Repeat));
            }
        }
    }
}
