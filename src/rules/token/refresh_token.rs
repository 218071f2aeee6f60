//! Refresh tokens, and what to do with a presented one (RFC 6749 section 6, RFC 9700 section
//! 4.14.2).
//!
//! All tokens of a family contain its seed. Each token is derived from the one before it, and a
//! rotation makes the next token the current one. The family's row stores only digests, so a copy
//! of the database does not contain a token.
//!
//! A token is *used* when it is presented and the family rotates. Using its access token does not
//! count, because resource servers check access tokens without this server. The current token is
//! never used, because its use makes the next one current. The row therefore always answers the
//! question that decides a retry: was the successor of the presented token used?
//!
//! | presented token | its successor | time since it was replaced | decision |
//! | --- | --- | --- | --- |
//! | any, if the family is revoked, expired or idle | | | `Ended`: refuse |
//! | current | none | | `Rotate`: make the next token current; `Keep` it for a confidential client |
//! | previous (the current one replaced it) | not used | at most `repeat` or `grace` | `RepeatCurrent`: return the current token again |
//! | previous | not used | longer | `TooLate`: refuse, and revoke nothing; `Reused` if `repeat` is 0 |
//! | the one before the previous | used | at most `grace` | `RepeatPrevious`: return the previous token again |
//! | the one before the previous | used | longer | `Reused`: two parties have tokens of the family, so revoke it |
//! | older | used | unknown | `Reused` |
//! | not derived by this server | | | `Foreign`: refuse, and revoke nothing, because anyone can invent one |
//!
//! A repeated token is always one that the family already has, so the chain never forks. After
//! `RepeatPrevious` the client has the previous token, and the third row of the table applies to
//! it.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::id::FamilyId;
use crate::secret::{Digest, Secret};
use crate::timestamp::Timestamp;

/// The purpose for which a key of the key ring creates tags.
pub const PURPOSE: &str = "refresh token";

const PREFIX: &str = "rt_";
const FAMILY_BYTES: usize = 16;
const SEQUENCE_BYTES: usize = 4;
const SEED_BYTES: usize = 16;
const TAG_BYTES: usize = 32;
const BYTES: usize = FAMILY_BYTES + SEQUENCE_BYTES + SEED_BYTES + TAG_BYTES;
const ENCODED: usize = (BYTES * 8).div_ceil(6);

/// A random value for each family, contained in all of its tokens.
pub type Seed = [u8; SEED_BYTES];

/// A refresh token: `rt_`, followed by the base64url encoding of the family, the sequence number,
/// the seed, and a tag that only this server can create.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    pub family: FamilyId,
    pub sequence: u32,
    seed: Seed,
    tag: [u8; TAG_BYTES],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a refresh token of this server")]
pub struct RefreshTokenError;

impl RefreshToken {
    /// `mac` computes a MAC with a key of the key ring for [`PURPOSE`].
    pub fn derive(
        family: FamilyId,
        sequence: u32,
        seed: Seed,
        mac: impl FnOnce(&[u8]) -> [u8; TAG_BYTES],
    ) -> Self {
        let tag = mac(&[family.0.as_bytes().as_slice(), &sequence.to_be_bytes(), &seed].concat());
        Self { family, sequence, seed, tag }
    }

    /// The token that replaces this one.
    pub fn successor(&self, mac: impl FnOnce(&[u8]) -> [u8; TAG_BYTES]) -> Self {
        Self::derive(self.family, self.sequence.saturating_add(1), self.seed, mac)
    }

    pub fn parse(text: &str) -> Result<Self, RefreshTokenError> {
        let encoded = text
            .strip_prefix(PREFIX)
            .filter(|encoded| encoded.len() == ENCODED)
            .ok_or(RefreshTokenError)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| RefreshTokenError)?;
        let (family, rest) = bytes.split_first_chunk::<FAMILY_BYTES>().ok_or(RefreshTokenError)?;
        let (sequence, rest) =
            rest.split_first_chunk::<SEQUENCE_BYTES>().ok_or(RefreshTokenError)?;
        let (seed, rest) = rest.split_first_chunk::<SEED_BYTES>().ok_or(RefreshTokenError)?;
        let tag = rest.try_into().map_err(|_| RefreshTokenError)?;
        Ok(Self {
            family: FamilyId(Uuid::from_bytes(*family)),
            sequence: u32::from_be_bytes(*sequence),
            seed: *seed,
            tag,
        })
    }

    /// The token as it is sent to the client.
    pub fn secret(&self) -> Secret {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend(self.family.0.as_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.seed);
        bytes.extend(self.tag);
        Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes)))
    }

    /// The digest of the whole token, which is stored in the family's row.
    pub fn digest(&self) -> Digest {
        self.secret().digest()
    }

    /// Whether the tag was created with this key.
    pub fn was_derived(&self, mac: impl FnOnce(&[u8]) -> [u8; TAG_BYTES]) -> bool {
        let again = Self::derive(self.family, self.sequence, self.seed, mac);
        verify_slices_are_equal(&again.tag, &self.tag).is_ok()
    }
}

/// Omits the seed and the tag, which are secret.
impl fmt::Debug for RefreshToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RefreshToken({}, {}, ***)", self.family, self.sequence)
    }
}

/// The columns of a family's row on which the decision depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyState {
    pub sequence: u32,
    /// `None` if the family has no refresh token.
    pub current_digest: Option<Digest>,
    pub previous_digest: Option<Digest>,
    /// When the current token was created.
    pub rotated_at: Timestamp,
    /// When the previous token was created.
    pub previous_rotated_at: Option<Timestamp>,
    /// When the family expires, even if it is in use.
    pub ends_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// The times that apply to refreshes, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshRules {
    /// How long a token may stay unused. 0 means forever.
    pub idle: i64,
    /// How long the successor of a replaced token is returned again, even if the successor was
    /// used. 0 means not at all.
    pub grace: i64,
    /// How long the successor of a replaced token is returned again if the successor was not used.
    /// 0 means not at all.
    pub repeat: i64,
    /// Whether a refresh replaces the token. The tokens of confidential clients stay, because their
    /// secret binds them (RFC 9700 section 4.14.2).
    pub rotates: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Rotate,
    Keep,
    RepeatCurrent,
    RepeatPrevious,
    TooLate,
    Reused,
    Ended(Ending),
    Foreign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Revoked,
    /// The maximum lifetime of the family was reached.
    Expired,
    /// The current token was not used for too long.
    Idle,
}

/// Decides on a presented token of this family. `was_derived` returns whether a key of the key ring
/// created its tag. It is called only if the result matters.
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
        if rules.rotates { Decision::Rotate } else { Decision::Keep }
    } else if digest == family.previous_digest {
        decide_on_previous(family, rules, now)
    } else if presented.sequence < family.sequence && was_derived() {
        decide_on_older(presented, family, rules, now)
    } else {
        Decision::Foreign
    }
}

fn decide_on_previous(family: &FamilyState, rules: RefreshRules, now: Timestamp) -> Decision {
    if is_within(rules.grace.max(rules.repeat), family.rotated_at, now) {
        Decision::RepeatCurrent
    } else if rules.repeat > 0 {
        Decision::TooLate
    } else {
        Decision::Reused
    }
}

fn decide_on_older(
    presented: &RefreshToken,
    family: &FamilyState,
    rules: RefreshRules,
    now: Timestamp,
) -> Decision {
    let was_replaced_by_previous = presented.sequence.saturating_add(2) == family.sequence;
    let is_in_grace = family
        .previous_rotated_at
        .is_some_and(|replaced_at| is_within(rules.grace, replaced_at, now));
    if was_replaced_by_previous && is_in_grace {
        Decision::RepeatPrevious
    } else {
        Decision::Reused
    }
}

/// If the clock was set back, a token looks new. It can stay valid longer, but it never expires
/// because of the change.
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

/// Whether the rotation is at most this many seconds away, in the past or in the future. A clock
/// slightly behind that of the replica that rotated must not revoke the family. A clock that was
/// set back far must not extend the time.
fn is_within(seconds: i64, replaced_at: Timestamp, now: Timestamp) -> bool {
    let apart = now.seconds_since(replaced_at).max(replaced_at.seconds_since(now));
    seconds > 0 && apart <= seconds
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    const SEED: Seed = [7; 16];
    const RULES: RefreshRules = RefreshRules { idle: 1_000, grace: 10, repeat: 600, rotates: true };
    /// No repetition after the grace period.
    const STRICT: RefreshRules = RefreshRules { repeat: 0, ..RULES };
    const ROTATED_AT: i64 = 5_000;

    fn family() -> FamilyId {
        FamilyId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001))
    }

    /// Replaces a key of the key ring.
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

    fn decide_at(
        presented: &RefreshToken,
        family: &FamilyState,
        rules: RefreshRules,
        now: i64,
    ) -> Decision {
        decide(presented, family, rules, at(now), || presented.was_derived(mac))
    }

    #[test]
    fn a_token_is_parsed_from_its_text() {
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
    fn every_other_text_is_refused() {
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
            // The last character has two excess bits, which must be zero.
            format!("rt_{}B", "A".repeat(90)),
        ];
        for spelling in spellings {
            assert_eq!(RefreshToken::parse(&spelling), Err(RefreshTokenError), "{spelling}");
        }
    }

    #[test]
    fn a_tag_depends_on_seed_sequence_and_key_and_is_not_printed() {
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
    fn the_decision_depends_on_the_position_of_the_token_in_the_family() {
        let now = ROTATED_AT + 5;
        let after_grace = ROTATED_AT + 11;
        let cases = [
            (token(3), now, Decision::Rotate),
            (token(3), after_grace, Decision::Rotate),
            (token(2), now, Decision::RepeatCurrent),
            (token(2), after_grace, Decision::RepeatCurrent),
            (token(2), ROTATED_AT + 600, Decision::RepeatCurrent),
            (token(2), ROTATED_AT + 601, Decision::TooLate),
            (token(1), now, Decision::RepeatPrevious),
            (token(1), ROTATED_AT + 7, Decision::RepeatPrevious),
            (token(1), ROTATED_AT + 8, Decision::Reused),
            (token(1), after_grace, Decision::Reused),
            (token(0), now, Decision::Reused),
            (token(4), now, Decision::Foreign),
            (forged(3), now, Decision::Foreign),
            (forged(2), now, Decision::Foreign),
            (forged(1), now, Decision::Foreign),
            (forged(u32::MAX), now, Decision::Foreign),
        ];
        for (presented, now, expected) in cases {
            assert_eq!(
                decide_at(&presented, &state(), RULES, now),
                expected,
                "{presented:?} at {now}"
            );
        }
    }

    #[test]
    fn all_tokens_of_an_ended_family_are_refused() {
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
            assert_eq!(
                decide_at(&token(3), &family, rules, now),
                expected,
                "{family:?} {rules:?} at {now}"
            );
            if let Decision::Ended(_) = expected {
                for presented in [token(2), token(1), forged(3)] {
                    assert_eq!(
                        decide_at(&presented, &family, rules, now),
                        expected,
                        "{presented:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn tokens_for_a_family_without_a_refresh_token_are_foreign() {
        let bare =
            FamilyState { sequence: 0, current_digest: None, previous_digest: None, ..state() };

        for presented in [token(0), token(1), forged(0)] {
            assert_eq!(decide_at(&presented, &bare, RULES, ROTATED_AT), Decision::Foreign);
        }
    }

    #[test]
    fn a_successor_is_repeated_shortly_before_and_after_the_rotation() {
        let short = RefreshRules { repeat: 5, ..RULES };
        let no_grace = RefreshRules { grace: 0, ..RULES };
        let neither = RefreshRules { grace: 0, ..STRICT };
        let cases = [
            (STRICT, 0, Decision::RepeatCurrent),
            (STRICT, 10, Decision::RepeatCurrent),
            (STRICT, 11, Decision::Reused),
            (STRICT, -10, Decision::RepeatCurrent),
            (STRICT, -11, Decision::Reused),
            (STRICT, -3_600, Decision::Reused),
            (neither, 0, Decision::Reused),
            (neither, -1, Decision::Reused),
            (RULES, -600, Decision::RepeatCurrent),
            (RULES, -601, Decision::TooLate),
            (no_grace, 600, Decision::RepeatCurrent),
            (no_grace, 601, Decision::TooLate),
            (short, 10, Decision::RepeatCurrent),
            (short, 11, Decision::TooLate),
        ];
        for (rules, after, expected) in cases {
            assert_eq!(
                decide_at(&token(2), &state(), rules, ROTATED_AT + after),
                expected,
                "{rules:?} {after}"
            );
        }
    }

    #[test]
    fn a_used_successor_is_repeated_only_within_the_grace_period() {
        let no_grace = RefreshRules { grace: 0, ..RULES };
        let never_rotated = FamilyState { previous_rotated_at: None, ..state() };
        let replaced_at = ROTATED_AT - 3;
        let cases = [
            (RULES, state(), 10, Decision::RepeatPrevious),
            (RULES, state(), 11, Decision::Reused),
            (RULES, state(), -10, Decision::RepeatPrevious),
            (RULES, state(), -11, Decision::Reused),
            (STRICT, state(), 10, Decision::RepeatPrevious),
            (no_grace, state(), 0, Decision::Reused),
            (RULES, never_rotated, 0, Decision::Reused),
        ];
        for (rules, family, after, expected) in cases {
            assert_eq!(
                decide_at(&token(1), &family, rules, replaced_at + after),
                expected,
                "{rules:?} {after}"
            );
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_end_a_family() {
        for now in [ROTATED_AT - 1, 0, i64::MIN] {
            assert_eq!(decide_at(&token(3), &state(), RULES, now), Decision::Rotate, "{now}");
        }
    }

    #[test]
    fn a_tag_is_derived_again_only_if_the_result_matters() {
        let never_called = || -> bool { panic!("was_derived was called") };
        let now = at(ROTATED_AT);

        for presented in [token(3), token(2), token(4)] {
            let _ = decide(&presented, &state(), RULES, now, never_called);
        }
        let revoked = FamilyState { revoked_at: Some(now), ..state() };
        let _ = decide(&token(1), &revoked, RULES, now, never_called);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// Present the token that is this many places before the current one. Negative numbers are
        /// after it.
        Present(i64),
        Wait(i64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let any_wait = prop_oneof![-40..40_i64, 500..700_i64];
        prop_oneof![3 => (-1..6_i64).prop_map(Step::Present), 1 => any_wait.prop_map(Step::Wait)]
    }

    #[test]
    fn the_token_of_a_confidential_client_stays_until_its_family_ends() {
        let stays = RefreshRules { idle: 0, rotates: false, ..RULES };
        let family = FamilyState { ends_at: None, ..state() };
        let long = 100 * 365 * 86_400;

        assert_eq!(decide_at(&token(3), &family, stays, long), Decision::Keep);
        assert_eq!(decide_at(&token(4), &family, stays, long), Decision::Foreign);
        let revoked = FamilyState { revoked_at: Some(at(1)), ..family };
        assert_eq!(decide_at(&token(3), &revoked, stays, long), Decision::Ended(Ending::Revoked));
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
        fn in_no_sequence_of_requests_is_an_older_token_accepted_against_the_rules(
            steps in proptest::collection::vec(any_step(), 1..60),
            rules in prop_oneof![Just(RULES), Just(STRICT), Just(RefreshRules { grace: 0, ..RULES })],
        ) {
            let mut now = ROTATED_AT;
            let mut family = state();
            // When each token was replaced.
            let mut replaced_at = vec![ROTATED_AT - 6, ROTATED_AT - 3, ROTATED_AT];
            for step in steps {
                let behind = match step {
                    Step::Wait(seconds) => {
                        now += seconds;
                        continue;
                    }
                    Step::Present(behind) => behind,
                };
                let Ok(sequence) = u32::try_from(i64::from(family.sequence) - behind) else { continue };
                let apart = replaced_at.get(sequence as usize).map_or(i64::MAX, |at: &i64| (now - at).abs());
                let is_repeatable = apart <= rules.grace && rules.grace > 0 || apart <= rules.repeat && rules.repeat > 0;
                let decision = decide_at(&token(sequence), &family, rules, now);
                match decision {
                    Decision::Rotate => {
                        prop_assert_eq!(behind, 0);
                        family.previous_digest = family.current_digest;
                        family.sequence += 1;
                        family.current_digest = Some(token(family.sequence).digest());
                        family.previous_rotated_at = Some(family.rotated_at);
                        family.rotated_at = at(now);
                        replaced_at.push(now);
                    }
                    Decision::Keep => prop_assert!(false, "these families rotate"),
                    Decision::RepeatCurrent => prop_assert!(behind == 1 && is_repeatable),
                    Decision::RepeatPrevious => prop_assert!(behind == 2 && rules.grace > 0 && apart <= rules.grace),
                    Decision::TooLate => prop_assert!(behind == 1 && !is_repeatable && rules.repeat > 0),
                    Decision::Reused => {
                        let was_late = behind == 1 && !is_repeatable && rules.repeat == 0;
                        let was_used = behind == 2 && (rules.grace == 0 || apart > rules.grace);
                        prop_assert!(behind > 2 || was_late || was_used);
                        family.revoked_at = Some(at(now));
                    }
                    Decision::Foreign => prop_assert!(behind < 0 && family.revoked_at.is_none()),
                    Decision::Ended(ending) => {
                        prop_assert_eq!(ending == Ending::Revoked, family.revoked_at.is_some());
                    }
                }
            }
        }
    }
}
