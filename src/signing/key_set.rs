//! Verifies a token with nothing but the published key set, as an API does.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::rules::token::jwk::Jwk;
use crate::rules::token::signing_algorithm::SigningAlgorithm;
use crate::signing::jwt::Unverified;
use crate::signing::key_pair::PublicKey;

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<PublicJwk>,
}

#[derive(Deserialize)]
struct PublicJwk {
    #[serde(flatten)]
    key: Jwk,
    alg: SigningAlgorithm,
    kid: String,
}

/// Returns the claims if the token has this type and a key of the set signed it. The caller must
/// check the claims.
pub fn verify_by_key_set<C: DeserializeOwned>(
    key_set: &[u8],
    typ: &str,
    token: &str,
) -> Result<C, &'static str> {
    let set: KeySet =
        serde_json::from_slice(key_set).map_err(|_| "the key set is not a valid JWK set")?;
    let token = Unverified::parse(token).ok_or("the token is not a JWT")?;
    let kid = token.kid().ok_or("the token has no kid")?;
    let found = set
        .keys
        .iter()
        .find(|key| key.kid == kid)
        .ok_or("the token's key is not in the key set")?;
    let key = PublicKey::of(&found.key).map_err(|_| "the token's key cannot be used")?;
    if !token.is_of(typ, found.alg) {
        return Err("the header of the token has an unexpected typ or alg");
    }
    if !key.verifies(token.signed.as_bytes(), &token.signature) {
        return Err("the signature is not valid");
    }
    let payload = token.payload().ok_or("the token's claims are not base64url")?;
    serde_json::from_slice(&payload)
        .map_err(|_| "the token's claims are not those of an access token")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::signing::jwt;
    use crate::signing::key_pair::KeyPair;

    #[test]
    fn only_the_published_key_verifies_a_token() {
        let pair = KeyPair::generate(SigningAlgorithm::Es256).expect("a key");
        let mut published = serde_json::to_value(pair.public_jwk().expect("a JWK")).expect("JSON");
        published["alg"] = json!("ES256");
        published["kid"] = json!("k1");
        published["use"] = json!("sig");
        let set = json!({"keys": [published]}).to_string();
        let unsigned = jwt::unsigned(SigningAlgorithm::Es256, "k1", "at+jwt", br#"{"sub":"x"}"#);
        let signature = pair.sign(unsigned.as_bytes()).expect("a signature");
        let token = jwt::signed(unsigned.clone(), &signature);
        let check = |typ: &str, token: &str| verify_by_key_set::<Value>(set.as_bytes(), typ, token);

        assert_eq!(check("at+jwt", &token), Ok(json!({"sub": "x"})));
        assert_eq!(
            check("JWT", &token),
            Err("the header of the token has an unexpected typ or alg")
        );
        assert_eq!(
            check("at+jwt", &jwt::signed(unsigned, &[1; 64])),
            Err("the signature is not valid")
        );
        let other = jwt::unsigned(SigningAlgorithm::Es256, "k2", "at+jwt", b"{}");
        assert_eq!(
            check("at+jwt", &jwt::signed(other, &[1; 64])),
            Err("the token's key is not in the key set")
        );
        assert_eq!(check("at+jwt", "none"), Err("the token is not a JWT"));
    }
}
