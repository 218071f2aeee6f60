//! `grantor keys status`: the keys of the ring, what each encrypts, and the signing keys.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use crate::actions::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::config::Config;
use crate::db::keys::ring_usage::RingUsage;
use crate::db::keys::signing_keys::SigningKey;
use crate::db::keys::{ring_usage, signing_keys};
use crate::rules::timestamp::Timestamp;
use crate::rules::token::signing_period::kept_for;
use crate::sealing::KeyRing;

/// A key of the ring, or a key that is missing from the ring although rows need it.
#[derive(Serialize)]
pub struct RingKeyRow {
    pub id: String,
    /// `newest`, `older` or `missing`.
    pub place: &'static str,
    #[serde(flatten)]
    pub usage: RingUsage,
}

#[derive(Serialize)]
struct SigningKeyRow {
    id: String,
    algorithm: &'static str,
    state: &'static str,
    ring_key: String,
    signs_from: String,
    retired_at: Option<String>,
    published_until: Option<String>,
}

const RING_COLUMNS: [&str; 7] =
    ["id", "place", "signing_keys", "auth_methods", "webhooks", "webhook_variables", "families"];
const SIGNING_COLUMNS: [&str; 7] =
    ["id", "algorithm", "state", "ring_key", "signs_from", "retired_at", "published_until"];

pub async fn status(context: &Context, config: &Config, output: Output) -> Result<(), Failure> {
    let used = ring_rows(&context.ring, ring_usage::count(&context.db).await?);
    let now = context.clock.now();
    let kept_for = kept_for(i64::try_from(config.tokens.access_ttl).unwrap_or(i64::MAX));
    let keys = signing_keys::list(&context.db).await?;
    let keys: Vec<SigningKeyRow> =
        keys.into_iter().map(|key| signing_key_row(key, now, kept_for)).collect();
    match output {
        Output::Json => {
            output::item(output, &json!({"ring": used, "signing_keys": keys}), String::new)
        }
        Output::Text => {
            output::line(
                "Key ring: what each key encrypts, and how many families of refresh tokens derive from it",
            )?;
            output::list(output, &used, &RING_COLUMNS)?;
            output::line("\nSigning keys")?;
            output::list(output, &keys, &SIGNING_COLUMNS)
        }
    }
}

pub fn ring_rows(ring: &KeyRing, mut usage: BTreeMap<String, RingUsage>) -> Vec<RingKeyRow> {
    let of_ring = ring.keys().enumerate().map(|(index, key)| RingKeyRow {
        id: key.id().to_owned(),
        place: if index == 0 { "newest" } else { "older" },
        usage: usage.remove(key.id()).unwrap_or_default(),
    });
    let mut shown: Vec<RingKeyRow> = of_ring.collect();
    shown.extend(usage.into_iter().map(|(id, usage)| RingKeyRow { id, place: "missing", usage }));
    shown
}

fn signing_key_row(key: SigningKey, now: Timestamp, kept_for: i64) -> SigningKeyRow {
    SigningKeyRow {
        algorithm: key.algorithm.name(),
        state: key.period.state(now).name(),
        signs_from: key.period.signs_from.to_rfc3339(),
        retired_at: key.period.retired_at.map(Timestamp::to_rfc3339),
        published_until: key.period.ends_at(kept_for).map(Timestamp::to_rfc3339),
        id: key.id,
        ring_key: key.key_id,
    }
}
