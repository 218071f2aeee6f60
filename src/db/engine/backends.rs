//! The server processes behind connections that were given up.
//!
//! Postgres runs a process for each connection, and a process that is busy does not notice that its client has left: a
//! commit that waits for a synchronous standby waits on, whatever its client does. It must not be canceled either, since it
//! would count as committed without being on the standby. So a connection that is given up keeps its place in the pool until
//! its process has ended, and the processes never exceed `database.max_connections`.
//!
//! One connection of the pool's share is set aside for asking, because all the others may be stuck.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Database, PgConnection, Postgres, Sqlite};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

/// A database that lives answers in far less, connecting included.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// A process of the database server: its number and when it started, since numbers are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    pid: i32,
    started_at_us: i64,
}

/// An engine whose connections may have processes of their own.
pub trait Backends: Database {
    /// How the process of a connection is asked for after the connection has gone.
    type Watch: Clone + Send + Sync + std::fmt::Debug + 'static;

    fn backend_of(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<Option<Backend>, sqlx::Error>> + Send;

    /// Returns when the process has ended, or when nobody can know because the database does not answer.
    fn ended(watch: &Self::Watch, backend: Backend) -> impl Future<Output = ()> + Send;
}

/// SQLite works within this process.
impl Backends for Sqlite {
    type Watch = ();

    async fn backend_of(_: &mut Self::Connection) -> Result<Option<Backend>, sqlx::Error> {
        Ok(None)
    }

    async fn ended((): &(), _: Backend) {}
}

/// Watches the processes of connections that were given up.
#[derive(Clone, Debug)]
pub struct Watch {
    options: Arc<PgConnectOptions>,
    /// One connection, used by one caller at a time, made when it is first needed.
    connection: Arc<Mutex<Option<PgConnection>>>,
}

impl Watch {
    pub fn new(options: PgConnectOptions) -> Self {
        Self { options: Arc::new(options), connection: Arc::default() }
    }

    async fn is_running(&self, backend: Backend) -> Result<bool, sqlx::Error> {
        let mut kept = self.connection.lock().await;
        // Taken out: where the answer fails to come, or its caller leaves, the connection is not used again.
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let is_running = sqlx::query_scalar(
            // One that is idle ends at once, or PgBouncer has it back.
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

    /// Nothing is asked after this.
    pub async fn close(&self) {
        if let Ok(Some(connection)) = timeout(ANSWERS_WITHIN, async { self.connection.lock().await.take() }).await {
            // The server notices by itself if this fails.
            let _ = timeout(ANSWERS_WITHIN, connection.close()).await;
        }
    }
}

impl Backends for Postgres {
    /// None where the pool has no connection to spare.
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

    async fn ended(watch: &Self::Watch, backend: Backend) {
        let Some(watch) = watch else { return };
        let mut pause = FIRST_PAUSE;
        while let Ok(Ok(true)) = timeout(ANSWERS_WITHIN, watch.is_running(backend)).await {
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}
