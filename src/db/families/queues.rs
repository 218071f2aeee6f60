//! The queries that run many times per second: the liveness of a family, and the read and
//! compare-and-swap of a refresh or code exchange. On Postgres, concurrent calls share statements.
//! On SQLite, where a statement costs no round trip, each call runs its own.

use crate::db::authorizations::codes;
use crate::db::authorizations::codes::FoundCode;
use crate::db::engine::Db;
use crate::db::engine::batching::{Batcher, fail_all};
use crate::db::engine::error::DbError;
use crate::db::engine::read_then_swap::{Read, Reads, read_then_swap};
use crate::db::families;
use crate::db::families::redemptions::Redemption;
use crate::db::families::rotations::Rotation;
use crate::db::families::{ForRefresh, Liveness};
use crate::rules::id::FamilyId;
use crate::secret::Digest;

/// Further callers get a transient error.
const MAX_QUEUED: usize = 4_096;

/// Two, so that one batch is collected while the other one is committed.
const CONCURRENT_BATCHES: usize = 2;

/// The queues for these queries. They are cheap to clone.
#[derive(Clone, Debug)]
pub struct FamilyQueues {
    db: Db,
    liveness: Batcher<FamilyId, Option<Liveness>>,
    refreshes: Reads<FamilyId, ForRefresh, Rotation>,
    codes: Reads<Digest, FoundCode, Redemption>,
}

/// Starts a queue whose waiting callers share one pair of statements.
macro_rules! reads {
    ($db:ident, $find_batch:path) => {{
        let db = $db.clone();
        Batcher::start_answering(MAX_QUEUED, CONCURRENT_BATCHES, move |batch| {
            let db = db.clone();
            async move { read_then_swap(&db, batch, async |keys: &[_]| $find_batch(&db, keys).await).await }
        })
    }};
}

impl FamilyQueues {
    /// Must be called from within a Tokio runtime, which runs the tasks of the queues.
    pub fn start(db: Db) -> Self {
        let liveness_db = db.clone();
        let liveness = Batcher::start(MAX_QUEUED, CONCURRENT_BATCHES, move |ids: Vec<FamilyId>| {
            let db = liveness_db.clone();
            async move {
                let found = families::find_liveness_batch(&db, &ids).await;
                found.unwrap_or_else(|error| fail_all(ids.len(), error))
            }
        });
        Self {
            liveness,
            refreshes: reads!(db, families::find_for_refresh_batch),
            codes: reads!(db, codes::find_batch),
            db,
        }
    }

    /// Returns `None` if there is no such family, or if it was deleted a while after its end. The
    /// read starts after the call, so it sees everything that was committed before.
    pub async fn find_liveness(&self, id: FamilyId) -> Result<Option<Liveness>, DbError> {
        if !self.db.is_postgres() {
            return families::find_liveness(&self.db, id).await;
        }
        self.liveness.submit(id).await
    }

    /// Finds a family with everything needed to decide a refresh. The read starts after the call.
    pub async fn find_for_refresh(&self, id: FamilyId) -> Result<Read<ForRefresh, Rotation>, DbError> {
        if !self.db.is_postgres() {
            return Ok(Read::unbatched(families::find_for_refresh(&self.db, id).await?, &self.db));
        }
        self.refreshes.submit(id).await
    }

    /// Finds a code with everything needed to decide its exchange. The read starts after the call.
    pub async fn find_code(&self, digest: Digest) -> Result<Read<FoundCode, Redemption>, DbError> {
        if !self.db.is_postgres() {
            return Ok(Read::unbatched(codes::find(&self.db, digest).await?, &self.db));
        }
        self.codes.submit(digest).await
    }
}
