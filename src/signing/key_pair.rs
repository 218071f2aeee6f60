//! Generates, stores and uses key pairs of the three algorithms. aws-lc-rs does all of it.
//! Randomness comes from its own generator, which takes no seed.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::rules::token::jwk::Jwk;
use crate::rules::token::signing_algorithm::SigningAlgorithm;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a key could not be generated or used")]
    Failed,
    #[error("this is not a key of its algorithm")]
    NoKey,
}

impl From<aws_lc_rs::error::Unspecified> for KeyError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Failed
    }
}

impl From<aws_lc_rs::error::KeyRejected> for KeyError {
    fn from(_: aws_lc_rs::error::KeyRejected) -> Self {
        Self::NoKey
    }
}

/// The private half, parsed.
pub enum KeyPair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl KeyPair {
    /// Generates a key pair. This takes a tenth of a second or more for RSA, and almost no time for
    /// the others.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        Ok(match algorithm {
            SigningAlgorithm::Es256 => {
                Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?)
            }
            SigningAlgorithm::EdDsa => Self::EdDsa(Ed25519KeyPair::generate()?),
            SigningAlgorithm::Rs256 => Self::Rs256(RsaKeyPair::generate(KeySize::Rsa2048)?),
        })
    }

    pub fn from_pkcs8(algorithm: SigningAlgorithm, document: &[u8]) -> Result<Self, KeyError> {
        Ok(match algorithm {
            SigningAlgorithm::Es256 => {
                Self::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document)?)
            }
            SigningAlgorithm::EdDsa => Self::EdDsa(Ed25519KeyPair::from_pkcs8(document)?),
            SigningAlgorithm::Rs256 => Self::Rs256(RsaKeyPair::from_pkcs8(document)?),
        })
    }

    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let copied = |document: &[u8]| Zeroizing::new(document.to_vec());
        Ok(match self {
            Self::Es256(pair) => copied(pair.to_pkcs8v1()?.as_ref()),
            Self::EdDsa(pair) => copied(pair.to_pkcs8()?.as_ref()),
            Self::Rs256(pair) => {
                let document: Pkcs8V1Der<'_> = pair.as_der()?;
                copied(document.as_ref())
            }
        })
    }

    pub const fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Es256(_) => SigningAlgorithm::Es256,
            Self::EdDsa(_) => SigningAlgorithm::EdDsa,
            Self::Rs256(_) => SigningAlgorithm::Rs256,
        }
    }

    /// Returns the signature in the form of JWS. For ES256, that is both numbers concatenated (RFC
    /// 7518 section 3.4).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        Ok(match self {
            Self::Es256(pair) => pair.sign(&random, message)?.as_ref().to_vec(),
            Self::EdDsa(pair) => pair.try_sign(message)?.as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                signature
            }
        })
    }

    pub fn public_jwk(&self) -> Result<Jwk, KeyError> {
        match self {
            Self::Es256(pair) => match pair.public_key().as_ref() {
                // SEC 1 section 2.3.3: uncompressed, x and y of 32 bytes each.
                [4, point @ ..] if point.len() == 64 => Ok(Jwk::ec(&point[..32], &point[32..])),
                _ => Err(KeyError::NoKey),
            },
            Self::EdDsa(pair) => Ok(Jwk::okp(pair.public_key().as_ref())),
            Self::Rs256(pair) => {
                let (n, e) = rsa_numbers(pair.public_key().as_ref()).ok_or(KeyError::NoKey)?;
                Ok(Jwk::rsa(n, e))
            }
        }
    }
}

/// Returns modulus and exponent of an RSAPublicKey in DER, which is a sequence of two integers (RFC
/// 8017 appendix A.1.1).
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut members, _) = der_value(0x30, der)?;
    let mut integer = || {
        let (value, rest) = der_value(0x02, members)?;
        members = rest;
        // DER adds a zero byte if the first bit is set; a JWK does not (RFC 7518 section 6.3.1.1).
        Some(value.strip_prefix(&[0]).unwrap_or(value))
    };
    Some((integer()?, integer()?))
}

/// Returns the first value, if it has this tag, and the rest.
fn der_value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [found, length, rest @ ..] = der else { return None };
    let (length, rest) = match *length {
        short @ ..=0x7f => (usize::from(short), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?)), &rest[2..]),
        _ => return None,
    };
    if *found == tag { rest.split_at_checked(length) } else { None }
}

/// The public half, parsed.
#[derive(Debug)]
pub struct PublicKey(ParsedPublicKey);

impl PublicKey {
    pub fn of(jwk: &Jwk) -> Result<Self, KeyError> {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::NoKey);
        Ok(Self(match jwk {
            Jwk::Ec { x, y, .. } => {
                let (x, y) = (bytes(x)?, bytes(y)?);
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], x.as_slice(), &y].concat())?
            }
            Jwk::Okp { x, .. } => ParsedPublicKey::new(&ED25519, bytes(x)?)?,
            Jwk::Rsa { n, e } => {
                let components = RsaPublicKeyComponents { n: bytes(n)?, e: bytes(e)? };
                components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?
            }
        }))
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_every_algorithm_signs_what_its_public_half_verifies() {
        for algorithm in SigningAlgorithm::ALL {
            let pair = KeyPair::generate(algorithm).expect("a key");
            let stored = pair.to_pkcs8().expect("a document");
            let read = KeyPair::from_pkcs8(algorithm, &stored).expect("the same key");
            let jwk = pair.public_jwk().expect("a JWK");
            let public = PublicKey::of(&jwk).expect("a public key");

            let signature = read.sign(b"message").expect("a signature");

            assert_eq!((read.algorithm(), read.public_jwk()), (algorithm, Ok(jwk)));
            assert!(public.verifies(b"message", &signature), "{algorithm}");
            assert!(!public.verifies(b"massage", &signature), "{algorithm}");
            assert!(!public.verifies(b"message", &signature[1..]), "{algorithm}");
            assert!(!public.verifies(b"message", b""), "{algorithm}");
            let another = KeyPair::generate(algorithm).expect("a key").public_jwk().expect("a JWK");
            assert!(
                !PublicKey::of(&another).expect("a public key").verifies(b"message", &signature),
                "{algorithm}"
            );
        }
    }

    #[test]
    fn a_key_of_one_algorithm_is_not_a_key_of_another() {
        for algorithm in SigningAlgorithm::ALL {
            let stored =
                KeyPair::generate(algorithm).expect("a key").to_pkcs8().expect("a document");
            for other in SigningAlgorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert_eq!(
                    KeyPair::from_pkcs8(other, &stored).err(),
                    Some(KeyError::NoKey),
                    "{algorithm} {other}"
                );
            }
        }
        assert_eq!(PublicKey::of(&Jwk::ec(&[1; 32], &[1; 32])).err(), Some(KeyError::NoKey));
    }

    #[test]
    fn an_rsa_key_has_2048_bits_and_the_usual_exponent() {
        let pair = KeyPair::generate(SigningAlgorithm::Rs256).expect("a key");

        let Ok(Jwk::Rsa { n, e }) = pair.public_jwk() else { panic!("an RSA key") };

        assert_eq!((URL_SAFE_NO_PAD.decode(n).map(|n| n.len()), e.as_str()), (Ok(256), "AQAB"));
    }

    /// The key of RFC 8037 appendix A, and the signature of its section A.4.
    #[test]
    fn the_signature_of_the_standards_example_verifies() {
        let x =
            URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").expect("base64");
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let public = PublicKey::of(&Jwk::okp(&x)).expect("a public key");

        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";

        assert!(public.verifies(message, &URL_SAFE_NO_PAD.decode(signature).expect("base64")));
    }

    #[test]
    fn malformed_der_is_not_an_rsa_key() {
        assert_eq!(
            rsa_numbers(&[0x30, 6, 2, 1, 7, 2, 1, 3]),
            Some(([7].as_slice(), [3].as_slice()))
        );
        assert_eq!(
            rsa_numbers(&[0x30, 7, 2, 2, 0, 0x80, 2, 1, 3]),
            Some(([0x80].as_slice(), [3].as_slice()))
        );
        for der in [
            &[][..],
            &[0x30],
            &[0x30, 9, 2, 1],
            &[0x31, 0],
            &[0x30, 3, 2, 1, 7],
            &[0x30, 0x83, 0],
            &[0x30, 0x82],
        ] {
            assert_eq!(rsa_numbers(der), None, "{der:?}");
        }
    }
}
