//! The statements that run many times a second: whether a family is live, and reads and compare-and-swaps of refreshes and
//! code exchanges. On Postgres, calls that wait at the same time share one statement. On SQLite, where a statement costs no
//! round trip, each call runs its own.

use super::authorization_codes::{self, FoundCode};
use super::beginnings::{self, Redemption, begin_together};
use super::families::{self, ForRefresh, Liveness};
use super::rotations::{self, Rotation, rotate_together};
use super::together::{Together, refuse_all};
use super::{Db, DbError};
use crate::oauth::FamilyId;
use crate::secret::Digest;

/// More callers than this are asked to retry.
const MAX_WAITING: usize = 4_096;

/// Two, so that one is written while the other is gathered.
const STATEMENTS_AT_ONCE: usize = 2;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct FamilyQueues {
    db: Db,
    liveness: Together<FamilyId, Option<Liveness>>,
    refreshes: Together<FamilyId, Option<ForRefresh>>,
    rotations: Together<Rotation, bool>,
    codes: Together<Digest, Option<FoundCode>>,
    redemptions: Together<Redemption, bool>,
}

type Answers<A> = Vec<Result<A, DbError>>;

/// One statement for all jobs that wait. An error of the statement is the answer to each.
macro_rules! queue {
    ($db:ident, $jobs:ident => $statement:expr) => {{
        let db = $db.clone();
        Together::start(MAX_WAITING, STATEMENTS_AT_ONCE, move |$jobs: Vec<_>| {
            let $db = db.clone();
            async move { $statement }
        })
    }};
}

impl FamilyQueues {
    /// Must be called within a runtime, which the queues' tasks run on.
    pub fn start(db: Db) -> Self {
        Self {
            liveness: queue!(db, ids => read(ids.len(), families::find_liveness_together(&db, &ids).await)),
            refreshes: queue!(db, ids => read(ids.len(), families::find_for_refresh_together(&db, &ids).await)),
            rotations: queue!(db, all => swapped(all.len(), rotate_together(&db, &all).await)),
            codes: queue!(db, digests => read(digests.len(), authorization_codes::find_together(&db, &digests).await)),
            redemptions: queue!(db, all => swapped(all.len(), begin_together(&db, &all).await)),
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
    pub async fn find_for_refresh(&self, id: FamilyId) -> Result<Option<ForRefresh>, DbError> {
        if !self.db.is_postgres() {
            return families::find_for_refresh(&self.db, id).await;
        }
        self.refreshes.ask(id).await
    }

    /// False if the row changed or, on Postgres, if another transaction holds it. [`families::rotate`] waits for that one.
    pub async fn rotate(&self, rotation: Rotation) -> Result<bool, DbError> {
        if !self.db.is_postgres() {
            return rotations::rotate(&self.db, &rotation).await;
        }
        self.rotations.ask(rotation).await
    }

    /// The code with everything that decides its exchange, as it is after the call.
    pub async fn find_code(&self, digest: Digest) -> Result<Option<FoundCode>, DbError> {
        if !self.db.is_postgres() {
            return authorization_codes::find(&self.db, digest).await;
        }
        self.codes.ask(digest).await
    }

    /// False if the code was redeemed, its grant was revoked or, on Postgres, if another transaction holds one of them.
    /// [`families::begin`] waits for that one.
    pub async fn begin(&self, redemption: Redemption) -> Result<bool, DbError> {
        if !self.db.is_postgres() {
            return beginnings::begin(&self.db, &redemption).await;
        }
        self.redemptions.ask(redemption).await
    }
}

fn read<A>(jobs: usize, outcome: Result<Answers<A>, DbError>) -> Answers<A> {
    outcome.unwrap_or_else(|error| refuse_all(jobs, error))
}

/// A statement that conflicted with another transaction changed nothing, so each caller tries again on its own.
fn swapped(jobs: usize, outcome: Result<Answers<bool>, DbError>) -> Answers<bool> {
    match outcome {
        Err(DbError::Conflict(_)) => (0..jobs).map(|_| Ok(false)).collect(),
        outcome => read(jobs, outcome),
    }
}
