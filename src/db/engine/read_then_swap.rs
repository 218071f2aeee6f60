//! Reads rows for all callers that wait, lets each caller decide, and stores all decisions in one compare-and-swap.
//!
//! Two statements and one commit serve the whole batch. The batch stays together between the two statements, so neither is
//! smaller than it has to be. A caller that takes too long to decide is left out of the batch and tries again on its own.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::db::engine::Db;
use crate::db::engine::batching::{Batch, PATIENCE, Together, Waiting, answer_all, refuse_all};
use crate::db::engine::error::DbError;

/// A decision takes microseconds. A caller needs this long only if its task does not run.
const MAX_DECISION_TIME: Duration = Duration::from_millis(100);

/// A change that happens only if the row is still the one that was decided on.
pub trait CompareAndSwap: Sized + Send + Sync + 'static {
    /// False if the row changed. Waits for a transaction that holds the row.
    fn swap(&self, db: &Db) -> impl Future<Output = Result<bool, DbError>> + Send;

    /// The same for several in their order, passing over rows that another transaction holds. Only on Postgres.
    fn swap_together(db: &Db, all: &[Self])
    -> impl Future<Output = Result<Vec<Result<bool, DbError>>, DbError>> + Send;
}

/// A row as it was read, and the way to store the decision on it. The batch waits until `store` is used or dropped.
#[derive(Debug)]
pub struct Read<R, W> {
    pub found: Option<R>,
    pub store: Store<W>,
}

impl<R, W> Read<R, W> {
    /// For SQLite, where a statement costs no round trip.
    pub(in crate::db) fn alone(found: Option<R>, db: &Db) -> Self {
        Self { found, store: Store::Alone(db.clone()) }
    }
}

#[derive(Debug)]
pub enum Store<W> {
    Alone(Db),
    Together(mpsc::Sender<Waiting<W, bool>>),
}

impl<W: CompareAndSwap> Store<W> {
    /// False if the row changed or, on Postgres, if another transaction holds it.
    pub async fn swap(self, decided: W) -> Result<bool, DbError> {
        let batch = match self {
            Self::Alone(db) => return decided.swap(&db).await,
            Self::Together(batch) => batch,
        };
        let (answer, answered) = oneshot::channel();
        if batch.try_send(Waiting { job: decided, answer }).is_err() {
            return Ok(false);
        }
        drop(batch);
        timeout(PATIENCE, answered).await.ok().and_then(Result::ok).unwrap_or(Err(DbError::TimedOut))
    }
}

/// The callers that wait for rows of one kind.
pub(in crate::db) type Reads<K, R, W> = Together<K, Read<R, W>>;

/// Reads, waits for the decisions, and swaps. `read` returns one row for each key, in their order.
pub(in crate::db) async fn read_then_swap<K, R, W: CompareAndSwap>(
    db: &Db,
    batch: Batch<K, Read<R, W>>,
    read: impl AsyncFnOnce(&[K]) -> Result<Vec<Result<Option<R>, DbError>>, DbError>,
) {
    let Batch { jobs: keys, callers } = batch;
    let rows = read(&keys).await.unwrap_or_else(|error| refuse_all(keys.len(), error));
    let (decided, decisions) = mpsc::channel(callers.len().max(1));
    let with_store = |found| Read { found, store: Store::Together(decided.clone()) };
    answer_all(callers, rows.into_iter().map(|row| row.map(with_store)));
    drop(decided);
    let Batch { jobs: swaps, callers } = gather(decisions).await;
    if !swaps.is_empty() {
        answer_all(callers, swapped(swaps.len(), W::swap_together(db, &swaps).await));
    }
}

/// The decisions of all callers that have not dropped their [`Store`].
async fn gather<W>(mut decisions: mpsc::Receiver<Waiting<W, bool>>) -> Batch<W, bool> {
    let deadline = Instant::now() + MAX_DECISION_TIME;
    let mut all = Vec::with_capacity(decisions.max_capacity());
    while let Ok(Some(decision)) = timeout_at(deadline, decisions.recv()).await {
        all.push(decision);
    }
    // Whoever decides from now on is refused by the channel. What was sent before is in it.
    decisions.close();
    while let Ok(decision) = decisions.try_recv() {
        all.push(decision);
    }
    Batch::of(all)
}

/// A statement that conflicted with another transaction changed nothing, so each caller tries again on its own.
fn swapped(jobs: usize, outcome: Result<Vec<Result<bool, DbError>>, DbError>) -> Vec<Result<bool, DbError>> {
    match outcome {
        Err(DbError::Conflict(_)) => (0..jobs).map(|_| Ok(false)).collect(),
        outcome => outcome.unwrap_or_else(|error| refuse_all(jobs, error)),
    }
}
