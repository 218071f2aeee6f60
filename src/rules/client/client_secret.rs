//! The form of client secrets: `gcs_`, 40 random letters and digits (238 bits), and a checksum of 6.
//!
//! Programs that search texts for leaked secrets find the form, and the checksum tells them that a
//! match is no accident, without asking this server. The alphabet needs no escaping in HTTP Basic
//! (RFC 6749 section 2.3.1).

use crate::secret::Secret;

pub const PREFIX: &str = "gcs_";
/// The number of random characters.
pub const RANDOM_CHARACTERS: usize = 40;
const CHECKSUM_CHARACTERS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Makes a secret of random bytes, or returns `None` if too few of them are usable. A byte that
/// would make some characters likelier than others is skipped.
pub fn from_random(bytes: &[u8]) -> Option<Secret> {
    const FAIR: u8 = u8::MAX - (u8::MAX % 62) - 1;
    let characters: String = bytes
        .iter()
        .filter(|byte| **byte <= FAIR)
        .map(|byte| char::from(ALPHABET[usize::from(byte % 62)]))
        .take(RANDOM_CHARACTERS)
        .collect();
    if characters.len() < RANDOM_CHARACTERS {
        return None;
    }
    let body = format!("{PREFIX}{characters}");
    let checksum = checksum(&body);
    Some(Secret::new(body + &checksum))
}

/// Whether the text has the form of a client secret. Other texts need not be looked up.
pub fn is_well_formed(text: &str) -> bool {
    let length = PREFIX.len() + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS;
    if text.len() != length || !text.starts_with(PREFIX) {
        return false;
    }
    let (body, end) = text.split_at(length - CHECKSUM_CHARACTERS);
    body[PREFIX.len()..].bytes().all(|byte| ALPHABET.contains(&byte)) && checksum(body) == end
}

/// The CRC-32 in base 62, padded with zeros.
fn checksum(text: &str) -> String {
    let mut rest = crc_32(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM_CHARACTERS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// CRC-32 as in IEEE 802.3, reflected.
fn crc_32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_crc_32_of_ieee() {
        assert_eq!(crc_32(b"123456789"), 0xCBF4_3926, "the check value of the standard");
        assert_eq!(crc_32(b""), 0);
        assert_eq!(checksum("").len(), CHECKSUM_CHARACTERS);
    }

    #[test]
    fn a_secret_has_the_form_that_scanners_search_for() {
        let secret = from_random(&[7; 64]).expect("a secret");
        let text = secret.expose();

        assert_eq!(text.len(), 50);
        assert!(text.starts_with("gcs_7777777777777777777777777777777777777777"), "{text}");
        assert!(is_well_formed(text));
    }

    #[test]
    fn bytes_that_would_favor_some_characters_are_skipped() {
        assert!(from_random(&[248; 64]).is_none());
        assert!(from_random(&[247; 39]).is_none());
        assert!(from_random(&[247; 40]).is_some());
    }

    #[test]
    fn another_character_or_length_is_not_well_formed() {
        let secret = from_random(&(0..=255).collect::<Vec<u8>>()).expect("a secret");
        let text = secret.expose();
        for position in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[position] = if changed[position] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(changed).expect("is text");
            assert!(!is_well_formed(&changed), "{changed}");
        }
        for text in ["", "gcs_", &text[..49], &format!("{text}0"), "rs_1234", &"ä".repeat(25)] {
            assert!(!is_well_formed(text), "{text}");
        }
    }
}
