//! The two database engines, and the macro that runs one SQL text on either of them.
//!
//! A query is written once, inside [`with_conn!`], which expands it once per engine, so its binds
//! and row type are checked for Postgres and for SQLite. A query runs on a [`DbHandle`]: `&Db` for
//! a single statement, `&mut Tx` inside a transaction.

pub mod backends;
pub mod backup;
pub mod batching;
pub mod column;
pub mod connect;
pub mod decisions;
pub mod error;
pub mod migrate;
pub mod pool;
pub mod pooler;
pub mod transaction;
mod why_unreachable;

use std::time::Duration;

use sqlx::{Postgres, Sqlite};
use tokio::time::Instant;

use crate::db::engine::error::DbError;
use crate::db::engine::pool::{Checkout, Pool};

/// The database. It is cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    engine: Engine,
    /// The time limit for one statement, including the wait for a connection.
    query_timeout: Duration,
}

#[derive(Clone, Debug)]
enum Engine {
    Postgres(Pool<Postgres>),
    Sqlite(Pool<Sqlite>),
}

/// The numbers of connections, for metrics.
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

    /// For statements that only Postgres supports.
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

    /// Runs a trivial query, to check that the database responds.
    pub async fn ping(&self) -> Result<(), DbError> {
        let db = self;
        with_conn!(db, |conn| sqlx::query("SELECT 1").execute(conn).await.map(drop))
    }

    /// Returns true if the database refuses writes, as a standby does. SQLite reports this only to
    /// statements that write: on a read-only file even BEGIN IMMEDIATE succeeds and begins a read
    /// transaction.
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
            // Another transaction is writing, so writes are possible.
            Err(DbError::Conflict(_) | DbError::TimedOut) => Ok(false),
            Err(cause) => Err(cause),
        }
    }

    /// Returns the database's clock in milliseconds since 1970, to compare it with this host's. No
    /// other query uses the database's clock.
    pub async fn unix_millis(&self) -> Result<i64, DbError> {
        const POSTGRES: &str =
            "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
        const SQLITE: &str = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)";
        let db = self;
        with_conn!(
            db,
            |postgres| sqlx::query_scalar(POSTGRES).fetch_one(postgres).await,
            |sqlite| sqlx::query_scalar(SQLITE).fetch_one(sqlite).await
        )
    }

    /// Closes the pool after the statements that are running, each of which has a deadline.
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

/// A connection for the duration of one statement.
pub enum Conn<'c> {
    Postgres(Lease<'c, Postgres>),
    Sqlite(Lease<'c, Sqlite>),
}

/// A connection from the pool, for a single statement, or one lent by a transaction.
pub enum Lease<'c, DB: backends::Backends> {
    Own(Checkout<DB>),
    Lent(&'c mut Checkout<DB>),
}

impl<DB: backends::Backends> Lease<'_, DB> {
    pub fn connection(&mut self) -> &mut DB::Connection {
        match self {
            Self::Own(checkout) => &mut checkout.connection,
            Self::Lent(checkout) => &mut checkout.connection,
        }
    }

    /// Returns the connection to the pool after a successful statement, unless it belongs to a
    /// transaction.
    fn check_in(self) {
        if let Self::Own(checkout) = self {
            checkout.check_in();
        }
    }

    /// Discards the connection, because unread data may still arrive on it. The idle connections
    /// may be broken too, so they are checked before they are used again.
    fn discard(&mut self) {
        let checkout = match self {
            Self::Own(checkout) => checkout,
            Self::Lent(checkout) => checkout,
        };
        checkout.connection.discard();
        checkout.recheck_idle();
    }
}

impl Conn<'_> {
    pub fn check_in(self) {
        match self {
            Self::Postgres(lease) => lease.check_in(),
            Self::Sqlite(lease) => lease.check_in(),
        }
    }

    pub fn discard(&mut self) {
        match self {
            Self::Postgres(lease) => lease.discard(),
            Self::Sqlite(lease) => lease.discard(),
        }
    }
}

/// A database or a transaction: anything that can run a query.
pub trait DbHandle {
    fn conn(&mut self) -> impl Future<Output = Result<Conn<'_>, DbError>> + Send;
    /// The time by which the statement must have finished.
    fn deadline(&self) -> Instant;
    /// Called if a statement conflicted with another transaction.
    fn note_conflict(&mut self) {}
}

impl DbHandle for &Db {
    async fn conn(&mut self) -> Result<Conn<'_>, DbError> {
        Ok(match &self.engine {
            Engine::Postgres(pool) => Conn::Postgres(Lease::Own(pool.checkout().await?)),
            Engine::Sqlite(pool) => Conn::Sqlite(Lease::Own(pool.checkout().await?)),
        })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.query_timeout
    }
}

/// Runs one query on a [`DbHandle`] within its deadline. Evaluates to a `Result<_, DbError>`. The
/// two engines may run different queries: `with_conn!(db, |postgres| …, |sqlite| …)`.
macro_rules! with_conn {
    ($handle:expr, |$conn:ident| $query:expr $(,)?) => {
        $crate::db::engine::with_conn!($handle, |$conn| $query, |$conn| $query)
    };
    ($handle:expr, |$postgres:ident| $on_postgres:expr, |$sqlite:ident| $on_sqlite:expr $(,)?) => {{
        let mut handle = $handle;
        let deadline = $crate::db::engine::DbHandle::deadline(&handle);
        let work = async {
            let mut lease = $crate::db::engine::DbHandle::conn(&mut handle).await?;
            let answer = async {
                match &mut lease {
                    $crate::db::engine::Conn::Postgres(lease) => {
                        let $postgres = lease.connection();
                        $on_postgres
                    }
                    $crate::db::engine::Conn::Sqlite(lease) => {
                        let $sqlite = lease.connection();
                        $on_sqlite
                    }
                }
            };
            let outcome = $crate::db::engine::in_time(deadline, answer).await;
            match &outcome {
                Ok(_) => lease.check_in(),
                Err(
                    $crate::db::engine::error::DbError::TimedOut
                    | $crate::db::engine::error::DbError::ConnectionLost(_),
                ) => lease.discard(),
                Err(_) => {}
            }
            outcome
        };
        let outcome = work.await;
        if let Err($crate::db::engine::error::DbError::Conflict(_)) = &outcome {
            $crate::db::engine::DbHandle::note_conflict(&mut handle);
        }
        outcome
    }};
}

/// Like [`with_conn!`], for a single read. If the connection is lost, the query runs again on
/// another one, because a restart of the database breaks every connection in the pool.
macro_rules! read_with_conn {
    ($db:expr, |$conn:ident| $query:expr $(,)?) => {
        $crate::db::engine::read_with_conn!($db, |$conn| $query, |$conn| $query)
    };
    ($db:expr, |$postgres:ident| $on_postgres:expr, |$sqlite:ident| $on_sqlite:expr $(,)?) => {{
        let mut attempt = 1;
        loop {
            match $crate::db::engine::with_conn!($db, |$postgres| $on_postgres, |$sqlite| $on_sqlite) {
                Err(lost @ $crate::db::engine::error::DbError::ConnectionLost(_)) if attempt < $crate::db::engine::READ_ATTEMPTS => {
                    attempt += 1;
                    tracing::debug!(error = %lost, attempt, "retrying a read on another connection");
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
