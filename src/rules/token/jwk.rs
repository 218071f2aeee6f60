//! JSON Web Keys (RFC 7517), their thumbprints (RFC 7638), and sets of keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::token::signing_algorithm::SigningAlgorithm;

/// A public key with only its required members. Numbers and coordinates are base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub enum Jwk {
    #[serde(rename = "EC")]
    Ec { crv: P256, x: String, y: String },
    #[serde(rename = "OKP")]
    Okp { crv: Ed25519, x: String },
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
}

/// The only EC curve that this server uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum P256 {
    #[serde(rename = "P-256")]
    P256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ed25519 {
    Ed25519,
}

/// The length of a thumbprint. The key ids of this server are thumbprints.
pub const THUMBPRINT_LENGTH: usize = 43;

impl Jwk {
    pub fn ec(x: &[u8], y: &[u8]) -> Self {
        Self::Ec { crv: P256::P256, x: encode(x), y: encode(y) }
    }

    pub fn okp(x: &[u8]) -> Self {
        Self::Okp { crv: Ed25519::Ed25519, x: encode(x) }
    }

    pub fn rsa(n: &[u8], e: &[u8]) -> Self {
        Self::Rsa { n: encode(n), e: encode(e) }
    }

    /// RFC 7638 section 3: the SHA-256 of the members, ordered by name and without white space.
    pub fn thumbprint(&self) -> String {
        let text = match self {
            Self::Ec { x, y, .. } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Okp { x, .. } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        };
        encode(&Sha256::digest(text.as_bytes()))
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A published key, with its algorithm, id and use (RFC 7517 section 4).
#[derive(Clone, Debug, Serialize)]
pub struct PublishedJwk<'a> {
    #[serde(flatten)]
    pub key: &'a Jwk,
    pub alg: SigningAlgorithm,
    pub kid: &'a str,
    #[serde(rename = "use")]
    pub usage: &'static str,
}

/// A JWK set (RFC 7517 section 5).
#[derive(Clone, Debug, Serialize)]
pub struct JwkSet<'a> {
    pub keys: Vec<PublishedJwk<'a>>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn jwk(members: serde_json::Value) -> Jwk {
        serde_json::from_value(members).expect("a key")
    }

    #[test]
    fn the_thumbprints_match_the_examples_of_the_rfcs() {
        let rfc_7638_section_3_1 = jwk(json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n\
                  3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgd\
                  AZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur\
                  -kEgU8awapJzKnqDKgw",
            "e": "AQAB",
        }));
        let rfc_8037_appendix_a_3 = jwk(
            json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
        );

        assert_eq!(
            rfc_7638_section_3_1.thumbprint(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
        assert_eq!(
            rfc_8037_appendix_a_3.thumbprint(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        assert_eq!(rfc_8037_appendix_a_3.thumbprint().len(), THUMBPRINT_LENGTH);
    }

    #[test]
    fn a_key_is_read_unchanged() {
        for key in
            [Jwk::ec(&[1; 32], &[2; 32]), Jwk::okp(&[3; 32]), Jwk::rsa(&[4; 256], &[1, 0, 1])]
        {
            assert_eq!(jwk(serde_json::to_value(&key).expect("JSON")), key);
        }
        let other_curve = json!({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"});
        assert!(serde_json::from_value::<Jwk>(other_curve).is_err());
    }

    #[test]
    fn a_published_key_has_its_algorithm_id_and_use() {
        let key = Jwk::okp(&[0]);
        let published =
            PublishedJwk { key: &key, alg: SigningAlgorithm::EdDsa, kid: "k", usage: "sig" };

        let expected = json!({"kty": "OKP", "crv": "Ed25519", "x": "AA", "alg": "EdDSA", "kid": "k", "use": "sig"});
        assert_eq!(
            serde_json::to_value(JwkSet { keys: vec![published] }).expect("JSON"),
            json!({"keys": [expected]})
        );
    }
}
