//! Reads rows for all waiting callers, decides for each of them, and stores all decisions in one
//! compare-and-swap.
//!
//! Two statements and one commit serve a whole batch. A decision is a pure function, so the batch
//! calls it between the two statements, without waking the caller.

use std::fmt;

use tokio::sync::oneshot;

use crate::db::engine::Db;
use crate::db::engine::batching::{Batcher, fail_all};
use crate::db::engine::error::DbError;

/// A change to a row that is stored only if the row is unchanged since it was read.
pub trait CompareAndSwap: Sized + Send + Sync + 'static {
    /// Returns false if the row changed. Waits for a transaction that has locked the row.
    fn swap(&self, db: &Db) -> impl Future<Output = Result<bool, DbError>> + Send;

    /// Swaps several rows, with results in the same order. Skips rows that another transaction has
    /// locked. Postgres only.
    fn swap_batch(
        db: &Db,
        all: &[Self],
    ) -> impl Future<Output = Result<Vec<Result<bool, DbError>>, DbError>> + Send;
}

/// The decision about a row, with the answer for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<W, A> {
    /// Store the change. The caller gets the answer only if the row was unchanged.
    Swap(W, A),
    /// Change nothing.
    Keep(A),
}

/// The key of a row, and the decision about it. The answer reaches the caller in another way.
pub(in crate::db) struct Question<K, R, W> {
    key: K,
    decide: Box<dyn FnOnce(Option<R>) -> Option<W> + Send>,
}

impl<K: fmt::Debug, R, W> fmt::Debug for Question<K, R, W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Question").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The queue of decisions about one kind of row. It answers whether the decision holds: it was
/// stored, or it changes nothing.
pub(in crate::db) type Decisions<K, R, W> = Batcher<Question<K, R, W>, bool>;

impl<K: Send + 'static, R: 'static, W: 'static> Decisions<K, R, W> {
    /// Decides in a batch. Returns `None` if the row changed after it was read, or if another
    /// transaction has locked it.
    pub async fn decide<A, F>(&self, key: K, decide: F) -> Result<Option<A>, DbError>
    where
        A: Send + 'static,
        F: FnOnce(Option<R>) -> Decision<W, A> + Send + 'static,
    {
        let (sender, mut answer) = oneshot::channel();
        let decide = move |row| {
            let (change, answer) = match decide(row) {
                Decision::Swap(change, answer) => (Some(change), answer),
                Decision::Keep(answer) => (None, answer),
            };
            let _ = sender.send(answer);
            change
        };
        let holds = self.submit(Question { key, decide: Box::new(decide) }).await?;
        Ok(answer.try_recv().ok().filter(|_| holds))
    }
}

/// Decides about one row. Returns `None` if the row changed after it was read. Waits for a
/// transaction that has locked the row.
pub(in crate::db) async fn decide_alone<R, W: CompareAndSwap, A>(
    db: &Db,
    row: Option<R>,
    decide: impl FnOnce(Option<R>) -> Decision<W, A>,
) -> Result<Option<A>, DbError> {
    match decide(row) {
        Decision::Swap(change, answer) => Ok(change.swap(db).await?.then_some(answer)),
        Decision::Keep(answer) => Ok(Some(answer)),
    }
}

/// Reads the rows, decides, and swaps. `read` returns one row per key, in the order of the keys.
pub(in crate::db) async fn decide_batch<K, R, W: CompareAndSwap>(
    db: &Db,
    questions: Vec<Question<K, R, W>>,
    read: impl AsyncFnOnce(&[K]) -> Result<Vec<Result<Option<R>, DbError>>, DbError>,
) -> Vec<Result<bool, DbError>> {
    let (keys, decisions): (Vec<K>, Vec<_>) =
        questions.into_iter().map(|asked| (asked.key, asked.decide)).unzip();
    let rows = match read(&keys).await {
        Ok(rows) => rows,
        Err(error) => return fail_all(keys.len(), error),
    };
    let mut outcomes = Vec::with_capacity(keys.len());
    let (mut swaps, mut places) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
    for (row, decide) in rows.into_iter().zip(decisions) {
        let place = outcomes.len();
        outcomes.push(row.map(|row| {
            if let Some(swap) = decide(row) {
                places.push(place);
                swaps.push(swap);
            }
            true
        }));
    }
    if !swaps.is_empty() {
        let swapped = swapped(swaps.len(), W::swap_batch(db, &swaps).await);
        for (place, outcome) in places.into_iter().zip(swapped) {
            outcomes[place] = outcome;
        }
    }
    outcomes
}

/// A statement that conflicted with another transaction changed nothing, so each caller retries on
/// its own.
fn swapped(
    jobs: usize,
    outcome: Result<Vec<Result<bool, DbError>>, DbError>,
) -> Vec<Result<bool, DbError>> {
    match outcome {
        Err(DbError::Conflict(_)) => (0..jobs).map(|_| Ok(false)).collect(),
        outcome => outcome.unwrap_or_else(|error| fail_all(jobs, error)),
    }
}
