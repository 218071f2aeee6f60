//! From two presented keys to the operator they name, with a small cache in front.
//!
//! An entry lives for [`TRUSTED_FOR`], so a key that was revoked on another replica, or from the command line, stops within
//! five seconds; on the replica that revokes it, [`OperatorCache::forget_all`] stops it at once, also where a look-up is
//! under way. Keys that name nobody are remembered as briefly, so that a client that repeats a bad key costs no reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::clock::Clock;
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, read_with_conn};
use crate::db::orgs::memberships;
use crate::rules::id::{KeyId, OrgId, UserId};
use crate::rules::identity::operator::{Credential, Operator};
use crate::secret::{Digest, Secret};

/// Less than the five seconds that are promised, for what the look-up itself takes.
const TRUSTED_FOR: Duration = Duration::from_secs(4);
const ENTRIES: usize = 10_000;

/// Who the two keys name: both must be valid and belong to one organization, and their user must be a member of it whose
/// account is not disabled.
pub async fn find(db: &Db, api_key: Digest, application_key: Digest) -> Result<Option<Operator>, DbError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        org_id: Uuid,
        user_id: Uuid,
        role: String,
        application_key_id: Uuid,
    }
    let row: Option<Row> = read_with_conn!(db, |conn| sqlx::query_as(concat!(
        "SELECT k.org_id, k.user_id, m.role, k.id AS application_key_id
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
    .await)?;
    row.map(|row| {
        Ok(Operator {
            org_id: OrgId(row.org_id),
            user_id: UserId(row.user_id),
            role: memberships::role(&row.role)?,
            credential: Credential::Keys(KeyId(row.application_key_id)),
        })
    })
    .transpose()
}

/// Cheap to clone; all clones are one cache.
#[derive(Clone)]
pub struct OperatorCache {
    entries: Arc<Cache<(Digest, Digest), Entry>>,
    /// Raised by every revocation: what was read before it counts no more.
    generation: Arc<AtomicU64>,
    clock: Clock,
}

#[derive(Clone, Copy)]
struct Entry {
    operator: Option<Operator>,
    read_at: Duration,
    generation: u64,
}

impl OperatorCache {
    pub fn new(clock: Clock) -> Self {
        Self { entries: Arc::new(Cache::new(ENTRIES)), generation: Arc::default(), clock }
    }

    pub async fn find(&self, db: &Db, api_key: &Secret, application_key: &Secret) -> Result<Option<Operator>, DbError> {
        let keys = (api_key.digest(), application_key.digest());
        // Both are read before the query: what is revoked while it runs must not be trusted for longer.
        let now = self.clock.elapsed();
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(entry) = self.entries.get(&keys)
            && entry.generation == generation
            && now.saturating_sub(entry.read_at) < TRUSTED_FOR
        {
            return Ok(entry.operator);
        }
        let operator = find(db, keys.0, keys.1).await?;
        self.entries.insert(keys, Entry { operator, read_at: now, generation });
        Ok(operator)
    }

    /// To be called after every revocation on this replica.
    pub fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.clear();
    }
}
