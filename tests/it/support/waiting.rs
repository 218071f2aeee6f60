//! Waiting for what says nothing when it is so far. Nothing else in the tests pauses, but where it says why.

use std::pin::Pin;
use std::time::Duration;

use futures_util::poll;
use tokio::time::{sleep, timeout};

use super::TestApp;
use super::connection::{Location, open_postgres};

/// Whatever is waited for comes long before; what has not come by then never will.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Asks again and again, where nobody tells: another program, or the other side of a connection.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    const PAUSE: Duration = Duration::from_millis(5);
    let asking = async {
        while !holds().await {
            sleep(PAUSE).await;
        }
    };
    timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"));
}

/// Comes a little later, so that two who run at once meet in another place each round. Nothing hangs on how much later:
/// wherever they meet, what the test says of them holds.
pub async fn later<T>(moment: Duration, what: impl Future<Output = T>) -> T {
    sleep(moment).await;
    what.await
}

/// Goes on with a change until the database keeps it waiting for somebody who holds what it needs, and fails where it waits
/// for nobody.
pub async fn until_kept_waiting<F: Future>(app: &TestApp, mut change: Pin<&mut F>) {
    until("it is kept waiting", async || {
        assert!(poll!(change.as_mut()).is_pending(), "it waited for nobody");
        waits_for_a_lock(app).await
    })
    .await;
}

/// Whether anybody does who uses tables of this app. SQLite does not tell, and need not: whoever changes anything there waits
/// before it begins.
async fn waits_for_a_lock(app: &TestApp) -> bool {
    const WAITS: &str = "SELECT EXISTS (
        SELECT FROM pg_locks AS waiting JOIN pg_locks AS held USING (pid) JOIN pg_class ON pg_class.oid = held.relation
         WHERE NOT waiting.granted AND pg_class.relnamespace = current_schema()::regnamespace)";
    match &app.target.location {
        Location::Sqlite { .. } => true,
        Location::Postgres { url, schema } => {
            let mut connection = open_postgres(url, schema.as_deref()).await;
            sqlx::query_scalar(WAITS).fetch_one(&mut connection).await.expect("the locks are readable")
        }
    }
}
