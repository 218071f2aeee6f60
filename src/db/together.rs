//! What waits together is asked of the database together: one statement and one commit for all of it.
//!
//! Whatever is waiting is taken, so there is no added wait when it is idle, and each caller is answered only after the
//! statement that was begun after its call. The queue is bounded; a caller that finds it full, or waits longer than
//! [`PATIENCE`], is told to come back.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use super::DbError;

/// The most that one statement is made of.
const MOST: usize = 256;

pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Cheap to clone; its tasks end when the last clone is gone.
#[derive(Debug)]
pub(super) struct Together<J, A> {
    queue: mpsc::Sender<Waiting<J, A>>,
}

#[derive(Debug)]
struct Waiting<J, A> {
    job: J,
    answer: oneshot::Sender<Result<A, DbError>>,
}

impl<J, A> Clone for Together<J, A> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<J: Send + 'static, A: Send + 'static> Together<J, A> {
    /// `work` answers each of its jobs, in their order. It runs at most `at_once` times at once.
    pub fn start<W, F>(queue_length: usize, at_once: usize, work: W) -> Self
    where
        W: Fn(Vec<J>) -> F + Clone + Send + 'static,
        F: Future<Output = Vec<Result<A, DbError>>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(queue_length.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..at_once {
            tokio::spawn(take_what_waits(Arc::clone(&waiting), work.clone()));
        }
        Self { queue }
    }

    pub async fn ask(&self, job: J) -> Result<A, DbError> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { job, answer }).map_err(|_| DbError::QueueFull)?;
        match timeout(PATIENCE, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(DbError::TimedOut),
        }
    }

    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

type Queue<J, A> = Arc<Mutex<mpsc::Receiver<Waiting<J, A>>>>;

async fn take_what_waits<J, A, W, F>(queue: Queue<J, A>, work: W)
where
    A: Send + 'static,
    W: Fn(Vec<J>) -> F,
    F: Future<Output = Vec<Result<A, DbError>>> + Send + 'static,
{
    let mut batch = Vec::with_capacity(MOST);
    while queue.lock().await.recv_many(&mut batch, MOST).await > 0 {
        // Whoever gave up waiting was told so; doing the work now would only cost those who still wait.
        let (jobs, callers): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .filter(|waiting: &Waiting<J, A>| !waiting.answer.is_closed())
            .map(|waiting| (waiting.job, waiting.answer))
            .unzip();
        if jobs.is_empty() {
            continue;
        }
        // A panic there ends this batch, whose callers are told to come back, and not the queue. Not in a task of its own, whose
        // way to another thread and back costs more than the statement.
        match AssertUnwindSafe(work(jobs)).catch_unwind().await {
            Ok(outcomes) => {
                for (caller, outcome) in callers.into_iter().zip(outcomes) {
                    // A caller that is gone needs no answer.
                    let _ = caller.send(outcome);
                }
            }
            Err(_) => tracing::error!("a batch ended by itself"),
        }
    }
}

/// One failure, told to everyone.
pub(super) fn refuse_all<A>(callers: usize, error: DbError) -> Vec<Result<A, DbError>> {
    let error = Arc::new(error);
    (0..callers).map(|_| Err(DbError::Shared(Arc::clone(&error)))).collect()
}

/// An answer for each of `most` jobs, from rows that say which they are for: positions count from 1, as those of
/// `WITH ORDINALITY` do.
pub(super) fn in_order<R, A>(
    most: usize,
    rows: impl IntoIterator<Item = (i64, R)>,
    read: impl Fn(R) -> Result<A, DbError>,
) -> Vec<Result<Option<A>, DbError>> {
    let mut answers: Vec<Result<Option<A>, DbError>> = (0..most).map(|_| Ok(None)).collect();
    for (position, row) in rows {
        let place = usize::try_from(position).ok().and_then(|position| answers.get_mut(position.checked_sub(1)?));
        if let Some(place) = place {
            *place = read(row).map(Some);
        }
    }
    answers
}
