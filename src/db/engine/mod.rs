//! The two engines, and the macro that runs one SQL text on either.
//!
//! A query is written once, inside [`with_conn!`], which expands it once per engine: SQL text, binds and row type are type-checked
//! for Postgres and for SQLite. A query runs on a [`DbHandle`]: `&Db` if it is alone, `&mut Tx` if it belongs to a transaction.

pub mod backends;
pub mod backup;
pub mod batching;
pub mod column;
pub mod connect;
pub mod error;
pub mod migrate;
pub mod pool;
pub mod pooler;
pub mod reach;
pub mod read_then_swap;
pub mod transaction;

use std::time::Duration;

use sqlx::{Postgres, Sqlite};
use tokio::time::Instant;

use crate::db::engine::error::DbError;
use crate::db::engine::pool::{Pool, Taken};

/// The database, cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    engine: Engine,
    /// How long one statement may take, waiting for a connection included.
    query_timeout: Duration,
}

#[derive(Clone, Debug)]
enum Engine {
    Postgres(Pool<Postgres>),
    Sqlite(Pool<Sqlite>),
}

/// Numbers for the metrics: connections open, and how many of them wait for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolState {
    pub open: u32,
    pub idle: u32,
    pub max: u32,
}

impl Db {
    pub fn engine(&self) -> &'static str {
        match self.engine {
            Engine::Postgres(_) => "postgres",
            Engine::Sqlite(_) => "sqlite",
        }
    }

    /// For what only Postgres can do better.
    pub fn is_postgres(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    pub fn pool_state(&self) -> PoolState {
        let ((open, idle), max) = match &self.engine {
            Engine::Postgres(pool) => (pool.size(), pool.max_size()),
            Engine::Sqlite(pool) => (pool.size(), pool.max_size()),
        };
        PoolState { open, idle: u32::try_from(idle).unwrap_or(u32::MAX), max }
    }

    /// Answers when the database does.
    pub async fn ping(&self) -> Result<(), DbError> {
        let db = self;
        with_conn!(db, |conn| sqlx::query("SELECT 1").execute(conn).await.map(drop))
    }

    /// Whether it refuses writes, as a standby does. SQLite shows it only to statements that write: if the file cannot be
    /// written to, even BEGIN IMMEDIATE succeeds, and begins a transaction that reads.
    pub async fn is_read_only(&self) -> Result<bool, DbError> {
        const POSTGRES: &str = "SELECT current_setting('transaction_read_only') = 'on'";
        const WRITES_NOTHING: &str =
            "UPDATE schema_compatibility SET minimum_migration = minimum_migration WHERE FALSE";
        let db = self;
        if self.is_postgres() {
            return with_conn!(db, |conn| sqlx::query_scalar(POSTGRES).fetch_one(conn).await);
        }
        match with_conn!(db, |conn| sqlx::query(WRITES_NOTHING).execute(conn).await.map(drop)) {
            Ok(()) => Ok(false),
            Err(DbError::ReadOnly(_)) => Ok(true),
            // Another transaction is writing.
            Err(DbError::Conflict(_) | DbError::TimedOut) => Ok(false),
            Err(cause) => Err(cause),
        }
    }

    /// The database's own time of day in milliseconds, for comparing clocks. The only query that asks for it.
    pub async fn unix_millis(&self) -> Result<i64, DbError> {
        const POSTGRES: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
        const SQLITE: &str = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)";
        let db = self;
        with_conn!(
            db,
            postgres | conn | sqlx::query_scalar(POSTGRES).fetch_one(conn).await,
            sqlite | conn | sqlx::query_scalar(SQLITE).fetch_one(conn).await
        )
    }

    /// Waits for what is in use, which every statement's deadline bounds.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Postgres(pool) => {
                pool.close().await;
                if let Some(watch) = pool.watch() {
                    watch.close().await;
                }
            }
            Engine::Sqlite(pool) => pool.close().await,
        }
    }
}

/// A connection for the length of one statement.
pub enum Conn<'c> {
    Postgres(Lease<'c, Postgres>),
    Sqlite(Lease<'c, Sqlite>),
}

/// From the pool for a statement that stands alone, or lent by the transaction it belongs to.
pub enum Lease<'c, DB: backends::Backends> {
    Own(Taken<DB>),
    Lent(&'c mut Taken<DB>),
}

impl<DB: backends::Backends> Lease<'_, DB> {
    pub fn connection(&mut self) -> &mut DB::Connection {
        match self {
            Self::Own(taken) => &mut taken.connection,
            Self::Lent(taken) => &mut taken.connection,
        }
    }

    /// After a statement that ended well. A transaction keeps what it lent.
    fn keep(self) {
        if let Self::Own(taken) = self {
            taken.keep();
        }
    }

    /// Nobody knows what is still on the wire, so the connection must not be used again, and the others are doubtful.
    fn give_up(&mut self) {
        let taken = match self {
            Self::Own(taken) => taken,
            Self::Lent(taken) => taken,
        };
        taken.connection.give_up();
        taken.doubt_others();
    }
}

impl Conn<'_> {
    pub fn keep(self) {
        match self {
            Self::Postgres(lease) => lease.keep(),
            Self::Sqlite(lease) => lease.keep(),
        }
    }

    pub fn give_up(&mut self) {
        match self {
            Self::Postgres(lease) => lease.give_up(),
            Self::Sqlite(lease) => lease.give_up(),
        }
    }
}

/// What a query runs on.
pub trait DbHandle {
    fn conn(&mut self) -> impl Future<Output = Result<Conn<'_>, DbError>> + Send;
    /// When the statement must have answered.
    fn deadline(&self) -> Instant;
}

impl DbHandle for &Db {
    async fn conn(&mut self) -> Result<Conn<'_>, DbError> {
        Ok(match &self.engine {
            Engine::Postgres(pool) => Conn::Postgres(Lease::Own(pool.take().await?)),
            Engine::Sqlite(pool) => Conn::Sqlite(Lease::Own(pool.take().await?)),
        })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.query_timeout
    }
}

/// Runs one query on a [`DbHandle`], on whichever engine it is, within its deadline. Evaluates to a `Result<_, DbError>`.
/// What only one engine can do well may differ: `with_conn!(db, postgres |conn| …, sqlite |conn| …)`.
macro_rules! with_conn {
    ($handle:expr, |$conn:ident| $query:expr) => {
        $crate::db::engine::with_conn!($handle, postgres | $conn | $query, sqlite | $conn | $query)
    };
    ($handle:expr, postgres |$pg:ident| $on_postgres:expr, sqlite |$lite:ident| $on_sqlite:expr) => {{
        let mut handle = $handle;
        let deadline = $crate::db::engine::DbHandle::deadline(&handle);
        let work = async {
            let mut lease = $crate::db::engine::DbHandle::conn(&mut handle).await?;
            let answer = async {
                match &mut lease {
                    $crate::db::engine::Conn::Postgres(lease) => {
                        let $pg = lease.connection();
                        $on_postgres
                    }
                    $crate::db::engine::Conn::Sqlite(lease) => {
                        let $lite = lease.connection();
                        $on_sqlite
                    }
                }
            };
            let outcome = $crate::db::engine::in_time(deadline, answer).await;
            match &outcome {
                Ok(_) => lease.keep(),
                Err(
                    $crate::db::engine::error::DbError::TimedOut
                    | $crate::db::engine::error::DbError::ConnectionLost(_),
                ) => lease.give_up(),
                Err(_) => {}
            }
            outcome
        };
        work.await
    }};
}

/// [`with_conn!`] for a read that stands alone: where the connection turns out to be lost, another one is asked, since
/// after a restart of the database every connection in the pool is dead once.
macro_rules! read_with_conn {
    ($db:expr, |$conn:ident| $query:expr) => {
        $crate::db::engine::read_with_conn!($db, postgres | $conn | $query, sqlite | $conn | $query)
    };
    ($db:expr, postgres |$pg:ident| $on_postgres:expr, sqlite |$lite:ident| $on_sqlite:expr) => {{
        let mut attempt = 1;
        loop {
            match $crate::db::engine::with_conn!($db, postgres | $pg | $on_postgres, sqlite | $lite | $on_sqlite) {
                Err(lost @ $crate::db::engine::error::DbError::ConnectionLost(_)) if attempt < $crate::db::engine::READ_ATTEMPTS => {
                    attempt += 1;
                    tracing::debug!(error = %lost, attempt, "reading again on another connection");
                }
                outcome => break outcome,
            }
        }
    }};
}

pub(crate) async fn in_time<T>(
    deadline: Instant,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, DbError> {
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(outcome) => outcome.map_err(DbError::from),
        Err(_) => Err(DbError::TimedOut),
    }
}

pub(crate) const READ_ATTEMPTS: u32 = 3;
pub(crate) use {read_with_conn, with_conn};
