//! Signs and verifies tokens with keys that all servers share.
//!
//! The keys are in the database, with their private halves sealed. They are kept in memory, already
//! parsed, so that signing costs nothing but the signature. A timer reloads keys that other servers
//! changed. If a token names an unknown key, they are reloaded at once.

mod jwt;
mod key_pair;
mod key_set;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::db::engine::Db;
use crate::db::engine::error::DbError;
use crate::db::keys::signing_keys;
use crate::rules::timestamp::Timestamp;
use crate::rules::token::jwk::{Jwk, JwkSet, PublishedJwk, THUMBPRINT_LENGTH};
use crate::rules::token::signing_algorithm::SigningAlgorithm;
use crate::rules::token::signing_period::{SigningPeriod, SigningState};
use crate::sealing;
use crate::sealing::{KeyRing, Place, SealError};
use crate::signing::jwt::Unverified;
use crate::signing::key_pair::PublicKey;
pub use crate::signing::key_pair::{KeyError, KeyPair};
pub use crate::signing::key_set::verify_by_key_set;

/// How often every server reloads the keys. The docs promise 30 seconds, and two reloads fit into
/// them, so that one failed read does not break the promise.
pub const RELOAD_EVERY: Duration = Duration::from_secs(14);
/// The minimum time between reloads for unknown keys, since anyone can send tokens with unknown
/// keys.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error("no usable signing key")]
    NoKey,
    #[error("the signing key {kid} cannot be decrypted: {cause}. {}", advice(.cause))]
    Sealed { kid: String, cause: SealError },
    #[error("the signing key {kid}: {cause}")]
    Key { kid: String, cause: KeyError },
    #[error("a signing key could not be created: {0}")]
    NotMade(KeyError),
    #[error("the claims cannot be serialized as JSON: {0}")]
    Claims(serde_json::Error),
    #[error(transparent)]
    Db(#[from] DbError),
}

fn advice(cause: &SealError) -> &'static str {
    match cause {
        SealError::UnknownKey(id) if id == sealing::DEVELOPMENT => {
            "That is the publicly known key for trials: docs/operate/keys.md describes how to switch \
             to a key of your own"
        }
        SealError::UnknownKey(_) => {
            "Add that ring key after the newest one in `secrets.key` or, if that is not set, in the \
             key file next to the database. If it is lost, `grantor keys rotate` creates a new \
             signing key; tokens that were already signed stay valid"
        }
        SealError::Damaged => {
            "Restore the ring key that had this id, or create a new signing key with `grantor keys \
             rotate`; tokens that were already signed stay valid"
        }
    }
}

impl SigningError {
    /// Whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Db(cause) if cause.is_transient())
    }
}

/// The signing keys of the database. Cheap to clone; all clones share the keys.
#[derive(Clone)]
pub struct SigningKeys(Arc<Shared>);

struct Shared {
    db: Db,
    clock: Clock,
    ring: KeyRing,
    /// How long a retired key stays published, in seconds.
    kept_for: i64,
    keys: RwLock<Arc<Keys>>,
    /// When the keys were last read, as [`Clock::elapsed`]. The lock allows one reload at a time.
    reloaded: Mutex<Option<Duration>>,
}

/// The loaded keys, in the order in which they begin to sign.
#[derive(Default)]
struct Keys {
    keys: Vec<Key>,
    jwks: Bytes,
    /// Increases when a key is removed.
    generation: u64,
}

#[derive(Clone)]
struct Key {
    kid: String,
    algorithm: SigningAlgorithm,
    period: SigningPeriod,
    jwk: Jwk,
    halves: Arc<Halves>,
}

struct Halves {
    public: PublicKey,
    private: Result<KeyPair, SealError>,
}

/// The place of the private half of a signing key in the database.
pub fn place_of(kid: &str) -> Place<'_> {
    Place { table: "signing_keys", column: "sealed", row: kid, org: None }
}

/// Opens the private half, if its key is in the ring.
pub fn open(ring: &KeyRing, row: &signing_keys::SigningKey) -> Result<KeyPair, SigningError> {
    let kid = || row.id.clone();
    let document = crate::sealing::open(ring, place_of(&row.id), &row.sealed)
        .map_err(|cause| SigningError::Sealed { kid: kid(), cause })?;
    KeyPair::from_pkcs8(row.algorithm, &document)
        .map_err(|cause| SigningError::Key { kid: kid(), cause })
}

impl SigningKeys {
    /// Starts without any key; [`SigningKeys::reload`] reads them.
    pub fn new(db: Db, clock: Clock, ring: KeyRing, kept_for: i64) -> Self {
        let (keys, reloaded) = (RwLock::default(), Mutex::default());
        Self(Arc::new(Shared { db, clock, ring, kept_for, keys, reloaded }))
    }

    /// Returns a token with these claims, signed by the current key.
    pub fn sign(
        &self,
        typ: &str,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<String, SigningError> {
        let keys = self.current();
        let (key, pair) = keys.signer(now).ok_or(SigningError::NoKey)?;
        let claims = serde_json::to_vec(claims).map_err(SigningError::Claims)?;
        let unsigned = jwt::unsigned(key.algorithm, &key.kid, typ, &claims);
        let failed = |cause| SigningError::Key { kid: key.kid.clone(), cause };
        let signature = pair.sign(unsigned.as_bytes()).map_err(failed)?;
        Ok(jwt::signed(unsigned, &signature))
    }

    /// Returns the claims if the token has this type and a key of this server signed it. The caller
    /// must check the claims, including the expiry.
    pub async fn verify<C: DeserializeOwned>(&self, typ: &str, token: &str) -> Option<C> {
        let token = Unverified::parse(token)?;
        let key = self.find(token.kid()?).await?;
        let is_valid = token.is_of(typ, key.algorithm)
            && key.halves.public.verifies(token.signed.as_bytes(), &token.signature);
        if !is_valid {
            return None;
        }
        serde_json::from_slice(&token.payload()?).ok()
    }

    /// Changes when a key is removed. A signature that was verified under an earlier generation
    /// must be verified again.
    pub fn generation(&self) -> u64 {
        self.current().generation
    }

    /// Returns the claims of a token whose signature was already verified.
    pub fn read_verified<C: DeserializeOwned>(token: &str) -> Option<C> {
        serde_json::from_slice(&jwt::payload(token)?).ok()
    }

    /// The JWK set, as the endpoint returns it.
    pub fn jwks(&self) -> Bytes {
        self.current().jwks.clone()
    }

    /// Reads the keys again, and keeps those that are already parsed. If a key cannot be read, this
    /// fails, but only after it loaded the others and removed the deleted ones.
    pub async fn reload(&self) -> Result<(), SigningError> {
        let mut reloaded = self.0.reloaded.lock().await;
        self.reload_now(&mut reloaded).await
    }

    /// Fails if the current or the next signing key cannot be used.
    pub fn check(&self, now: Timestamp) -> Result<(), SigningError> {
        let keys = self.current();
        let needed = keys.keys.iter().filter(|key| key.period.state(now) != SigningState::Retired);
        for key in needed {
            if let Err(cause) = &key.halves.private {
                return Err(SigningError::Sealed { kid: key.kid.clone(), cause: cause.clone() });
            }
        }
        Ok(())
    }

    fn current(&self) -> Arc<Keys> {
        Arc::clone(&self.0.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn find(&self, kid: &str) -> Option<Key> {
        if let Some(key) = self.current().find(kid) {
            return Some(key.clone());
        }
        if kid.len() != THUMBPRINT_LENGTH {
            return None;
        }
        let mut reloaded = self.0.reloaded.lock().await;
        // Another task may have reloaded the keys while this one waited for the lock.
        let is_due = |last| self.0.clock.elapsed().saturating_sub(last) >= UNKNOWN_KEY_INTERVAL;
        if self.current().find(kid).is_none()
            && reloaded.is_none_or(is_due)
            && let Err(error) = self.reload_now(&mut reloaded).await
        {
            tracing::warn!(%error, "could not read the signing keys");
        }
        self.current().find(kid).cloned()
    }

    async fn reload_now(&self, reloaded: &mut Option<Duration>) -> Result<(), SigningError> {
        *reloaded = Some(self.0.clock.elapsed());
        let rows = signing_keys::list_each(&self.0.db).await?;
        let (now, before) = (self.0.clock.now(), self.current());
        let has_ended = |row: &signing_keys::SigningKey| {
            row.period.ends_at(self.0.kept_for).is_some_and(|at| at <= now)
        };
        // A key that cannot be read must not stop the reload, or a revoked key would stay in use.
        let (mut keys, mut failed) = (Vec::new(), None);
        for row in rows {
            let parsed = match row {
                Ok(row) if has_ended(&row) => continue,
                Ok(row) => self.parse(row, &before),
                Err(cause) => Err(SigningError::Db(cause)),
            };
            match parsed {
                Ok(key) => keys.push(key),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let removed = before.keys.iter().filter(|key| keys.iter().all(|kept| kept.kid != key.kid));
        let removed: Vec<&str> = removed.map(|key| key.kid.as_str()).collect();
        if !removed.is_empty() {
            tracing::info!(kids = removed.join(" "), "signing keys were removed from the key set");
        }
        let generation = before.generation + u64::from(!removed.is_empty());
        let after = Arc::new(Keys { jwks: key_set(&keys).into(), keys, generation });
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = after;
        failed.map_or(Ok(()), Err)
    }

    fn parse(&self, row: signing_keys::SigningKey, before: &Keys) -> Result<Key, SigningError> {
        let known = before.find(&row.id).filter(|key| key.halves.private.is_ok());
        let halves = match known {
            Some(key) => Arc::clone(&key.halves),
            None => Arc::new(self.parse_halves(&row)?),
        };
        Ok(Key {
            kid: row.id,
            algorithm: row.algorithm,
            period: row.period,
            jwk: row.public_jwk,
            halves,
        })
    }

    fn parse_halves(&self, row: &signing_keys::SigningKey) -> Result<Halves, SigningError> {
        let public = PublicKey::of(&row.public_jwk);
        let public = public.map_err(|cause| SigningError::Key { kid: row.id.clone(), cause })?;
        let private = match open(&self.0.ring, row) {
            Ok(pair) => Ok(pair),
            Err(SigningError::Sealed { kid, cause }) => {
                if row.period.state(self.0.clock.now()) != SigningState::Retired {
                    tracing::error!(kid, %cause, "a signing key cannot be decrypted");
                }
                Err(cause)
            }
            Err(other) => return Err(other),
        };
        Ok(Halves { public, private })
    }
}

impl Keys {
    fn find(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// Returns the newest key that signs now. If this server cannot open it, returns the newest key
    /// before it, whose tokens are valid since that key is still published.
    fn signer(&self, now: Timestamp) -> Option<(&Key, &KeyPair)> {
        let signing = self.keys.iter().filter(|key| key.period.state(now) == SigningState::Signs);
        let retired = self.keys.iter().filter(|key| {
            key.period.state(now) == SigningState::Retired
                && key.period.retired_at > Some(key.period.signs_from)
        });
        retired.chain(signing).rev().find_map(|key| Some((key, key.halves.private.as_ref().ok()?)))
    }
}

fn key_set(keys: &[Key]) -> String {
    let published = keys.iter().map(|key| PublishedJwk {
        key: &key.jwk,
        alg: key.algorithm,
        kid: &key.kid,
        usage: "sig",
    });
    // Serializing strings and lists cannot fail.
    serde_json::to_string(&JwkSet { keys: published.collect() }).unwrap_or_default()
}
