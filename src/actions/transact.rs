//! Runs the transactions of actions: begins, retries after a conflict, commits or rolls back, and
//! counts by name.

use std::pin::Pin;
use std::time::Duration;

use crate::actions::context::Context;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::ScopedTx;
use crate::metrics::transactions::AttemptOutcome;

/// The work of a transaction. It is boxed, since the future of an `async` closure is not `Send`.
type Work<'tx, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'tx>>;

impl Context {
    /// Commits what `work` did, or rolls it back if `work` fails. After a conflict with another
    /// transaction, `work` runs again in a new one, so its only effects are in the database.
    ///
    /// Return an error if a statement failed: a transaction whose statement failed cannot commit on
    /// Postgres. `name` is a label of the metrics. After an error the outcome is unknown only if
    /// the connection was lost.
    pub async fn transact<'scope, T, E, F>(&self, name: &'static str, work: F) -> Result<T, E>
    where
        F: for<'tx> Fn(&'tx mut ScopedTx<'scope>) -> Work<'tx, T, E>,
        E: From<DbError>,
    {
        let began = self.clock.elapsed();
        let mut attempt = 1;
        loop {
            let (result, outcome) = self.attempt(&work).await;
            self.transactions.attempt(name, outcome);
            let took = self.clock.elapsed().saturating_sub(began);
            if outcome != AttemptOutcome::Conflict || !may_retry(attempt, took) {
                self.transactions.finished(name, took);
                return result;
            }
            attempt += 1;
        }
    }

    async fn attempt<'scope, T, E, F>(&self, work: &F) -> (Result<T, E>, AttemptOutcome)
    where
        F: for<'tx> Fn(&'tx mut ScopedTx<'scope>) -> Work<'tx, T, E>,
        E: From<DbError>,
    {
        let mut tx = match self.db.begin().await {
            Ok(tx) => ScopedTx::new(tx),
            Err(cause) => return failed(cause),
        };
        let result = work(&mut tx).await;
        match result {
            Ok(value) => match tx.commit().await {
                Ok(()) => (Ok(value), AttemptOutcome::Committed),
                Err(cause) => failed(cause),
            },
            // The transaction is dropped, which rolls it back.
            Err(error) if tx.has_conflicted() => (Err(error), AttemptOutcome::Conflict),
            Err(error) => (Err(error), AttemptOutcome::RolledBack),
        }
    }
}

/// The transaction could not begin or commit.
fn failed<T, E: From<DbError>>(cause: DbError) -> (Result<T, E>, AttemptOutcome) {
    let outcome = match cause {
        DbError::Conflict(_) => AttemptOutcome::Conflict,
        _ => AttemptOutcome::Failed,
    };
    (Err(cause.into()), outcome)
}

/// Whether a transaction runs again after a conflict: up to three times, but not after two and a
/// half seconds. Postgres detects a deadlock after one second, so there is time for two of them.
fn may_retry(attempts: u32, took: Duration) -> bool {
    const MAX_ATTEMPTS: u32 = 3;
    const MAX_WAIT: Duration = Duration::from_millis(2_500);
    attempts < MAX_ATTEMPTS && took < MAX_WAIT
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of attempts, and whether the last one succeeded.
    fn attempts(succeeds_at: u32, each_takes: Duration) -> (u32, bool) {
        let mut attempt = 1;
        while attempt != succeeds_at && may_retry(attempt, each_takes * attempt) {
            attempt += 1;
        }
        (attempt, attempt == succeeds_at)
    }

    #[test]
    fn a_conflict_is_retried_at_most_twice() {
        assert_eq!(attempts(1, Duration::ZERO), (1, true));
        assert_eq!(attempts(3, Duration::ZERO), (3, true));
        assert_eq!(attempts(4, Duration::ZERO), (3, false));
    }

    #[test]
    fn there_is_time_for_two_deadlocks_and_not_much_more() {
        for (each_takes, expected) in
            [(1_000, (3, true)), (1_249, (3, true)), (1_250, (2, false)), (2_500, (1, false))]
        {
            assert_eq!(attempts(3, Duration::from_millis(each_takes)), expected, "{each_takes}");
        }
    }
}
