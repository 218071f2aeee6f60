//! The JWS algorithms with which tokens are signed (RFC 7518 section 3.1, RFC 8037 section 3.1).

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// EdDSA on Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for verifiers that do not support the others.
    #[serde(rename = "RS256")]
    Rs256,
}

impl SigningAlgorithm {
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The `alg` value in token headers and JWKs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_has_the_same_name_in_json_and_in_lookups() {
        for algorithm in SigningAlgorithm::ALL {
            assert_eq!(SigningAlgorithm::find(algorithm.name()), Some(algorithm));
            assert_eq!(serde_json::to_value(algorithm).expect("JSON"), algorithm.name());
        }
        for unknown in ["", "none", "HS256", "es256", "ES384"] {
            assert_eq!(SigningAlgorithm::find(unknown), None);
        }
    }
}
