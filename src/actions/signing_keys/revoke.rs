//! Revokes a signing key that leaked. The key leaves the key set, no server accepts tokens that it
//! signed, and another key signs from then on.
//!
//! The row is deleted, including the private half. The audit event keeps the public half, so that a
//! token found later can still be attributed to the key.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, ServerChange};
use crate::actions::context::Context;
use crate::actions::signing_keys::rotate::{SigningRules, new_key};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::families::active_tokens;
use crate::db::keys::signing_keys;
use crate::db::keys::signing_keys::SigningKey;
use crate::rules::timestamp::Timestamp;
use crate::rules::token::signing_period::{RemainingKey, SigningPeriod, Succession};
use crate::signing;
use crate::signing::{KeyPair, SigningError};

/// Shorter prefixes are probably typing mistakes.
const MIN_PREFIX: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum RevokeSigningKeyError {
    #[error(
        "give the id of the signing key, or at least its first {MIN_PREFIX} characters; `grantor keys status` lists them"
    )]
    TooShort,
    #[error(
        "no signing key has an id that starts with \"{}\". `grantor keys status` lists the signing keys; a revoked key is no \
         longer listed",
        .0.escape_debug()
    )]
    NoSuchKey(String),
    #[error(
        "{count} signing keys have an id that starts with \"{prefix}\": give more characters of the id",
        prefix = .0.escape_debug(),
        count = .1
    )]
    Ambiguous(String, usize),
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The revoked key, and the tokens that became invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedSigningKey {
    pub key: SigningKey,
    /// The key that signs now.
    pub signs_now: String,
    /// Whether that key was created by this revocation.
    pub is_new: bool,
    /// Families that may have a valid access token of the revoked key.
    pub families: u64,
    /// When the last of these access tokens expires. `None`: the key signed nothing that is still
    /// valid.
    pub last_token_ends_at: Option<Timestamp>,
}

/// `id` may be a prefix that only one key has. Servers notice the change when they reload the keys
/// ([`crate::signing::RELOAD_EVERY`]).
pub async fn revoke_signing_key(
    context: &Context,
    rules: SigningRules,
    id: &str,
    by: &AuditActor,
) -> Result<RevokedSigningKey, RevokeSigningKeyError> {
    // Before the transaction: generating an RSA key is slow.
    let pair = KeyPair::generate(rules.algorithm).map_err(SigningError::NotMade)?;
    let pair = &pair;
    let replace = context.transact::<_, RevokeSigningKeyError, _>("signing_key.revoke", |tx| {
        Box::pin(async move {
            signing_keys::lock(tx).await?;
            let mut remaining = signing_keys::list(&mut *tx).await?;
            let key = remaining.remove(find(&remaining, id)?);
            signing_keys::delete(&mut *tx, &key.id).await?;
            let (signs_now, is_new) = succeed(context, tx, pair, &remaining).await?;
            record(context, tx, by, &key, &signs_now).await?;
            Ok((key, signs_now, is_new))
        })
    });
    let (key, signs_now, is_new) = replace.await?;
    tracing::info!(kid = key.id, signs_now, "a signing key was revoked");
    let (families, last_token_ends_at) = ended_tokens(context, rules, key.period).await?;
    Ok(RevokedSigningKey { key, signs_now, is_new, families, last_token_ends_at })
}

fn find(keys: &[SigningKey], id: &str) -> Result<usize, RevokeSigningKeyError> {
    if let Some(exact) = keys.iter().position(|key| key.id == id) {
        return Ok(exact);
    }
    if id.len() < MIN_PREFIX {
        return Err(RevokeSigningKeyError::TooShort);
    }
    let mut found =
        keys.iter().enumerate().filter(|(_, key)| key.id.starts_with(id)).map(|(index, _)| index);
    match (found.next(), found.count()) {
        (None, _) => Err(RevokeSigningKeyError::NoSuchKey(id.to_owned())),
        (Some(only), 0) => Ok(only),
        (Some(_), others) => Err(RevokeSigningKeyError::Ambiguous(id.to_owned(), others + 1)),
    }
}

/// Ensures that a key signs. Returns its id, and whether it is new.
async fn succeed(
    context: &Context,
    tx: &mut Tx,
    pair: &KeyPair,
    remaining: &[SigningKey],
) -> Result<(String, bool), RevokeSigningKeyError> {
    let now = context.clock.now();
    let of_rule: Vec<RemainingKey> = remaining
        .iter()
        .map(|key| RemainingKey {
            period: key.period,
            is_usable: signing::open(&context.ring, key).is_ok(),
        })
        .collect();
    let (key, period) = match Succession::after_revocation(&of_rule, now) {
        Succession::NewKey => {
            let key = new_key(context, pair, SigningPeriod { signs_from: now, retired_at: None })?;
            signing_keys::retire(&mut *tx, now).await?;
            signing_keys::insert(&mut *tx, &key).await?;
            return Ok((key.id, true));
        }
        Succession::Unchanged => return Ok((current(remaining, now), false)),
        Succession::SignNow(next) => {
            (&remaining[next], SigningPeriod { signs_from: now, ..remaining[next].period })
        }
        Succession::KeepSigning(current) => {
            (&remaining[current], SigningPeriod { retired_at: None, ..remaining[current].period })
        }
    };
    signing_keys::set_period(tx, &key.id, period).await?;
    Ok((key.id.clone(), false))
}

fn current(keys: &[SigningKey], now: Timestamp) -> String {
    use crate::rules::token::signing_period::SigningState::Signs;
    keys.iter()
        .rfind(|key| key.period.state(now) == Signs)
        .map(|key| key.id.clone())
        .unwrap_or_default()
}

async fn record(
    context: &Context,
    tx: &mut Tx,
    by: &AuditActor,
    key: &SigningKey,
    signs_now: &str,
) -> Result<(), DbError> {
    let SigningPeriod { signs_from, retired_at } = key.period;
    let change = ServerChange {
        action: "signing_key.revoked",
        subject: &format!("signing_key:{}", key.id),
        before: Some(json!({
            "algorithm": key.algorithm,
            "public_jwk": key.public_jwk,
            "signs_from": signs_from.to_rfc3339(),
            "retired_at": retired_at.map(Timestamp::to_rfc3339),
        })),
        after: Some(json!({"signs_now": signs_now})),
    };
    audit::record_of_server(context, tx, by, change).await
}

async fn ended_tokens(
    context: &Context,
    rules: SigningRules,
    period: SigningPeriod,
) -> Result<(u64, Option<Timestamp>), DbError> {
    let now = context.clock.now();
    let Some(end) = period.last_token_ends_at(rules.access_ttl, now).filter(|end| *end > now)
    else {
        return Ok((0, None));
    };
    let since = now.minus(rules.access_ttl).max(period.signs_from);
    Ok((active_tokens::count_families(&context.db, since).await?, Some(end)))
}
