//! The statements that run many times a second: whether a family is live, and the read and compare-and-swap of a refresh or
//! code exchange. On Postgres, calls that wait at the same time share the statements. On SQLite, where a statement costs no
//! round trip, each call runs its own.

use crate::db::authorizations::codes;
use crate::db::authorizations::codes::FoundCode;
use crate::db::engine::Db;
use crate::db::engine::batching::{Together, refuse_all};
use crate::db::engine::error::DbError;
use crate::db::engine::read_then_swap::{Read, Reads, read_then_swap};
use crate::db::families;
use crate::db::families::redemptions::Redemption;
use crate::db::families::rotations::Rotation;
use crate::db::families::{ForRefresh, Liveness};
use crate::rules::id::FamilyId;
use crate::secret::Digest;

/// More callers than this are asked to retry.
const MAX_WAITING: usize = 4_096;

/// Two, so that one batch is gathered while the other one is committed.
const BATCHES_AT_ONCE: usize = 2;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct FamilyQueues {
    db: Db,
    liveness: Together<FamilyId, Option<Liveness>>,
    refreshes: Reads<FamilyId, ForRefresh, Rotation>,
    codes: Reads<Digest, FoundCode, Redemption>,
}

/// One pair of statements for all callers that wait.
macro_rules! reads {
    ($db:ident, $find_together:path) => {{
        let db = $db.clone();
        Together::start_answering(MAX_WAITING, BATCHES_AT_ONCE, move |batch| {
            let db = db.clone();
            async move { read_then_swap(&db, batch, async |keys: &[_]| $find_together(&db, keys).await).await }
        })
    }};
}

impl FamilyQueues {
    /// Must be called within a runtime, which the queues' tasks run on.
    pub fn start(db: Db) -> Self {
        let of_liveness = db.clone();
        let liveness = Together::start(MAX_WAITING, BATCHES_AT_ONCE, move |ids: Vec<FamilyId>| {
            let db = of_liveness.clone();
            async move {
                let found = families::find_liveness_together(&db, &ids).await;
                found.unwrap_or_else(|error| refuse_all(ids.len(), error))
            }
        });
        Self {
            liveness,
            refreshes: reads!(db, families::find_for_refresh_together),
            codes: reads!(db, codes::find_together),
            db,
        }
    }

    /// `None`: there is no such family, or it ended long ago. The read begins after the call, so it sees everything that was
    /// committed before.
    pub async fn find_liveness(&self, id: FamilyId) -> Result<Option<Liveness>, DbError> {
        if !self.db.is_postgres() {
            return families::find_liveness(&self.db, id).await;
        }
        self.liveness.ask(id).await
    }

    /// The family with everything that decides a refresh, as it is after the call.
    pub async fn find_for_refresh(&self, id: FamilyId) -> Result<Read<ForRefresh, Rotation>, DbError> {
        if !self.db.is_postgres() {
            return Ok(Read::alone(families::find_for_refresh(&self.db, id).await?, &self.db));
        }
        self.refreshes.ask(id).await
    }

    /// The code with everything that decides its exchange, as it is after the call.
    pub async fn find_code(&self, digest: Digest) -> Result<Read<FoundCode, Redemption>, DbError> {
        if !self.db.is_postgres() {
            return Ok(Read::alone(codes::find(&self.db, digest).await?, &self.db));
        }
        self.codes.ask(digest).await
    }
}
