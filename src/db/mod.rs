//! WHAT IS STORED: all SQL, for both engines, one file per table.
//!
//! A query is written once, inside [`with_conn!`], which expands it once per engine: the SQL text, the list of binds and
//! the row type stand in one place and are type-checked for Postgres and for SQLite. What a query runs on is a
//! [`DbHandle`]: `&Db` when it stands alone, `&mut Tx` when it is one of several that must happen together.

pub mod affected_grants;
pub mod api_keys;
pub mod application_keys;
pub mod apps;
pub mod audit_events;
pub mod auth_methods;
pub mod authorization_codes;
pub mod authorization_requests;
pub mod authorizations;
mod backends;
mod backup;
mod beginnings;
pub mod client_documents;
pub mod client_writer;
pub mod clients;
mod column;
mod connect;
pub mod consents;
pub mod deliveries;
mod error;
pub mod everything;
pub mod families;
mod family_queues;
pub mod grants;
pub mod known_browsers;
pub mod known_clients;
mod lanes;
pub mod last_tokens;
mod last_uses;
pub mod living_tokens;
pub mod memberships;
mod migrate;
mod named_grants;
pub mod operators;
pub mod org_clients;
pub mod orgs;
pub mod outbox;
mod pool;
mod pooler;
mod reach;
mod read_then_swap;
pub mod resources;
pub mod ring_usage;
mod rotations;
pub mod sealed;
pub mod sealing_keys;
pub mod secret_bindings;
pub mod sessions;
pub mod sign_in_failures;
pub mod signing_keys;
mod standings;
mod taking;
mod together;
mod transaction;
pub mod unused_clients;
pub mod users;
mod uses;
pub mod webhook_variables;
pub mod webhooks;

use std::time::Duration;

use sqlx::{Postgres, Sqlite};
use tokio::time::Instant;

pub use backup::BackupError;
pub use client_writer::ClientWriter;
pub use connect::{Location, Target};
pub use error::DbError;
pub use family_queues::FamilyQueues;
pub use known_clients::KnownClients;
pub use last_uses::LastUses;
pub use migrate::{MigrateError, Migration, MigrationState};
pub use operators::OperatorCache;
use pool::{Pool, Taken};
pub use read_then_swap::{CompareAndSwap, Read, Store};
pub use transaction::Tx;

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
    fn is_postgres(&self) -> bool {
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
        $crate::db::with_conn!($handle, postgres | $conn | $query, sqlite | $conn | $query)
    };
    ($handle:expr, postgres |$pg:ident| $on_postgres:expr, sqlite |$lite:ident| $on_sqlite:expr) => {{
        let mut handle = $handle;
        let deadline = $crate::db::DbHandle::deadline(&handle);
        let work = async {
            let mut lease = $crate::db::DbHandle::conn(&mut handle).await?;
            let answer = async {
                match &mut lease {
                    $crate::db::Conn::Postgres(lease) => {
                        let $pg = lease.connection();
                        $on_postgres
                    }
                    $crate::db::Conn::Sqlite(lease) => {
                        let $lite = lease.connection();
                        $on_sqlite
                    }
                }
            };
            let outcome = $crate::db::in_time(deadline, answer).await;
            match &outcome {
                Ok(_) => lease.keep(),
                Err($crate::db::DbError::TimedOut | $crate::db::DbError::ConnectionLost(_)) => lease.give_up(),
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
        $crate::db::read_with_conn!($db, postgres | $conn | $query, sqlite | $conn | $query)
    };
    ($db:expr, postgres |$pg:ident| $on_postgres:expr, sqlite |$lite:ident| $on_sqlite:expr) => {{
        let mut attempt = 1;
        loop {
            match $crate::db::with_conn!($db, postgres | $pg | $on_postgres, sqlite | $lite | $on_sqlite) {
                Err(lost @ $crate::db::DbError::ConnectionLost(_)) if attempt < $crate::db::READ_ATTEMPTS => {
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
