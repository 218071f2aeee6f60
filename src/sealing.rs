//! The key ring, and sealing: encryption of secrets that must be stored in a readable form.
//!
//! Each use of a ring key has its own key, derived with HMAC-SHA-256, so that no two uses share a
//! key. A sealed value is bound to its place (table, column, row, organization), so that it cannot
//! be moved to another one.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::random::Random;
use crate::rules::id::OrgId;
use crate::rules::secret::{Secret, hex};

const KEY_LENGTH: usize = 32;
const MIN_PASSPHRASE_LENGTH: usize = 32;
const MAX_ID_LENGTH: usize = 64;
/// The id of the publicly known key that a trial without a key uses.
pub const DEVELOPMENT: &str = "development";
/// The purpose of keys that seal. No purpose of [`RingKey::mac`] begins with a null character.
const SEALING: &str = "\0sealing";
/// The first byte of a sealed value, which identifies its format.
const VERSION: u8 = 1;

/// Base64 as key generators print it, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys, newest first. The newest key seals, and all keys open. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRing(Arc<[RingKey]>);

pub struct RingKey {
    id: String,
    bytes: Zeroizing<[u8; KEY_LENGTH]>,
    sealing: LessSafeKey,
}

/// All mistakes in a key ring. Keys are identified by number, since an apparent id may be part of a
/// secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct KeyRingError(Vec<KeyMistake>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyMistake {
    #[error("contains no key")]
    Empty,
    #[error(
        "key {0} is shorter than {MIN_PASSPHRASE_LENGTH} characters and has no id in front of it"
    )]
    Short(usize),
    #[error("key {0} repeats a single character")]
    Monotonous(usize),
    #[error(
        "the id of key {0} must have 1 to {MAX_ID_LENGTH} letters, digits, dots, hyphens and \
         underscores"
    )]
    Id(usize),
    #[error("key {0} is not base64")]
    NotBase64(usize),
    #[error("key {0} has {1} bytes instead of {KEY_LENGTH}")]
    Length(usize, usize),
    #[error("key {0} is all zeros")]
    Zeros(usize),
    #[error("key {0} has the same id as an earlier key")]
    Twice(usize),
}

impl KeyRing {
    /// Parses keys in the form `id:base64`, each of 32 bytes, separated by commas or white space. A
    /// key without an id is a passphrase.
    pub fn parse(text: &Secret) -> Result<Self, KeyRingError> {
        let parts = text
            .expose()
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|part| !part.is_empty());
        let (mut keys, mut mistakes) = (Vec::<RingKey>::new(), Vec::new());
        for (index, part) in parts.enumerate() {
            match RingKey::parse(part, index + 1) {
                Ok(key) if keys.iter().any(|earlier| earlier.id == key.id) => {
                    mistakes.push(KeyMistake::Twice(index + 1));
                }
                Ok(key) => keys.push(key),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if keys.is_empty() && mistakes.is_empty() {
            mistakes.push(KeyMistake::Empty);
        }
        if mistakes.is_empty() { Ok(Self(keys.into())) } else { Err(KeyRingError(mistakes)) }
    }

    /// Returns a ring with one publicly known key. It protects nothing.
    pub fn development() -> Self {
        let bytes = Zeroizing::new(Sha256::digest(b"grantor without a key of its own").into());
        Self(Arc::new([RingKey::new(DEVELOPMENT.to_owned(), bytes)]))
    }

    /// Returns a ring without keys, for commands that neither encrypt nor decrypt anything.
    pub fn none() -> Self {
        Self(Vec::<RingKey>::new().into())
    }

    /// The key that encrypts. Not to be called on [`Self::none`].
    pub fn newest(&self) -> &RingKey {
        &self.0[0]
    }

    pub fn find(&self, id: &str) -> Option<&RingKey> {
        self.keys().find(|key| key.id == id)
    }

    pub fn keys(&self) -> impl ExactSizeIterator<Item = &RingKey> {
        self.0.iter()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.keys().map(RingKey::id)).finish()
    }
}

impl RingKey {
    fn parse(part: &str, number: usize) -> Result<Self, KeyMistake> {
        let Some((id, encoded)) = part.split_once(':') else {
            return Self::from_passphrase(part, number);
        };
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if id.is_empty() || id.len() > MAX_ID_LENGTH || !id.bytes().all(is_plain) {
            return Err(KeyMistake::Id(number));
        }
        let decoded =
            Zeroizing::new(BASE64.decode(encoded).map_err(|_| KeyMistake::NotBase64(number))?);
        let bytes = <[u8; KEY_LENGTH]>::try_from(decoded.as_slice());
        let bytes = Zeroizing::new(bytes.map_err(|_| KeyMistake::Length(number, decoded.len()))?);
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(KeyMistake::Zeros(number));
        }
        Ok(Self::new(id.to_owned(), bytes))
    }

    fn from_passphrase(part: &str, number: usize) -> Result<Self, KeyMistake> {
        if part.chars().count() < MIN_PASSPHRASE_LENGTH {
            return Err(KeyMistake::Short(number));
        }
        // This includes all zeros in base64, except for their padding.
        let mut characters = part.trim_end_matches('=').chars();
        let first = characters.next();
        if characters.all(|character| Some(character) == first) {
            return Err(KeyMistake::Monotonous(number));
        }
        let bytes = Zeroizing::new(Sha256::digest(part.as_bytes()).into());
        Ok(Self::new(fingerprint(&bytes), bytes))
    }

    #[expect(clippy::expect_used, reason = "32 bytes are what AES-256 takes")]
    fn new(id: String, bytes: Zeroizing<[u8; KEY_LENGTH]>) -> Self {
        let key = Zeroizing::new(derived(&bytes, SEALING));
        let sealing =
            UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("a key of the right length");
        Self { id, bytes, sealing: LessSafeKey::new(sealing) }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the HMAC-SHA-256 of the message, with a key for this purpose only.
    pub fn mac(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        let key = Zeroizing::new(derived(&self.bytes, purpose));
        hmac_sha256(key.as_slice(), message)
    }
}

impl PartialEq for RingKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && constant_time_eq(self.bytes.as_slice(), other.bytes.as_slice())
    }
}

impl Eq for RingKey {}

impl fmt::Debug for RingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("RingKey").field(&self.id).finish()
    }
}

/// Generates a key, as a line of a key file.
pub fn new_ring_key(random: &Random) -> Secret {
    let bytes = Zeroizing::new(random.bytes::<KEY_LENGTH>());
    let encoded = Zeroizing::new(BASE64.encode(bytes.as_slice()));
    Secret::new(format!("{}:{}", fingerprint(&bytes), *encoded))
}

/// Identifies a key without revealing anything about it.
fn fingerprint(bytes: &[u8; KEY_LENGTH]) -> String {
    hex(&Sha256::digest(bytes)[..4])
}

fn derived(key: &[u8; KEY_LENGTH], purpose: &str) -> [u8; 32] {
    hmac_sha256(key, purpose.as_bytes())
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

/// Compares secrets in constant time.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// The place of a sealed value in the database. The value opens only with the same place.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub table: &'static str,
    pub column: &'static str,
    pub row: &'a str,
    pub org: Option<OrgId>,
}

impl Place<'_> {
    /// Each part is prefixed with its length, so that no two places have the same encoding.
    fn associated_data(&self, key_id: &str) -> Vec<u8> {
        let org = self.org.map_or(Vec::new(), |org| org.0.as_bytes().to_vec());
        let parts = [
            self.table.as_bytes(),
            self.column.as_bytes(),
            self.row.as_bytes(),
            &org,
            key_id.as_bytes(),
        ];
        let mut data = vec![VERSION];
        for part in parts {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

/// A sealed value, and the id of its ring key, by which rows are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub bytes: Vec<u8>,
    pub key_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("it is encrypted with the ring key \"{}\", which is not in the ring", .0.escape_debug())]
    UnknownKey(String),
    #[error("it is damaged, or was encrypted for another place or with another key of the same id")]
    Damaged,
}

/// Seals a value with AES-256-GCM under the newest key, with a new nonce each time.
#[expect(clippy::expect_used, reason = "AES-GCM takes everything below 64 GiB")]
pub fn seal(ring: &KeyRing, random: &Random, place: Place<'_>, plain: &[u8]) -> Sealed {
    let key = ring.newest();
    let nonce = random.bytes::<NONCE_LEN>();
    // The tag has room from the start, since a vector that grows leaves the plain text behind.
    let mut text = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
    text.extend_from_slice(plain);
    let data = Aad::from(place.associated_data(&key.id));
    let nonce_once = Nonce::assume_unique_for_key(nonce);
    key.sealing
        .seal_in_place_append_tag(nonce_once, data, &mut text)
        .expect("a short text is sealed");
    let length = u8::try_from(key.id.len()).unwrap_or(u8::MAX);
    let bytes = [&[VERSION, length], key.id.as_bytes(), &nonce, &text].concat();
    Sealed { bytes, key_id: key.id.clone() }
}

/// Opens a value that was sealed for this place under a key of the ring.
pub fn open(
    ring: &KeyRing,
    place: Place<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (key_id, nonce, text) = read_envelope(sealed).ok_or(SealError::Damaged)?;
    let key = ring.find(key_id).ok_or_else(|| SealError::UnknownKey(key_id.to_owned()))?;
    let mut plain = Zeroizing::new(text.to_vec());
    let data = Aad::from(place.associated_data(key_id));
    let length =
        key.sealing.open_in_place(nonce, data, &mut plain).map_err(|_| SealError::Damaged)?.len();
    plain.truncate(length);
    Ok(plain)
}

fn read_envelope(sealed: &[u8]) -> Option<(&str, Nonce, &[u8])> {
    let rest = sealed.strip_prefix(&[VERSION])?;
    let (length, rest) = rest.split_first()?;
    let (id, rest) = rest.split_at_checked(usize::from(*length))?;
    let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>()?;
    Some((std::str::from_utf8(id).ok()?, Nonce::assume_unique_for_key(*nonce), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 32 bytes of one value, as base64.
    fn encoded(value: u8) -> String {
        BASE64.encode([value; KEY_LENGTH])
    }

    fn parse(text: &str) -> Result<KeyRing, KeyRingError> {
        KeyRing::parse(&Secret::new(text.to_owned()))
    }

    fn ring(text: &str) -> KeyRing {
        parse(text).expect("a ring")
    }

    fn ids(ring: &KeyRing) -> Vec<&str> {
        ring.keys().map(RingKey::id).collect()
    }

    const PLACE: Place<'_> =
        Place { table: "signing_keys", column: "sealed", row: "kid", org: None };

    #[test]
    fn keys_are_separated_by_commas_or_white_space_newest_first() {
        let (one, two) = (format!("2026:{}", encoded(1)), format!("old_key-1.b:{}", encoded(2)));
        for text in
            [format!("{one},{two}"), format!(" {one} ,\n{two}\r\n"), format!("{one}\t{two}")]
        {
            let ring = ring(&text);

            assert_eq!(ids(&ring), ["2026", "old_key-1.b"], "{text}");
            assert_eq!(ring.newest().id(), "2026");
            assert!(ring.find("old_key-1.b").is_some() && ring.find("other").is_none());
        }
        let unpadded = format!("2026:{}", encoded(1).trim_end_matches('='));
        assert_eq!(ring(&unpadded), ring(&one));
        assert_ne!(ring(&one), ring(&format!("2026:{}", encoded(3))));
    }

    #[test]
    fn the_id_of_a_passphrase_is_derived_from_it() {
        let one = ring("correct-horse-battery-staple-and-more");

        // sha256(sha256("correct-horse-battery-staple-and-more")), by sha256sum
        assert_eq!(ids(&one), ["79ea1f35"]);
        assert_eq!(one, ring("correct-horse-battery-staple-and-more\n"));
    }

    #[test]
    fn every_mistake_names_the_number_of_its_key_and_never_shows_the_key() {
        use KeyMistake::{Empty, Id, Length, Monotonous, NotBase64, Short, Twice, Zeros};
        let good = format!("a:{}", encoded(1));
        let zeros = encoded(0);
        let cases = [
            (String::new(), vec![Empty]),
            (" , ,\n".to_owned(), vec![Empty]),
            ("hunter2".to_owned(), vec![Short(1)]),
            (format!("{good},hunter2"), vec![Short(2)]),
            ("x".repeat(40), vec![Monotonous(1)]),
            (zeros.clone(), vec![Monotonous(1)]),
            (format!(":{}", encoded(1)), vec![Id(1)]),
            (format!("hünter2:{}", encoded(1)), vec![Id(1)]),
            (format!("{}:{}", "i".repeat(65), encoded(1)), vec![Id(1)]),
            ("a:hunter2!".to_owned(), vec![NotBase64(1)]),
            ("a:aHVudGVyMg==".to_owned(), vec![Length(1, 7)]),
            (format!("a:{zeros}"), vec![Zeros(1)]),
            (format!("{good},{good}"), vec![Twice(2)]),
            (format!("hunter2,{good},b:{zeros}"), vec![Short(1), Zeros(3)]),
        ];
        for (text, mistakes) in cases {
            let error = parse(&text).expect_err(&text);

            assert_eq!(error, KeyRingError(mistakes), "{text}");
            assert!(!error.to_string().contains("unter2"), "{error}");
        }
    }

    #[test]
    fn debug_output_contains_only_ids() {
        let ring = ring(&format!("a:{},b:{}", encoded(1), encoded(2)));

        assert_eq!(format!("{ring:?} {:?}", ring.newest()), r#"["a", "b"] RingKey("a")"#);
    }

    #[test]
    fn a_new_key_is_a_ring_of_its_own() {
        let line = new_ring_key(&Random::seeded(1));

        let ring = KeyRing::parse(&line).expect("a ring");

        assert_eq!(ring.keys().len(), 1);
        assert_ne!(ring, KeyRing::parse(&new_ring_key(&Random::seeded(2))).expect("another ring"));
    }

    #[test]
    fn a_mac_is_hmac_sha_256_under_a_key_derived_for_its_purpose() {
        let key = ring(&format!("a:{}", encoded(0x0b)));

        let mac = key.newest().mac("refresh token", b"message");

        // By Python: hmac.new(hmac.new(b"\x0b" * 32, b"refresh token", "sha256").digest(),
        // b"message", "sha256")
        assert_eq!(hex(&mac), "9a028e549179720dfffae4dd639b17925adc373aea6f22e3c73aa0d43fb62f78");
        assert_ne!(mac, key.newest().mac("another purpose", b"message"));
        assert_ne!(mac, key.newest().mac("refresh token", b"massage"));
    }

    #[test]
    fn a_sealed_value_opens_in_its_place_under_any_key_of_the_ring() {
        let old = ring(&format!("old:{}", encoded(1)));
        let sealed = seal(&old, &Random::seeded(1), PLACE, b"hunter2");
        let newer = ring(&format!("new:{},old:{}", encoded(2), encoded(1)));

        let opened = open(&newer, PLACE, &sealed.bytes).expect("opens");
        let again = seal(&newer, &Random::seeded(1), PLACE, &opened);

        assert_eq!((sealed.key_id.as_str(), again.key_id.as_str()), ("old", "new"));
        assert_eq!(opened.as_slice(), b"hunter2");
        assert!(!sealed.bytes.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(open(&old, PLACE, &again.bytes), Err(SealError::UnknownKey("new".to_owned())));
    }

    #[test]
    fn the_same_text_is_sealed_differently_each_time() {
        let (ring, random) = (KeyRing::development(), Random::seeded(1));

        assert_ne!(seal(&ring, &random, PLACE, b"x"), seal(&ring, &random, PLACE, b"x"));
        assert_eq!(
            open(&ring, PLACE, &seal(&ring, &random, PLACE, b"").bytes).expect("opens").as_slice(),
            b""
        );
    }

    #[test]
    fn nothing_opens_in_another_place() {
        let ring = KeyRing::development();
        let org = |number| Some(OrgId(uuid::Uuid::from_u128(number)));
        let place = Place { org: org(1), ..PLACE };
        let sealed = seal(&ring, &Random::seeded(1), place, b"hunter2").bytes;
        let elsewhere = [
            Place { table: "webhooks", ..place },
            Place { column: "other", ..place },
            Place { row: "dik", ..place },
            Place { org: org(2), ..place },
            Place { org: None, ..place },
            Place { column: "sealedk", row: "id", ..place },
        ];
        for place in elsewhere {
            assert_eq!(open(&ring, place, &sealed), Err(SealError::Damaged), "{place:?}");
        }
        assert!(open(&ring, place, &sealed).is_ok());
    }

    #[test]
    fn changed_or_truncated_values_do_not_open() {
        let ring = KeyRing::development();
        let sealed = seal(&ring, &Random::seeded(1), PLACE, b"hunter2").bytes;
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&ring, PLACE, &changed).is_err(), "byte {at}");
            assert_eq!(
                open(&ring, PLACE, &sealed[..at]).err(),
                Some(SealError::Damaged),
                "{at} bytes"
            );
        }
        let impostor = self::ring(&format!("{DEVELOPMENT}:{}", encoded(1)));
        assert_eq!(open(&impostor, PLACE, &sealed), Err(SealError::Damaged));
    }

    #[test]
    fn secrets_are_compared_as_a_whole() {
        for (a, b, equal) in
            [("", "", true), ("a", "a", true), ("a", "b", false), ("a", "ab", false)]
        {
            assert_eq!(constant_time_eq(a.as_bytes(), b.as_bytes()), equal, "{a} {b}");
        }
    }
}
