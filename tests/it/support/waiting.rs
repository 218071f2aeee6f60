//! Waiting for conditions that cannot notify the test. Other pauses in tests explain their reason.

use std::pin::Pin;
use std::time::Duration;

use futures_util::poll;
use tokio::time::{sleep, timeout};

use super::TestApp;
use super::connection::{Location, open_postgres};

/// Everything that a test waits for happens much earlier, or never.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Polls a condition of another program or of the other side of a connection.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    const PAUSE: Duration = Duration::from_millis(5);
    let asking = async {
        while !holds().await {
            sleep(PAUSE).await;
        }
    };
    timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"));
}

/// Runs `future` after a delay, so that concurrent operations overlap differently in each round.
/// The test must hold for every delay.
pub async fn after_delay<T>(delay: Duration, future: impl Future<Output = T>) -> T {
    sleep(delay).await;
    future.await
}

/// Polls `change` until it waits for a lock of another session. Fails if it completes.
pub async fn until_blocked<F: Future>(app: &TestApp, mut change: Pin<&mut F>) {
    until("it waits for a lock", async || {
        assert!(poll!(change.as_mut()).is_pending(), "the change did not wait");
        waits_for_a_lock(app).await
    })
    .await;
}

/// Whether any session waits for a lock on a table of this app. SQLite cannot report this, and its
/// writers always wait at their start.
async fn waits_for_a_lock(app: &TestApp) -> bool {
    const WAITS: &str = "SELECT EXISTS (
        SELECT FROM pg_locks AS waiting JOIN pg_locks AS held USING (pid) JOIN pg_class ON pg_class.oid = held.relation
         WHERE NOT waiting.granted AND pg_class.relnamespace = current_schema()::regnamespace)";
    match &app.target.location {
        Location::Sqlite { .. } => true,
        Location::Postgres { url, schema } => {
            let mut connection = open_postgres(url, schema.as_deref()).await;
            sqlx::query_scalar(WAITS)
                .fetch_one(&mut connection)
                .await
                .expect("the locks are readable")
        }
    }
}
