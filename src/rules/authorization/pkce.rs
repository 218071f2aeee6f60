//! Proof key for code exchange (RFC 7636), with S256 only.
//!
//! `plain` does not protect against an attacker who sees the request, and it is the default of a
//! challenge without a method (section 4.3). Both are therefore refused (RFC 9700 section 2.1.1).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// `code_challenge = BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))` (section 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(String);

/// The reason why a challenge is refused, in the characters that `error_description` allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkceError {
    #[error("PKCE with S256 is required: send code_challenge and code_challenge_method=S256")]
    Missing,
    #[error(
        "PKCE with S256 is required: without code_challenge_method the method is plain, so send \
         code_challenge_method=S256"
    )]
    NoMethod,
    #[error("PKCE with S256 is required: send code_challenge_method=S256")]
    UnsupportedMethod,
    #[error(
        "code_challenge is not 43 characters of base64url: send the SHA-256 of the verifier, \
         without padding"
    )]
    Malformed,
}

impl CodeChallenge {
    /// 32 bytes in base64url without padding.
    const LENGTH: usize = 43;

    pub fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Self, PkceError> {
        let challenge = challenge.ok_or(PkceError::Missing)?;
        match method {
            // The second name comes from the reference of the compatible API.
            Some("S256" | "SHA-256") => {}
            Some(_) => return Err(PkceError::UnsupportedMethod),
            None => return Err(PkceError::NoMethod),
        }
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if challenge.len() != Self::LENGTH || !challenge.bytes().all(is_base64url) {
            return Err(PkceError::Malformed);
        }
        Ok(Self(challenge.to_owned()))
    }

    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The challenge that matches this verifier (section 4.6).
    pub fn of_verifier(verifier: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())))
    }

    /// Whether the verifier matches. A verifier with invalid syntax never does.
    pub fn verify(&self, verifier: &str) -> bool {
        let expected = Self::of_verifier(verifier);
        is_verifier(verifier)
            && verify_slices_are_equal(expected.0.as_bytes(), self.0.as_bytes()).is_ok()
    }
}

/// `code-verifier = 43*128unreserved` (section 4.1).
pub fn is_verifier(text: &str) -> bool {
    let is_unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(is_unreserved)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn only_a_challenge_of_43_characters_with_s256_is_accepted() {
        use PkceError as Error;
        let short = &CHALLENGE[1..];
        let long = format!("{CHALLENGE}A");
        let padded = format!("{short}=");
        let cases = [
            (Some(CHALLENGE), Some("S256"), Ok(())),
            (Some(CHALLENGE), Some("SHA-256"), Ok(())),
            (None, None, Err(Error::Missing)),
            (None, Some("S256"), Err(Error::Missing)),
            (Some(CHALLENGE), None, Err(Error::NoMethod)),
            (Some(CHALLENGE), Some("plain"), Err(Error::UnsupportedMethod)),
            (Some(CHALLENGE), Some("s256"), Err(Error::UnsupportedMethod)),
            (Some(CHALLENGE), Some("S256 "), Err(Error::UnsupportedMethod)),
            (Some(short), Some("S256"), Err(Error::Malformed)),
            (Some(long.as_str()), Some("S256"), Err(Error::Malformed)),
            (Some(padded.as_str()), Some("S256"), Err(Error::Malformed)),
            (
                Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"),
                Some("S256"),
                Err(Error::Malformed),
            ),
            (
                Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw.cM"),
                Some("S256"),
                Err(Error::Malformed),
            ),
            (
                Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstwäM"),
                Some("S256"),
                Err(Error::Malformed),
            ),
        ];
        for (challenge, method, expected) in cases {
            assert_eq!(
                CodeChallenge::parse(challenge, method).map(|_| ()),
                expected,
                "{challenge:?} {method:?}"
            );
        }
    }

    #[test]
    fn a_challenge_matches_only_its_verifier() {
        let challenge = CodeChallenge::parse(Some(CHALLENGE), Some("S256")).expect("a challenge");

        assert!(challenge.verify(VERIFIER));
        assert!(CodeChallenge::from_stored(challenge.as_str().to_owned()).verify(VERIFIER));
        for wrong in
            ["", CHALLENGE, &VERIFIER.to_lowercase(), &VERIFIER[1..], &format!("{VERIFIER}k")]
        {
            assert!(!challenge.verify(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters_and_other_text_never_matches() {
        let cases = [
            ("x".repeat(42), false),
            ("x".repeat(43), true),
            ("x".repeat(128), true),
            ("x".repeat(129), false),
            ("azAZ09-._~".repeat(5), true),
            (format!("{}+", "x".repeat(43)), false),
            (format!("{} ", "x".repeat(43)), false),
            (format!("{}ä", "x".repeat(43)), false),
        ];
        for (text, expected) in cases {
            let challenge = CodeChallenge(URL_SAFE_NO_PAD.encode(Sha256::digest(&text)));

            assert_eq!(
                (is_verifier(&text), challenge.verify(&text)),
                (expected, expected),
                "{text}"
            );
        }
    }

    #[test]
    fn a_challenge_is_stored_unchanged() {
        let challenge = CodeChallenge::parse(Some(CHALLENGE), Some("S256")).expect("a challenge");
        let stored = serde_json::to_string(&challenge).expect("serializes");

        assert_eq!(stored, format!("\"{CHALLENGE}\""));
        assert_eq!(
            serde_json::from_str::<CodeChallenge>(&stored).expect("deserializes"),
            challenge
        );
    }

    proptest! {
        #[test]
        fn a_verifier_matches_its_own_challenge_and_no_other(
            verifier in "[A-Za-z0-9._~-]{43,128}",
            other in "[A-Za-z0-9._~-]{43,128}",
        ) {
            let text = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
            let challenge = CodeChallenge::parse(Some(&text), Some("S256")).expect("a challenge");

            prop_assert!(challenge.verify(&verifier));
            prop_assert_eq!(challenge.verify(&other), verifier == other);
        }
    }
}
