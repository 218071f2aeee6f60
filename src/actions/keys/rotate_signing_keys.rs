//! Keys that sign tokens: the first one, the next one, and the end of the last.
//!
//! A new key is published before it signs, so that nobody meets a token whose key they cannot know yet; only where no key
//! can sign does it sign at once. From then on the older ones sign no more.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{By, ServerChange};
use crate::actions::context::Context;
use crate::config::Config;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::keys::signing_keys;
use crate::db::keys::signing_keys::SigningKey;
use crate::rules::timestamp::Timestamp;
use crate::rules::token::signing_algorithm::SigningAlgorithm;
use crate::rules::token::signing_period::{PUBLISHED_BEFORE_USE, SigningPeriod, SigningState, kept_for};
use crate::sealing::KeyRing;
use crate::signing::{KeyPair, SigningError, SigningKeys};
use crate::{sealing, signing};

/// What the settings say about signing keys.
#[derive(Clone, Copy, Debug)]
pub struct SigningRules {
    pub algorithm: SigningAlgorithm,
    /// After so many seconds a younger key takes the place of one; 0 is never.
    pub max_age: i64,
    /// How long an access token lives, in seconds.
    pub access_ttl: i64,
}

impl SigningRules {
    pub fn of(config: &Config) -> Self {
        let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        Self {
            algorithm: config.tokens.signing_algorithm,
            max_age: seconds(config.tokens.signing_key_max_age),
            access_ttl: seconds(config.tokens.access_ttl),
        }
    }
}

/// When a new key takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeOver {
    /// When everybody can know it.
    Published,
    /// At once, as where the older one may be in wrong hands.
    Now,
}

/// Reads the keys, makes one where none of the algorithm is in use, and refuses keys that the ring does not open. However
/// many servers start at once, they make one.
pub async fn prepare_signing_keys(
    context: &Context,
    ring: &KeyRing,
    keys: &SigningKeys,
    rules: SigningRules,
) -> Result<(), SigningError> {
    keys.reload().await?;
    keys.check(context.clock.now())?;
    let is_there = |key: &SigningKey| key.period.retired_at.is_none() && key.algorithm == rules.algorithm;
    let wanted = |all: &[SigningKey]| !all.iter().any(is_there);
    if wanted(&signing_keys::list(&context.db).await?) {
        make(context, ring, rules.algorithm, TakeOver::Published, &By::SERVER, wanted).await?;
    }
    // In any case: another server may have made one since they were read.
    keys.reload().await?;
    keys.check(context.clock.now())
}

/// A new key, whatever there is.
pub async fn rotate_signing_keys(
    context: &Context,
    ring: &KeyRing,
    algorithm: SigningAlgorithm,
    take_over: TakeOver,
    by: &By,
) -> Result<SigningKey, SigningError> {
    let made = make(context, ring, algorithm, take_over, by, |_| true).await?;
    made.ok_or(SigningError::NoKey)
}

/// A new key where every one in use has signed for as long as it may.
pub async fn rotate_aged_signing_keys(
    context: &Context,
    ring: &KeyRing,
    rules: SigningRules,
) -> Result<Option<SigningKey>, SigningError> {
    if rules.max_age == 0 {
        return Ok(None);
    }
    let too_old = context.clock.now().minus(rules.max_age);
    let wanted = |all: &[SigningKey]| {
        all.iter().filter(|key| key.period.retired_at.is_none()).all(|key| key.period.signs_from <= too_old)
    };
    if !wanted(&signing_keys::list(&context.db).await?) {
        return Ok(None);
    }
    make(context, ring, rules.algorithm, TakeOver::Published, &By::SERVER, wanted).await
}

/// Removes keys whose last token has ended, and says how many.
pub async fn forget_signing_keys(context: &Context, rules: SigningRules) -> Result<u64, DbError> {
    signing_keys::forget(&context.db, context.clock.now().minus(kept_for(rules.access_ttl))).await
}

/// None where `wanted` says so of what there is: asked again under the lock, since another server may have been faster.
async fn make(
    context: &Context,
    ring: &KeyRing,
    algorithm: SigningAlgorithm,
    take_over: TakeOver,
    by: &By,
    wanted: impl Fn(&[SigningKey]) -> bool,
) -> Result<Option<SigningKey>, SigningError> {
    // Before the transaction: making an RSA key takes its time.
    let pair = KeyPair::generate(algorithm).map_err(SigningError::NotMade)?;
    let mut tx = context.db.begin().await?;
    signing_keys::lock(&mut tx).await?;
    let all = signing_keys::list(&mut tx).await?;
    if !wanted(&all) {
        tx.roll_back().await?;
        return Ok(None);
    }
    let now = context.clock.now();
    let signs_from = if take_over == TakeOver::Published && some_key_signs(ring, &all, now) {
        now.plus(PUBLISHED_BEFORE_USE)
    } else {
        now
    };
    let key = new_key(context, ring, &pair, SigningPeriod { signs_from, retired_at: None })?;
    signing_keys::retire(&mut tx, signs_from).await?;
    signing_keys::insert(&mut tx, &key).await?;
    record(context, &mut tx, by, &all, &key).await?;
    tx.commit().await?;
    tracing::info!(kid = key.id, algorithm = algorithm.name(), signs_from = %signs_from.to_rfc3339(), "a signing key was made");
    Ok(Some(key))
}

/// A key that this ring does not open is as good as none.
fn some_key_signs(ring: &KeyRing, all: &[SigningKey], now: Timestamp) -> bool {
    all.iter().any(|key| key.period.state(now) == SigningState::Signs && signing::open(ring, key).is_ok())
}

pub(in crate::actions) fn new_key(
    context: &Context,
    ring: &KeyRing,
    pair: &KeyPair,
    period: SigningPeriod,
) -> Result<SigningKey, SigningError> {
    let public_jwk = pair.public_jwk().map_err(SigningError::NotMade)?;
    let id = public_jwk.thumbprint();
    let document = pair.to_pkcs8().map_err(SigningError::NotMade)?;
    let sealed = sealing::seal(ring, &context.random, signing::place_of(&id), &document);
    Ok(SigningKey {
        id,
        algorithm: pair.algorithm(),
        public_jwk,
        sealed: sealed.bytes,
        key_id: sealed.key_id,
        created_at: context.clock.now(),
        period,
    })
}

async fn record(
    context: &Context,
    tx: &mut Tx,
    by: &By,
    before: &[SigningKey],
    key: &SigningKey,
) -> Result<(), DbError> {
    let replaced: Vec<&str> =
        before.iter().filter(|key| key.period.retired_at.is_none()).map(|key| key.id.as_str()).collect();
    let change = ServerChange {
        action: "signing_key.created",
        subject: &format!("signing_key:{}", key.id),
        before: Some(json!({"in_use": replaced})),
        after: Some(json!({"algorithm": key.algorithm, "signs_from": key.period.signs_from.to_rfc3339()})),
    };
    audit::record_of_server(context, tx, by, change).await
}
