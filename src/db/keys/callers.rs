//! Authenticates an API key and an application key, with a small cache.
//!
//! A cache entry is valid for [`CACHE_TTL`], so a key that was revoked on another replica or from
//! the command line stops working within five seconds. On the replica that revokes it,
//! [`CallerCache::clear`] stops it immediately, even during a lookup. Invalid keys are cached for
//! the same time, so that a client that repeats a wrong key causes no reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::clock::Clock;
use crate::db::engine::column::JsonText;
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, read_with_conn};
use crate::db::keys::application_keys;
use crate::db::orgs::memberships;
use crate::rules::id::{KeyId, OrgId, UserId};
use crate::rules::identity::api_caller::{ApiCaller, Credential};
use crate::rules::scope::ScopeSet;
use crate::rules::secret::{Digest, Secret};

/// Less than the documented five seconds, to leave time for the lookup itself.
const CACHE_TTL: Duration = Duration::from_secs(4);
const MAX_ENTRIES: usize = 10_000;

/// The user of two keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCaller {
    pub caller: ApiCaller,
    pub api_key_id: KeyId,
    pub application_key_id: KeyId,
    /// The scopes to which the application key is limited.
    pub scopes: Option<Arc<ScopeSet>>,
}

/// Finds the user of two keys. Both keys must be valid and belong to the same organization, and the
/// user must be a member of it and not disabled.
pub async fn find(
    db: &Db,
    api_key: Digest,
    application_key: Digest,
) -> Result<Option<KeyCaller>, DbError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        org_id: Uuid,
        user_id: Uuid,
        role: String,
        api_key_id: Uuid,
        application_key_id: Uuid,
        scopes: Option<JsonText>,
    }
    let row: Option<Row> = read_with_conn!(db, |conn| {
        sqlx::query_as(concat!(
        "SELECT k.org_id, k.user_id, m.role, a.id AS api_key_id, k.id AS application_key_id, k.scopes
           FROM api_keys a
           JOIN application_keys k ON k.org_id = a.org_id
           JOIN memberships m ON m.org_id = k.org_id AND m.user_id = k.user_id
           JOIN users u ON u.id = k.user_id
          WHERE a.digest = $1 AND a.revoked_at IS NULL
            AND k.digest = $2 AND k.revoked_at IS NULL
            AND u.disabled_at IS NULL AND ",
        memberships::is_active!()
    ))
    .bind(api_key.bytes().as_slice())
    .bind(application_key.bytes().as_slice())
    .fetch_optional(conn)
    .await
    })?;
    row.map(|row| {
        let application_key_id = KeyId(row.application_key_id);
        Ok(KeyCaller {
            caller: ApiCaller {
                org_id: OrgId(row.org_id),
                user_id: UserId(row.user_id),
                role: memberships::role(&row.role)?,
                credential: Credential::Keys(application_key_id),
            },
            api_key_id: KeyId(row.api_key_id),
            application_key_id,
            scopes: application_keys::scopes(row.scopes)?.map(Arc::new),
        })
    })
    .transpose()
}

/// A cache of lookups. It is cheap to clone; all clones share the entries.
#[derive(Clone)]
pub struct CallerCache {
    entries: Arc<Cache<(Digest, Digest), Entry>>,
    /// Incremented by every revocation. Entries that were read before are invalid.
    generation: Arc<AtomicU64>,
    clock: Clock,
}

#[derive(Clone)]
struct Entry {
    caller: Option<KeyCaller>,
    read_at: Duration,
    generation: u64,
}

impl CallerCache {
    pub fn new(clock: Clock) -> Self {
        Self { entries: Arc::new(Cache::new(MAX_ENTRIES)), generation: Arc::default(), clock }
    }

    pub async fn find(
        &self,
        db: &Db,
        api_key: &Secret,
        application_key: &Secret,
    ) -> Result<Option<KeyCaller>, DbError> {
        let keys = (api_key.digest(), application_key.digest());
        // Both are read before the query, because a key that is revoked during the query must not
        // be cached as valid.
        let now = self.clock.elapsed();
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(entry) = self.entries.get(&keys)
            && entry.generation == generation
            && now.saturating_sub(entry.read_at) < CACHE_TTL
        {
            return Ok(entry.caller);
        }
        let caller = find(db, keys.0, keys.1).await?;
        let entry = Entry { caller: caller.clone(), read_at: now, generation };
        self.entries.insert(keys, entry);
        Ok(caller)
    }

    /// Call this on this replica after every revocation, and after every change of what a key may do.
    pub fn clear(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.clear();
    }
}
