//! Parses and builds signed tokens in the compact form (RFC 7515 section 3.1, RFC 7519). The key
//! and the caller decide what is allowed, never the token (RFC 8725 sections 3.1 and 3.11).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::rules::token::signing_algorithm::SigningAlgorithm;

/// Tokens of this server are much shorter. The limit keeps anyone from making it decode megabytes.
const MAX_LENGTH: usize = 8 * 1024;

/// A parsed token whose signature was not verified yet.
pub struct Unverified<'a> {
    header: Map<String, Value>,
    /// The signed text: header and payload as they were sent.
    pub signed: &'a str,
    payload: &'a str,
    pub signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    pub fn parse(token: &'a str) -> Option<Self> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header = serde_json::from_slice(&decode(header)?).ok()?;
        Some(Self { header, signed, payload, signature: decode(signature)? })
    }

    pub fn kid(&self) -> Option<&str> {
        self.text("kid")
    }

    /// Whether the token has this type and the algorithm of its key, and no extensions: `crit`
    /// lists extensions that must be understood (RFC 7515 section 4.1.11), and this server knows
    /// none.
    pub fn is_of(&self, typ: &str, algorithm: SigningAlgorithm) -> bool {
        self.text("typ") == Some(typ)
            && self.text("alg") == Some(algorithm.name())
            && !self.header.contains_key("crit")
    }

    /// Returns the payload. It must not be used before the signature was verified.
    pub fn payload(&self) -> Option<Vec<u8>> {
        decode(self.payload)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }
}

/// Returns the payload of a token that was already verified.
pub fn payload(token: &str) -> Option<Vec<u8>> {
    let (_, rest) = token.split_once('.')?;
    decode(rest.split_once('.')?.0)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Returns the text to sign.
pub fn unsigned(algorithm: SigningAlgorithm, kid: &str, typ: &str, claims: &[u8]) -> String {
    let header = serde_json::json!({"alg": algorithm.name(), "kid": kid, "typ": typ}).to_string();
    let mut text = URL_SAFE_NO_PAD.encode(header);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut text);
    text
}

/// Appends the signature.
pub fn signed(mut unsigned: String, signature: &[u8]) -> String {
    unsigned.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut unsigned);
    unsigned
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALGORITHM: SigningAlgorithm = SigningAlgorithm::Es256;

    fn token(header: &str) -> String {
        format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode("{}"))
    }

    #[test]
    fn a_token_is_parsed_as_it_was_built() {
        let token = signed(unsigned(ALGORITHM, "k1", "at+jwt", br#"{"sub":"x"}"#), &[1, 2, 3]);

        let parsed = Unverified::parse(&token).expect("a token");

        assert_eq!(
            token,
            "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiYXQrand0In0.eyJzdWIiOiJ4In0.AQID"
        );
        assert_eq!(
            parsed.signed,
            "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiYXQrand0In0.eyJzdWIiOiJ4In0"
        );
        assert_eq!((parsed.kid(), parsed.signature.as_slice()), (Some("k1"), [1, 2, 3].as_slice()));
        assert_eq!(parsed.payload().as_deref(), Some(br#"{"sub":"x"}"#.as_slice()));
        assert!(parsed.is_of("at+jwt", ALGORITHM));
    }

    #[test]
    fn a_header_must_have_the_expected_type_and_algorithm() {
        let cases = [
            (r#"{"alg":"ES256","typ":"at+jwt"}"#, true),
            (r#"{"alg":"ES256","typ":"at+jwt","jwk":{},"x5u":"https://x"}"#, true),
            (r#"{"alg":"ES256","typ":"JWT"}"#, false),
            (r#"{"alg":"ES256","typ":"AT+JWT"}"#, false),
            (r#"{"alg":"ES256"}"#, false),
            (r#"{"alg":"none","typ":"at+jwt"}"#, false),
            (r#"{"alg":"HS256","typ":"at+jwt"}"#, false),
            (r#"{"alg":["ES256"],"typ":"at+jwt"}"#, false),
            (r#"{"typ":"at+jwt"}"#, false),
            (r#"{"alg":"ES256","typ":"at+jwt","crit":["b64"],"b64":false}"#, false),
            (r#"{"alg":"ES256","typ":"at+jwt","crit":null}"#, false),
        ];
        for (header, expected) in cases {
            let token = token(header);
            let parsed = Unverified::parse(&token).expect("a token");
            assert_eq!(parsed.is_of("at+jwt", ALGORITHM), expected, "{header}");
        }
    }

    #[test]
    fn malformed_tokens_are_not_parsed() {
        let good = token("{}");
        let long = format!("{good}{}", "A".repeat(MAX_LENGTH));
        let padded = format!("{good}=");
        for text in [
            "",
            ".",
            "..",
            "a.b",
            "...",
            "e30.e30",
            "é.e30.AAAA",
            "e30.e30.A",
            "W10.e30.AAAA",
            &long,
            &padded,
        ] {
            assert!(Unverified::parse(text).is_none(), "{text:.40}");
        }
        assert!(Unverified::parse(&good).is_some());
        // With more than three parts, the middle is not base64.
        assert_eq!(Unverified::parse("e30.e30.e30.AAAA").and_then(|token| token.payload()), None);
    }
}
