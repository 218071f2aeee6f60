//! Reads rows for all waiting callers, lets each caller decide, and stores all decisions in one
//! compare-and-swap.
//!
//! Two statements and one commit serve the whole batch. The second statement waits for the
//! decisions of the batch that the first one read, so that both handle as many callers as possible.
//! A caller that takes too long to decide is left out of the batch and retries on its own.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::db::engine::Db;
use crate::db::engine::batching::{Batch, Batcher, CALLER_TIMEOUT, QueuedJob, answer_all, fail_all};
use crate::db::engine::error::DbError;

/// A decision takes microseconds. A caller needs longer only if its task is not scheduled.
const MAX_DECISION_TIME: Duration = Duration::from_millis(100);

/// A change to a row that is stored only if the row is unchanged since it was read.
pub trait CompareAndSwap: Sized + Send + Sync + 'static {
    /// Returns false if the row changed. Waits for a transaction that has locked the row.
    fn swap(&self, db: &Db) -> impl Future<Output = Result<bool, DbError>> + Send;

    /// Swaps several rows, with results in the same order. Skips rows that another transaction has
    /// locked. Postgres only.
    fn swap_batch(db: &Db, all: &[Self]) -> impl Future<Output = Result<Vec<Result<bool, DbError>>, DbError>> + Send;
}

/// A row as it was read, and the handle that stores the decision about it. The batch waits until
/// `store` is used or dropped.
#[derive(Debug)]
pub struct Read<R, W> {
    pub found: Option<R>,
    pub store: Store<W>,
}

impl<R, W> Read<R, W> {
    /// A read outside a batch, for SQLite, where a statement costs no round trip.
    pub(in crate::db) fn unbatched(found: Option<R>, db: &Db) -> Self {
        Self { found, store: Store::Direct(db.clone()) }
    }
}

#[derive(Debug)]
pub enum Store<W> {
    Direct(Db),
    Batched(mpsc::Sender<QueuedJob<W, bool>>),
}

impl<W: CompareAndSwap> Store<W> {
    /// Returns false if the row changed or, on Postgres, if another transaction has locked it.
    pub async fn swap(self, decided: W) -> Result<bool, DbError> {
        let batch = match self {
            Self::Direct(db) => return decided.swap(&db).await,
            Self::Batched(batch) => batch,
        };
        let (answer, answered) = oneshot::channel();
        if batch.try_send(QueuedJob { job: decided, answer }).is_err() {
            return Ok(false);
        }
        drop(batch);
        timeout(CALLER_TIMEOUT, answered).await.ok().and_then(Result::ok).unwrap_or(Err(DbError::TimedOut))
    }
}

/// The queue of reads of one kind of row.
pub(in crate::db) type Reads<K, R, W> = Batcher<K, Read<R, W>>;

/// Reads the rows, waits for the decisions, and swaps. `read` returns one row per key, in the order
/// of the keys.
pub(in crate::db) async fn read_then_swap<K, R, W: CompareAndSwap>(
    db: &Db,
    batch: Batch<K, Read<R, W>>,
    read: impl AsyncFnOnce(&[K]) -> Result<Vec<Result<Option<R>, DbError>>, DbError>,
) {
    let Batch { jobs: keys, callers } = batch;
    let rows = read(&keys).await.unwrap_or_else(|error| fail_all(keys.len(), error));
    let (decided, decisions) = mpsc::channel(callers.len().max(1));
    let with_store = |found| Read { found, store: Store::Batched(decided.clone()) };
    answer_all(callers, rows.into_iter().map(|row| row.map(with_store)));
    drop(decided);
    let Batch { jobs: swaps, callers } = gather(decisions).await;
    if !swaps.is_empty() {
        answer_all(callers, swapped(swaps.len(), W::swap_batch(db, &swaps).await));
    }
}

/// Collects the decisions of all callers that have not dropped their [`Store`].
async fn gather<W>(mut decisions: mpsc::Receiver<QueuedJob<W, bool>>) -> Batch<W, bool> {
    let deadline = Instant::now() + MAX_DECISION_TIME;
    let mut all = Vec::with_capacity(decisions.max_capacity());
    while let Ok(Some(decision)) = timeout_at(deadline, decisions.recv()).await {
        all.push(decision);
    }
    // A closed channel refuses later decisions. The ones sent before are still in it.
    decisions.close();
    while let Ok(decision) = decisions.try_recv() {
        all.push(decision);
    }
    Batch::of(all)
}

/// A statement that conflicted with another transaction changed nothing, so each caller retries on
/// its own.
fn swapped(jobs: usize, outcome: Result<Vec<Result<bool, DbError>>, DbError>) -> Vec<Result<bool, DbError>> {
    match outcome {
        Err(DbError::Conflict(_)) => (0..jobs).map(|_| Ok(false)).collect(),
        outcome => outcome.unwrap_or_else(|error| fail_all(jobs, error)),
    }
}
