//! Seals and opens the custom headers and the signing secrets of a webhook, all under one key of
//! the ring, and the values of variables.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use crate::actions::context::Context;
use crate::db::webhooks::Webhook;
use crate::db::webhooks::variables::Variable;
use crate::random::Random;
use crate::rules::id::{OrgId, VariableId, WebhookId};
use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;
use crate::sealing;
use crate::sealing::{KeyRing, Place, SealError};

/// The prefix of secrets in Standard Webhooks, which the libraries of receivers expect.
const PREFIX: &str = "whsec_";

/// The opened secrets of a webhook.
pub(in crate::actions) struct WebhookSecrets {
    pub custom_headers: Option<Secret>,
    pub signing: Secret,
    pub former: Option<(Secret, Timestamp)>,
}

/// The sealed secrets of a webhook.
pub(in crate::actions) struct SealedSecrets {
    pub custom_headers: Option<Vec<u8>>,
    pub signing: Vec<u8>,
    pub former: Option<(Vec<u8>, Timestamp)>,
    pub key_id: String,
}

/// Generates a secret of 256 bits.
pub(in crate::actions) fn new_signing_secret(random: &Random) -> Secret {
    let bytes = Zeroizing::new(random.bytes::<32>());
    let encoded = Zeroizing::new(BASE64_STANDARD.encode(bytes.as_slice()));
    Secret::new(format!("{PREFIX}{}", *encoded))
}

impl WebhookSecrets {
    pub fn open(ring: &KeyRing, webhook: &Webhook) -> Result<Self, SealError> {
        let former = webhook.former_secret.as_ref();
        Ok(Self {
            custom_headers: open_custom_headers(ring, webhook)?,
            signing: open(ring, webhook, SIGNING, &webhook.signing_secret)?,
            former: former
                .map(|(sealed, until)| Ok((open(ring, webhook, FORMER, sealed)?, *until)))
                .transpose()?,
        })
    }

    pub fn seal(&self, context: &Context, id: WebhookId, org_id: OrgId) -> SealedSecrets {
        let seal = |column, secret: &Secret| {
            let row = id.to_string();
            let place = Place { table: TABLE, column, row: &row, org: Some(org_id) };
            sealing::seal(&context.ring, &context.random, place, secret.expose().as_bytes())
        };
        let signing = seal(SIGNING, &self.signing);
        SealedSecrets {
            custom_headers: self
                .custom_headers
                .as_ref()
                .map(|secret| seal(CUSTOM_HEADERS, secret).bytes),
            former: self
                .former
                .as_ref()
                .map(|(secret, until)| (seal(FORMER, secret).bytes, *until)),
            signing: signing.bytes,
            key_id: signing.key_id,
        }
    }
}

const TABLE: &str = "webhooks";
const CUSTOM_HEADERS: &str = "custom_headers_sealed";
const SIGNING: &str = "signing_secret_sealed";
const FORMER: &str = "former_secret_sealed";

pub(in crate::actions) fn open_custom_headers(
    ring: &KeyRing,
    webhook: &Webhook,
) -> Result<Option<Secret>, SealError> {
    webhook
        .custom_headers
        .as_ref()
        .map(|sealed| open(ring, webhook, CUSTOM_HEADERS, sealed))
        .transpose()
}

fn open(
    ring: &KeyRing,
    webhook: &Webhook,
    column: &'static str,
    sealed: &[u8],
) -> Result<Secret, SealError> {
    let row = webhook.id.to_string();
    text(sealing::open(
        ring,
        Place { table: TABLE, column, row: &row, org: Some(webhook.org_id) },
        sealed,
    )?)
}

const VARIABLES: &str = "webhook_variables";
const VALUE: &str = "value_sealed";

/// Returns the value of a variable as it is stored, and the id of the ring key.
pub(in crate::actions) fn seal_value(
    context: &Context,
    id: VariableId,
    org_id: OrgId,
    value: &Secret,
) -> (Vec<u8>, String) {
    let row = id.to_string();
    let place = Place { table: VARIABLES, column: VALUE, row: &row, org: Some(org_id) };
    let sealed = sealing::seal(&context.ring, &context.random, place, value.expose().as_bytes());
    (sealed.bytes, sealed.key_id)
}

pub(in crate::actions) fn open_value(
    ring: &KeyRing,
    variable: &Variable,
) -> Result<Secret, SealError> {
    let row = variable.id.to_string();
    let place = Place { table: VARIABLES, column: VALUE, row: &row, org: Some(variable.org_id) };
    text(sealing::open(ring, place, &variable.value)?)
}

fn text(plain: Zeroizing<Vec<u8>>) -> Result<Secret, SealError> {
    let text = std::str::from_utf8(&plain).map_err(|_| SealError::Damaged)?;
    Ok(Secret::new(text.to_owned()))
}
