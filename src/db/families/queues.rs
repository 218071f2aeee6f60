//! The queries that run many times per second: the liveness of a family, and the read and
//! compare-and-swap of a refresh or code exchange. On Postgres, concurrent calls share statements.
//! On SQLite, where a statement costs no round trip, each call runs its own.

use crate::db::authorizations::codes;
use crate::db::authorizations::codes::FoundCode;
use crate::db::engine::Db;
use crate::db::engine::batching::{Batcher, fail_all};
use crate::db::engine::decisions::{Decision, Decisions, decide_alone, decide_batch};
use crate::db::engine::error::DbError;
use crate::db::families;
use crate::db::families::redemptions::Redemption;
use crate::db::families::rotations::Rotation;
use crate::db::families::{ForRefresh, Liveness};
use crate::rules::id::FamilyId;
use crate::rules::secret::Digest;

/// Further callers get a transient error.
const MAX_QUEUED: usize = 4_096;

/// Two, so that one batch is collected while the other one is committed.
const CONCURRENT_BATCHES: usize = 2;

/// The queues for these queries. They are cheap to clone.
#[derive(Clone, Debug)]
pub struct FamilyQueues {
    db: Db,
    liveness: Batcher<FamilyId, Option<Liveness>>,
    refreshes: Decisions<FamilyId, ForRefresh, Rotation>,
    exchanges: Decisions<Digest, FoundCode, Redemption>,
}

/// How a decision is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// On Postgres, together with other callers. Skips a row that another transaction has locked.
    First,
    /// Alone, since the first attempt found a row that had changed or was locked. Waits for locks.
    Again,
}

/// Starts a queue whose waiting callers share one pair of statements.
macro_rules! decisions {
    ($db:ident, $find_batch:path) => {{
        let db = $db.clone();
        Batcher::start(MAX_QUEUED, CONCURRENT_BATCHES, move |questions| {
            let db = db.clone();
            async move {
                decide_batch(&db, questions, async |keys: &[_]| $find_batch(&db, keys).await).await
            }
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
            refreshes: decisions!(db, families::find_for_refresh_batch),
            exchanges: decisions!(db, codes::find_batch),
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

    /// Decides a refresh on the row of the family, and stores the decision. The read starts after
    /// the call. Returns `None` if the decision could not be stored, so that the caller may try
    /// again.
    pub async fn decide_refresh<A: Send + 'static>(
        &self,
        id: FamilyId,
        attempt: Attempt,
        decide: impl FnOnce(Option<ForRefresh>) -> Decision<Rotation, A> + Send + 'static,
    ) -> Result<Option<A>, DbError> {
        if attempt == Attempt::First && self.db.is_postgres() {
            return self.refreshes.decide(id, decide).await;
        }
        decide_alone(&self.db, families::find_for_refresh(&self.db, id).await?, decide).await
    }

    /// Like [`Self::decide_refresh`] for the exchange of a code.
    pub async fn decide_exchange<A: Send + 'static>(
        &self,
        code: Digest,
        attempt: Attempt,
        decide: impl FnOnce(Option<FoundCode>) -> Decision<Redemption, A> + Send + 'static,
    ) -> Result<Option<A>, DbError> {
        if attempt == Attempt::First && self.db.is_postgres() {
            return self.exchanges.decide(code, decide).await;
        }
        decide_alone(&self.db, codes::find(&self.db, code).await?, decide).await
    }
}
