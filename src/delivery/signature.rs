//! Signs deliveries as Standard Webhooks specifies: HMAC-SHA-256 over the id, the time of the
//! attempt and the body. So a receiver can check the sender and the integrity of a message, and
//! refuse old ones.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;

const PREFIX: &str = "whsec_";

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing secret is not `whsec_` followed by base64")]
pub struct BadSigningSecret;

/// Returns the value of `webhook-signature`: one signature per secret, so that a receiver can use
/// either secret during a rotation.
pub fn signatures(
    secrets: &[Secret],
    id: &str,
    at: Timestamp,
    body: &str,
) -> Result<String, BadSigningSecret> {
    let each: Result<Vec<String>, _> =
        secrets.iter().map(|secret| sign(secret, id, at, body)).collect();
    Ok(each?.join(" "))
}

fn sign(secret: &Secret, id: &str, at: Timestamp, body: &str) -> Result<String, BadSigningSecret> {
    let encoded = secret.expose().strip_prefix(PREFIX).ok_or(BadSigningSecret)?;
    let key = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| BadSigningSecret)?);
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
    for part in [id, ".", &at.seconds().to_string(), ".", body] {
        mac.update(part.as_bytes());
    }
    Ok(format!("v1,{}", STANDARD.encode(mac.sign())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// Also computed by `openssl dgst -sha256 -mac HMAC`.
    #[test]
    fn a_signature_is_over_id_time_and_body() {
        let secrets = [secret("whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")];
        let at = Timestamp::from_seconds(1_700_000_000);
        let of = |id, at, body| signatures(&secrets, id, at, body).expect("a signature");

        let signed = of("msg_1", at, r#"{"a":1}"#);

        assert_eq!(signed, "v1,3tN+SMwreJINGaFSPFdhMpE4XGSVaCkC9ee+KquMGGQ=");
        for other in [
            of("msg_2", at, r#"{"a":1}"#),
            of("msg_1", at.plus(1), r#"{"a":1}"#),
            of("msg_1", at, r#"{"a":2}"#),
        ] {
            assert_ne!(other, signed);
        }
    }

    #[test]
    fn each_secret_signs_for_itself() {
        let (first, second) = (secret("whsec_AQEB"), secret("whsec_AgIC"));
        let at = Timestamp::from_seconds(1);
        let of = |secrets: &[Secret]| signatures(secrets, "msg_1", at, "{}").expect("a signature");

        assert_eq!(
            of(&[first.clone(), second.clone()]),
            format!("{} {}", of(&[first]), of(&[second]))
        );
    }

    #[test]
    fn a_malformed_secret_signs_nothing() {
        for text in ["AQEB", "whsec_???", "whsec"] {
            assert_eq!(
                signatures(&[secret(text)], "msg_1", Timestamp::from_seconds(1), "{}"),
                Err(BadSigningSecret)
            );
        }
    }
}
