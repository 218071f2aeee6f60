//! A type for secrets that does not print, and the digest that is stored instead of a secret.
//!
//! Generated secrets have at least 128 random bits (RFC 6749 section 10.10), so a plain SHA-256 is
//! enough to store and find them. Only passwords, which people choose, need a slow hash.

use std::fmt;

use sha2::{Digest as _, Sha256};
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

pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

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
    fn a_digest_is_read_from_64_hexadecimal_digits() {
        let digest = Digest::of("abc");
        let digits = hex(digest.bytes());

        assert_eq!(Digest::from_hex(&digits), Some(digest));
        assert_eq!(Digest::from_hex(&digits.to_uppercase()), Some(digest));
        for malformed in ["", &digits[..32], &digits[..63], &format!("{digits}00"), &"g".repeat(64)]
        {
            assert_eq!(Digest::from_hex(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn the_digest_is_sha_256_of_the_whole_secret() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

        assert_eq!(hex(Digest::of("abc").bytes()), expected);
        assert_ne!(Digest::of("abc"), Digest::of("ab"));
    }
}
