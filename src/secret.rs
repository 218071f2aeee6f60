//! Random tokens and their digests, password hashes, and a type for secrets that does not print.
//!
//! Generated secrets have at least 128 random bits (RFC 6749 section 10.10), so a plain SHA-256 is
//! enough to store and find them. Only passwords, which people choose, need a slow hash.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Secret text. `Debug` prints `***`, and the memory is cleared when it is dropped.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the secret itself. Reviews should look at every call.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// Returns the last four characters, which help people distinguish secrets.
    pub fn last_four(&self) -> String {
        let count = self.0.chars().count();
        self.0.chars().skip(count.saturating_sub(4)).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// The SHA-256 of a secret, which is stored, indexed and compared instead of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Parses 64 hexadecimal digits in either case.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digest(…)")
    }
}

/// A source of random bytes: the operating system, or a seed for tests that need the same bytes
/// again.
#[derive(Clone, Debug)]
pub struct Random {
    generator: Generator,
    /// The time and counter of the last id, shared by all clones.
    last_id: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Generator {
    System,
    Seeded(Arc<AtomicU64>),
}

impl Random {
    pub fn system() -> Self {
        Self::of(Generator::System)
    }

    pub fn seeded(seed: u64) -> Self {
        Self::of(Generator::Seeded(Arc::new(AtomicU64::new(seed))))
    }

    fn of(generator: Generator) -> Self {
        Self { generator, last_id: Arc::default() }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask the system")]
    #[expect(clippy::expect_used, reason = "without a generator there are no secrets, and continuing would be worse")]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.generator {
            Generator::System => getrandom::fill(&mut bytes).expect("the system's random generator works"),
            Generator::Seeded(state) => {
                for chunk in bytes.chunks_mut(8) {
                    chunk.copy_from_slice(&splitmix(state).to_le_bytes()[..chunk.len()]);
                }
            }
        }
        bytes
    }

    /// Returns an id that sorts by its creation time (RFC 9562 section 5.7), and after every
    /// earlier id of this process: a counter fills the twelve bits after the milliseconds (section
    /// 6.2, method 1). If the counter overflows or the clock steps back, ids continue from the last
    /// one.
    pub fn uuid_v7(&self, unix_millis: u64) -> Uuid {
        const COUNTER_BITS: u32 = 12;
        let earliest = unix_millis << COUNTER_BITS;
        let next = |last: u64| earliest.max(last.saturating_add(1));
        let last = self.last_id.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        let id = next(last.unwrap_or_else(|last| last));
        let mut after_time = self.bytes::<10>();
        let [.., high, low] = id.to_be_bytes();
        // The builder overwrites the upper half of the first byte with the version.
        after_time[..2].copy_from_slice(&[high, low]);
        uuid::Builder::from_unix_timestamp_millis(id >> COUNTER_BITS, &after_time).into_uuid()
    }

    /// Generates an API key of 128 bits as 32 hexadecimal digits, as clients of the compatible API
    /// expect.
    pub fn api_key(&self) -> Secret {
        Secret::new(hex(&self.bytes::<16>()))
    }

    /// Generates an application key of 160 bits as 40 hexadecimal digits.
    pub fn application_key(&self) -> Secret {
        Secret::new(hex(&self.bytes::<20>()))
    }

    /// Generates a token of 256 bits (RFC 6749 section 10.10). The prefix shows people and leak
    /// scanners what it is.
    pub fn token(&self, prefix: &str) -> Secret {
        Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(self.bytes::<32>())))
    }

    /// Generates a password for a person to copy once: 120 bits without look-alike characters.
    pub fn password(&self) -> Secret {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        Secret::new(self.bytes::<24>().iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
    }
}

/// Generates request ids from the digest of a secret and a counter. So ids are unique, but do not
/// reveal the number of requests.
#[derive(Debug)]
pub struct RequestIds {
    key: [u8; 32],
    next: AtomicU64,
}

impl RequestIds {
    pub fn new(random: &Random) -> Self {
        Self { key: random.bytes(), next: AtomicU64::new(0) }
    }

    /// Returns 64 bits as 16 hexadecimal digits.
    pub fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::new().chain_update(self.key).chain_update(number.to_le_bytes()).finalize();
        hex(&digest[..8])
    }
}

/// One step of splitmix64, which is only good enough to make the ids of a test differ.
fn splitmix(state: &AtomicU64) -> u64 {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = state.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// argon2id with the parameters that OWASP and RFC 9106 recommend for 19 MiB. It takes about 20 ms.
/// The caller limits the memory by limiting the concurrent calls.
fn argon2id() -> Argon2<'static> {
    const MEMORY_KIB: u32 = 19 * 1024;
    const PASSES: u32 = 2;
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// This is deliberately slow. Call it only where blocking is allowed.
pub fn hash_password(password: &Secret, random: &Random) -> Result<String, PasswordError> {
    let hash = argon2id().hash_password_with_salt(password.expose().as_bytes(), &random.bytes::<16>())?;
    Ok(hash.to_string())
}

/// This is deliberately slow. Call it only where blocking is allowed.
pub fn password_matches(password: &Secret, stored: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|hash| argon2id().verify_password(password.expose().as_bytes(), &hash).is_ok())
}

#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct PasswordError(#[from] argon2::password_hash::Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2hunter2".to_owned());

        assert_eq!(format!("{secret:?} {:?}", secret.digest()), "*** Digest(…)");
        assert_eq!(secret.last_four(), "ter2");
    }

    #[test]
    fn the_digest_is_sha_256_of_the_whole_secret() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

        assert_eq!(hex(Digest::of("abc").bytes()), expected);
        assert_ne!(Digest::of("abc"), Digest::of("ab"));
    }

    #[test]
    fn keys_have_the_length_and_alphabet_that_clients_expect() {
        let random = Random::system();
        for (key, length) in [(random.api_key(), 32), (random.application_key(), 40)] {
            assert_eq!(key.expose().len(), length);
            assert!(key.expose().bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
        }
        assert_ne!(random.api_key(), random.api_key());
    }

    #[test]
    fn a_seed_returns_the_same_bytes_again_but_different_ones_next() {
        let (one, other) = (Random::seeded(7), Random::seeded(7));
        let first = one.bytes::<20>();

        assert_eq!(first, other.bytes::<20>());
        assert_ne!(first, one.bytes::<20>());
    }

    /// With splitmix64, one id is enough to compute the next one.
    #[test]
    fn a_request_id_does_not_reveal_the_next_one() {
        let ids = RequestIds::new(&Random::seeded(7));
        let (first, second) = (ids.next(), ids.next());
        let undo = |text: &str| {
            let shifted_back = |z: u64, by: u32| z ^ (z >> by) ^ (z >> (2 * by));
            let z = u64::from_le_bytes(u64::from_str_radix(text, 16).expect("16 digits").to_be_bytes());
            let z = shifted_back(z, 31).wrapping_mul(0x3196_42b2_d24d_8ec3);
            let z = shifted_back(z, 27).wrapping_mul(0x96de_1b17_3f11_9089);
            shifted_back(z, 30)
        };

        assert_eq!((first.len(), second.len()), (16, 16));
        assert_ne!(undo(&second).wrapping_sub(undo(&first)), 0x9e37_79b9_7f4a_7c15);
        assert_ne!(first, RequestIds::new(&Random::seeded(8)).next());
    }

    #[test]
    fn later_ids_sort_later_and_have_version_7() {
        let random = Random::seeded(1);
        let (early, late) = (random.uuid_v7(1_000), random.uuid_v7(1_001));

        assert!(early < late);
        assert_eq!(early.get_version_num(), 7);
    }

    #[test]
    fn ids_sort_in_order_of_creation_even_if_the_clock_stands_still_or_steps_back() {
        let random = Random::system();
        let ids: Vec<Uuid> =
            (0..10_000).map(|index| random.clone().uuid_v7(if index < 5_000 { 1_000 } else { 900 })).collect();

        assert!(ids.is_sorted_by(|one, next| one < next));
        assert!(ids.iter().all(|id| id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122));
        assert_eq!(ids.first().map(|id| id.as_u128() >> 80), Some(1_000));
        assert_eq!(ids.last().map(|id| id.as_u128() >> 80), Some(1_000 + 10_000 / 4_096));
    }

    #[test]
    fn a_password_matches_only_its_own_hash() {
        let password = Random::seeded(1).password();
        let stored = hash_password(&password, &Random::seeded(2)).expect("hashes");

        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(password_matches(&password, &stored));
        assert!(!password_matches(&Secret::new("wrong".to_owned()), &stored));
        assert!(!password_matches(&password, "not a hash"));
    }
}
