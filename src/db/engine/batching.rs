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

use crate::db::engine::error::DbError;

/// The most that one statement is made of.
const MOST: usize = 256;

pub(in crate::db) const PATIENCE: Duration = Duration::from_secs(2);

/// Cheap to clone; its tasks end when the last clone is gone.
#[derive(Debug)]
pub(in crate::db) struct Together<J, A> {
    queue: mpsc::Sender<Waiting<J, A>>,
}

#[derive(Debug)]
pub struct Waiting<J, A> {
    pub(in crate::db) job: J,
    pub(in crate::db) answer: oneshot::Sender<Result<A, DbError>>,
}

/// Jobs, and who waits for the answer to each, in the same order.
pub(in crate::db) struct Batch<J, A> {
    pub jobs: Vec<J>,
    pub callers: Vec<oneshot::Sender<Result<A, DbError>>>,
}

impl<J, A> Batch<J, A> {
    pub fn of(waiting: impl IntoIterator<Item = Waiting<J, A>>) -> Self {
        let (jobs, callers) = waiting.into_iter().map(|waiting| (waiting.job, waiting.answer)).unzip();
        Self { jobs, callers }
    }
}

impl<J, A> Clone for Together<J, A> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<J: Send + 'static, A: Send + 'static> Together<J, A> {
    /// `work` returns an answer for each of its jobs, in their order. It runs at most `at_once` times at once.
    pub fn start<W, F>(queue_length: usize, at_once: usize, work: W) -> Self
    where
        W: Fn(Vec<J>) -> F + Clone + Send + 'static,
        F: Future<Output = Vec<Result<A, DbError>>> + Send + 'static,
    {
        Self::start_answering(queue_length, at_once, move |batch| {
            let work = work.clone();
            async move { answer_all(batch.callers, work(batch.jobs).await) }
        })
    }

    /// `work` answers the callers of its batch. It runs at most `at_once` times at once.
    pub fn start_answering<W, F>(queue_length: usize, at_once: usize, work: W) -> Self
    where
        W: Fn(Batch<J, A>) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
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
    W: Fn(Batch<J, A>) -> F,
    F: Future<Output = ()>,
{
    let mut waiting = Vec::with_capacity(MOST);
    while queue.lock().await.recv_many(&mut waiting, MOST).await > 0 {
        // A caller that gave up was told so. Working for it would only delay the callers that still wait.
        let batch = Batch::of(waiting.drain(..).filter(|waiting: &Waiting<J, A>| !waiting.answer.is_closed()));
        if batch.jobs.is_empty() {
            continue;
        }
        // A panic there ends this batch, whose callers are told to come back, and not the queue. Not in a task of its own, whose
        // way to another thread and back costs more than the statement.
        if AssertUnwindSafe(work(batch)).catch_unwind().await.is_err() {
            tracing::error!("a batch ended by itself");
        }
    }
}

/// Sends each caller its answer. A caller that is gone needs none.
pub(in crate::db) fn answer_all<A>(
    callers: Vec<oneshot::Sender<Result<A, DbError>>>,
    answers: impl IntoIterator<Item = Result<A, DbError>>,
) {
    for (caller, answer) in callers.into_iter().zip(answers) {
        let _ = caller.send(answer);
    }
}

/// One failure, told to everyone.
pub(in crate::db) fn refuse_all<A>(callers: usize, error: DbError) -> Vec<Result<A, DbError>> {
    let error = Arc::new(error);
    (0..callers).map(|_| Err(DbError::Shared(Arc::clone(&error)))).collect()
}

/// An answer for each of `most` jobs, from rows that say which they are for: positions count from 1, as those of
/// `WITH ORDINALITY` do.
pub(in crate::db) fn in_order<R, A>(
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
