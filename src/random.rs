//! Random bytes, and the ids, keys and tokens made from them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::rules::client::client_secret;
use crate::rules::secret::{Secret, hex};

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
    #[expect(
        clippy::expect_used,
        reason = "without a generator there are no secrets, and continuing would be worse"
    )]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.generator {
            Generator::System => {
                getrandom::fill(&mut bytes).expect("the system's random generator works")
            }
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
        let last = self
            .last_id
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
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

    /// Generates a secret for a confidential client.
    pub fn client_secret(&self) -> Secret {
        // 64 bytes contain 40 usable ones, except once in 10^40 times.
        loop {
            if let Some(secret) = client_secret::from_random(&self.bytes::<64>()) {
                return secret;
            }
        }
    }

    /// Generates a password for a person to copy once: 120 bits without look-alike characters.
    pub fn password(&self) -> Secret {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        Secret::new(
            self.bytes::<24>()
                .iter()
                .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
                .collect(),
        )
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

    pub fn next(&self) -> RequestId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let digest =
            Sha256::new().chain_update(self.key).chain_update(number.to_le_bytes()).finalize();
        let mut digits = [b'0'; 16];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(digest) {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        RequestId(digits)
    }
}

/// 64 bits as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl RequestId {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_length_and_alphabet_that_clients_expect() {
        let random = Random::system();
        for (key, length) in [(random.api_key(), 32), (random.application_key(), 40)] {
            assert_eq!(key.expose().len(), length);
            assert!(
                key.expose()
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            );
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
        let undo = |id: RequestId| {
            let shifted_back = |z: u64, by: u32| z ^ (z >> by) ^ (z >> (2 * by));
            let z = u64::from_le_bytes(
                u64::from_str_radix(id.as_str(), 16).expect("16 digits").to_be_bytes(),
            );
            let z = shifted_back(z, 31).wrapping_mul(0x3196_42b2_d24d_8ec3);
            let z = shifted_back(z, 27).wrapping_mul(0x96de_1b17_3f11_9089);
            shifted_back(z, 30)
        };

        assert_ne!(undo(second).wrapping_sub(undo(first)), 0x9e37_79b9_7f4a_7c15);
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
        let ids: Vec<Uuid> = (0..10_000)
            .map(|index| random.clone().uuid_v7(if index < 5_000 { 1_000 } else { 900 }))
            .collect();

        assert!(ids.is_sorted_by(|one, next| one < next));
        assert!(
            ids.iter()
                .all(|id| id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122)
        );
        assert_eq!(ids.first().map(|id| id.as_u128() >> 80), Some(1_000));
        assert_eq!(ids.last().map(|id| id.as_u128() >> 80), Some(1_000 + 10_000 / 4_096));
    }
}
