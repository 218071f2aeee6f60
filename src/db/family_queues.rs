//! What is asked of families many times a second: whether they live, their rotations, their beginnings. On Postgres those
//! who ask at the same time are answered by one statement; on SQLite, where a statement costs no round trip, each alone.

use super::authorization_codes::FoundCode;
use super::beginnings::{Redeeming, begin_together};
use super::families::{self, ForRefresh, Liveness, find_liveness_together};
use super::rotations::{Presented, rotate_together};
use super::together::{Together, refuse_all};
use super::{Db, DbError};
use crate::oauth::FamilyId;

/// More than this many callers that wait are told to come back.
const LONGEST: usize = 4_096;

/// Two, so that one is written while the other is gathered.
const STATEMENTS_AT_ONCE: usize = 2;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct FamilyQueues {
    db: Db,
    living: Together<FamilyId, Option<Liveness>>,
    rotating: Together<Presented, Option<ForRefresh>>,
    beginning: Together<Redeeming, Option<FoundCode>>,
}

type Answers<A> = Vec<Result<Option<A>, DbError>>;

impl FamilyQueues {
    /// Must be called within a runtime, which the queues' tasks run on.
    pub fn start(db: Db) -> Self {
        let (living, rotating, beginning) = (db.clone(), db.clone(), db.clone());
        Self {
            db,
            living: Together::start(LONGEST, STATEMENTS_AT_ONCE, move |ids: Vec<FamilyId>| {
                let db = living.clone();
                async move { find_liveness_together(&db, &ids).await.unwrap_or_else(|error| refuse_all(ids.len(), error)) }
            }),
            rotating: Together::start(LONGEST, STATEMENTS_AT_ONCE, move |presented: Vec<Presented>| {
                let db = rotating.clone();
                async move { or_alone(presented.len(), rotate_together(&db, &presented).await) }
            }),
            beginning: Together::start(LONGEST, STATEMENTS_AT_ONCE, move |redeeming: Vec<Redeeming>| {
                let db = beginning.clone();
                async move { or_alone(redeeming.len(), begin_together(&db, &redeeming).await) }
            }),
        }
    }

    /// `None`: there was no such family, or it ended long ago. Read after the call, so that it sees what was committed before.
    pub async fn find_liveness(&self, id: FamilyId) -> Result<Option<Liveness>, DbError> {
        if !self.db.is_postgres() {
            return families::find_liveness(&self.db, id).await;
        }
        self.living.ask(id).await
    }

    /// The family after its rotation, with what decides about scopes. `None`: something is in the way, and nothing happened.
    pub async fn rotate(&self, presented: Presented) -> Result<Option<ForRefresh>, DbError> {
        if !self.db.is_postgres() {
            return Ok(None);
        }
        self.rotating.ask(presented).await
    }

    /// What the code was for. `None`: something is wrong with it, and no family has begun.
    pub async fn begin(&self, redeeming: Redeeming) -> Result<Option<FoundCode>, DbError> {
        if !self.db.is_postgres() {
            return Ok(None);
        }
        self.beginning.ask(redeeming).await
    }
}

/// Where one of them met another transaction, nothing has happened, and each goes its own way.
fn or_alone<A>(most: usize, outcome: Result<Answers<A>, DbError>) -> Answers<A> {
    match outcome {
        Ok(answers) => answers,
        Err(DbError::Conflict(_)) => (0..most).map(|_| Ok(None)).collect(),
        Err(error) => refuse_all(most, error),
    }
}
