//! Batches concurrent jobs of one kind into one statement and one commit.
//!
//! A batch takes all jobs that are waiting, so an idle queue adds no delay. A caller gets its
//! answer only from a statement that started after its call. The queue is bounded: a caller that
//! finds it full gets [`DbError::QueueFull`], and one that waits longer than [`CALLER_TIMEOUT`]
//! gets [`DbError::TimedOut`]. Both are transient errors.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use crate::db::engine::error::DbError;

/// The largest number of jobs in one statement.
const MAX_BATCH_SIZE: usize = 256;

/// How long a caller waits for its answer.
pub(in crate::db) const CALLER_TIMEOUT: Duration = Duration::from_secs(2);

/// A queue of jobs and the tasks that run them in batches. It is cheap to clone; the tasks end when
/// the last clone is dropped.
#[derive(Debug)]
pub(in crate::db) struct Batcher<J, A> {
    queue: mpsc::Sender<QueuedJob<J, A>>,
}

/// A job and the channel on which its caller waits for the answer.
#[derive(Debug)]
struct QueuedJob<J, A> {
    job: J,
    answer: oneshot::Sender<Result<A, DbError>>,
}

impl<J, A> Clone for Batcher<J, A> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<J: Send + 'static, A: Send + 'static> Batcher<J, A> {
    /// `work` returns one answer per job, in the order of the jobs. At most `concurrency` batches
    /// run at the same time.
    pub fn start<W, F>(queue_length: usize, concurrency: usize, work: W) -> Self
    where
        W: Fn(Vec<J>) -> F + Clone + Send + 'static,
        F: Future<Output = Vec<Result<A, DbError>>> + Send + 'static,
    {
        let (queue, queued) = mpsc::channel(queue_length.max(1));
        let queued = Arc::new(Mutex::new(queued));
        for _ in 0..concurrency {
            tokio::spawn(run_batches(Arc::clone(&queued), work.clone()));
        }
        Self { queue }
    }

    /// Queues a job and waits for its answer.
    pub async fn submit(&self, job: J) -> Result<A, DbError> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(QueuedJob { job, answer }).map_err(|_| DbError::QueueFull)?;
        match timeout(CALLER_TIMEOUT, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(DbError::TimedOut),
        }
    }

    /// The number of queued jobs.
    pub fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

type Queue<J, A> = Arc<Mutex<mpsc::Receiver<QueuedJob<J, A>>>>;

async fn run_batches<J, A, W, F>(queue: Queue<J, A>, work: W)
where
    A: Send + 'static,
    W: Fn(Vec<J>) -> F,
    F: Future<Output = Vec<Result<A, DbError>>>,
{
    let mut queued = Vec::with_capacity(MAX_BATCH_SIZE);
    while queue.lock().await.recv_many(&mut queued, MAX_BATCH_SIZE).await > 0 {
        // A caller that timed out already has its error. Doing its job would delay the others.
        let waiting =
            queued.drain(..).filter(|queued: &QueuedJob<J, A>| !queued.answer.is_closed());
        let (jobs, callers): (Vec<J>, Vec<_>) =
            waiting.map(|queued| (queued.job, queued.answer)).unzip();
        if jobs.is_empty() {
            continue;
        }
        // A panic ends only this batch, whose callers get a transient error, and not the queue. The
        // batch does not run in a task of its own, because moving to another thread and back costs
        // more than the statement.
        let Ok(answers) = AssertUnwindSafe(work(jobs)).catch_unwind().await else {
            tracing::error!("a batch of database work panicked");
            continue;
        };
        // A caller that stopped waiting is ignored.
        for (caller, answer) in callers.into_iter().zip(answers) {
            let _ = caller.send(answer);
        }
    }
}

/// Returns the same error for every caller of a batch.
pub(in crate::db) fn fail_all<A>(callers: usize, error: DbError) -> Vec<Result<A, DbError>> {
    let error = Arc::new(error);
    (0..callers).map(|_| Err(DbError::Shared(Arc::clone(&error)))).collect()
}

/// Returns one answer for each of `jobs` jobs, from rows that carry the position of their job.
/// Positions start at 1, like those of `WITH ORDINALITY`.
pub(in crate::db) fn in_order<R, A>(
    jobs: usize,
    rows: impl IntoIterator<Item = (i64, R)>,
    read: impl Fn(R) -> Result<A, DbError>,
) -> Vec<Result<Option<A>, DbError>> {
    let mut answers: Vec<Result<Option<A>, DbError>> = (0..jobs).map(|_| Ok(None)).collect();
    for (position, row) in rows {
        let place = usize::try_from(position)
            .ok()
            .and_then(|position| answers.get_mut(position.checked_sub(1)?));
        if let Some(place) = place {
            *place = read(row).map(Some);
        }
    }
    answers
}
