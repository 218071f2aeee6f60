//! Creates, rotates and deletes the keys that sign tokens.
//!
//! A new key is published before it signs, so that every API knows the key before it sees a token
//! of it. It signs at once only if no other key can sign. Older keys no longer sign from then on.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, ServerChange};
use crate::actions::context::Context;
use crate::config::Config;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::keys::signing_keys;
use crate::db::keys::signing_keys::SigningKey;
use crate::rules::timestamp::Timestamp;
use crate::rules::token::signing_algorithm::SigningAlgorithm;
use crate::rules::token::signing_period::{
    PUBLISHED_BEFORE_USE, SigningPeriod, SigningState, kept_for,
};
use crate::sealing::KeyRing;
use crate::signing::{KeyPair, SigningError, SigningKeys};
use crate::{sealing, signing};

/// The settings for signing keys.
#[derive(Clone, Copy, Debug)]
pub struct SigningRules {
    pub algorithm: SigningAlgorithm,
    /// A key is replaced after this many seconds. 0 means never.
    pub max_age: i64,
    /// The lifetime of an access token, in seconds.
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

/// When a new key begins to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeOver {
    /// After it was published for long enough that every API knows it.
    Published,
    /// At once, for example because the older key may have leaked.
    Now,
}

/// Reads the keys, creates one if no key of the algorithm is in use, and fails if the ring cannot
/// open them. Servers that start at the same time create only one key.
pub async fn prepare_signing_keys(
    context: &Context,
    keys: &SigningKeys,
    rules: SigningRules,
) -> Result<(), SigningError> {
    keys.reload().await?;
    keys.check(context.clock.now())?;
    let is_in_use =
        |key: &SigningKey| key.period.retired_at.is_none() && key.algorithm == rules.algorithm;
    let is_needed = |all: &[SigningKey]| !all.iter().any(is_in_use);
    if is_needed(&signing_keys::list(&context.db).await?) {
        let by = AuditActor::SERVER;
        create(context, rules.algorithm, TakeOver::Published, &by, is_needed).await?;
    }
    // The keys are always read again, since another server may have created one in the meantime.
    keys.reload().await?;
    keys.check(context.clock.now())
}

/// Creates a new key, even if the current one is not old.
pub async fn rotate_signing_keys(
    context: &Context,
    algorithm: SigningAlgorithm,
    take_over: TakeOver,
    by: &AuditActor,
) -> Result<SigningKey, SigningError> {
    let created = create(context, algorithm, take_over, by, |_| true).await?;
    created.ok_or(SigningError::NoKey)
}

/// Creates a new key if every key in use has reached its maximum age.
pub async fn rotate_aged_signing_keys(
    context: &Context,
    rules: SigningRules,
) -> Result<Option<SigningKey>, SigningError> {
    if rules.max_age == 0 {
        return Ok(None);
    }
    let too_old = context.clock.now().minus(rules.max_age);
    let is_needed = |all: &[SigningKey]| {
        all.iter()
            .filter(|key| key.period.retired_at.is_none())
            .all(|key| key.period.signs_from <= too_old)
    };
    if !is_needed(&signing_keys::list(&context.db).await?) {
        return Ok(None);
    }
    create(context, rules.algorithm, TakeOver::Published, &AuditActor::SERVER, is_needed).await
}

/// Deletes keys whose last token has expired, and returns how many.
pub async fn forget_signing_keys(context: &Context, rules: SigningRules) -> Result<u64, DbError> {
    signing_keys::forget(&context.db, context.clock.now().minus(kept_for(rules.access_ttl))).await
}

/// Creates a key unless `is_needed` returns false for the existing keys. It is called again under
/// the lock, since another server may have been faster.
async fn create(
    context: &Context,
    algorithm: SigningAlgorithm,
    take_over: TakeOver,
    by: &AuditActor,
    is_needed: impl Fn(&[SigningKey]) -> bool + Sync,
) -> Result<Option<SigningKey>, SigningError> {
    // Before the transaction: generating an RSA key is slow.
    let pair = KeyPair::generate(algorithm).map_err(SigningError::NotMade)?;
    let (pair, is_needed) = (&pair, &is_needed);
    let create = context.transact::<_, SigningError, _>("signing_key.create", |tx| {
        Box::pin(async move {
            signing_keys::lock(tx).await?;
            let all = signing_keys::list(&mut *tx).await?;
            if !is_needed(&all) {
                return Ok(None);
            }
            let now = context.clock.now();
            let signs_from =
                if take_over == TakeOver::Published && some_key_signs(&context.ring, &all, now) {
                    now.plus(PUBLISHED_BEFORE_USE)
                } else {
                    now
                };
            let key = new_key(context, pair, SigningPeriod { signs_from, retired_at: None })?;
            signing_keys::retire(&mut *tx, signs_from).await?;
            signing_keys::insert(&mut *tx, &key).await?;
            record(context, tx, by, &all, &key).await?;
            Ok(Some(key))
        })
    });
    let Some(key) = create.await? else { return Ok(None) };
    tracing::info!(
        kid = key.id,
        algorithm = algorithm.name(),
        signs_from = %key.period.signs_from.to_rfc3339(),
        "a signing key was created"
    );
    Ok(Some(key))
}

/// A key that this ring cannot open does not count.
fn some_key_signs(ring: &KeyRing, all: &[SigningKey], now: Timestamp) -> bool {
    all.iter()
        .any(|key| key.period.state(now) == SigningState::Signs && signing::open(ring, key).is_ok())
}

pub(in crate::actions) fn new_key(
    context: &Context,
    pair: &KeyPair,
    period: SigningPeriod,
) -> Result<SigningKey, SigningError> {
    let public_jwk = pair.public_jwk().map_err(SigningError::NotMade)?;
    let id = public_jwk.thumbprint();
    let document = pair.to_pkcs8().map_err(SigningError::NotMade)?;
    let sealed = sealing::seal(&context.ring, &context.random, signing::place_of(&id), &document);
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
    by: &AuditActor,
    before: &[SigningKey],
    key: &SigningKey,
) -> Result<(), DbError> {
    let replaced: Vec<&str> = before
        .iter()
        .filter(|key| key.period.retired_at.is_none())
        .map(|key| key.id.as_str())
        .collect();
    let change = ServerChange {
        action: "signing_key.created",
        subject: &format!("signing_key:{}", key.id),
        before: Some(json!({"in_use": replaced})),
        after: Some(
            json!({"algorithm": key.algorithm, "signs_from": key.period.signs_from.to_rfc3339()}),
        ),
    };
    audit::record_of_server(context, tx, by, change).await
}
