//! Watches the Postgres server processes behind discarded connections.
//!
//! Postgres runs one process per connection, and a busy process does not notice that its client
//! has disconnected: a commit that waits for a synchronous standby keeps waiting. Canceling it is
//! not safe, because it would then count as committed without being on the standby. A discarded
//! connection therefore keeps its slot in the pool until its process has exited, so the number of
//! processes never exceeds `database.max_connections`.
//!
//! One connection of the pool's share is reserved for these checks, because all others may be
//! stuck.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Database, PgConnection, Postgres, Sqlite};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

/// A healthy database responds much faster than this, including the time to connect.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// A process of the database server. The start time is part of it because process ids are reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    pid: i32,
    started_at_us: i64,
}

/// An engine that may run one server process per connection.
pub trait Backends: Database {
    /// Looks up the process of a connection after the connection was discarded.
    type Watch: Clone + Send + Sync + std::fmt::Debug + 'static;

    fn backend_of(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<Option<Backend>, sqlx::Error>> + Send;

    /// Returns once the process has exited, or if the database does not respond.
    fn wait_for_exit(watch: &Self::Watch, backend: Backend) -> impl Future<Output = ()> + Send;
}

/// SQLite runs inside this process, so there is nothing to watch.
impl Backends for Sqlite {
    type Watch = ();

    async fn backend_of(_: &mut Self::Connection) -> Result<Option<Backend>, sqlx::Error> {
        Ok(None)
    }

    async fn wait_for_exit((): &(), _: Backend) {}
}

/// Watches the processes of discarded connections.
#[derive(Clone, Debug)]
pub struct Watch {
    options: Arc<PgConnectOptions>,
    /// One connection, opened on first use and used by one caller at a time.
    connection: Arc<Mutex<Option<PgConnection>>>,
}

impl Watch {
    pub fn new(options: PgConnectOptions) -> Self {
        Self { options: Arc::new(options), connection: Arc::default() }
    }

    async fn is_running(&self, backend: Backend) -> Result<bool, sqlx::Error> {
        let mut kept = self.connection.lock().await;
        // The connection is taken out of the mutex, so it is not reused if the query fails or the
        // caller is canceled.
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let is_running = sqlx::query_scalar(
            // An idle process exits at once, or PgBouncer has taken it back.
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity
                             WHERE pid = $1 AND CAST(extract(epoch FROM backend_start) * 1000000 AS BIGINT) = $2
                               AND state IS DISTINCT FROM 'idle')",
        )
        .bind(backend.pid)
        .bind(backend.started_at_us)
        .fetch_one(&mut connection)
        .await?;
        *kept = Some(connection);
        Ok(is_running)
    }

    /// Closes the connection. No check may follow.
    pub async fn close(&self) {
        if let Ok(Some(connection)) =
            timeout(CHECK_TIMEOUT, async { self.connection.lock().await.take() }).await
        {
            // Postgres notices the closed connection even if this fails.
            let _ = timeout(CHECK_TIMEOUT, connection.close()).await;
        }
    }
}

impl Backends for Postgres {
    /// `None` if the pool has no connection to spare.
    type Watch = Option<Watch>;

    async fn backend_of(connection: &mut Self::Connection) -> Result<Option<Backend>, sqlx::Error> {
        let (pid, started_at_us) = sqlx::query_as(
            "SELECT pid, CAST(extract(epoch FROM backend_start) * 1000000 AS BIGINT)
               FROM pg_stat_activity WHERE pid = pg_backend_pid()",
        )
        .fetch_one(connection)
        .await?;
        Ok(Some(Backend { pid, started_at_us }))
    }

    async fn wait_for_exit(watch: &Self::Watch, backend: Backend) {
        let Some(watch) = watch else { return };
        let mut pause = FIRST_PAUSE;
        while let Ok(Ok(true)) = timeout(CHECK_TIMEOUT, watch.is_running(backend)).await {
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}
