//! Pools and their limits.
//!
//! A caller waits at most `acquire_timeout` for a connection, and one statement may take `query_timeout` in all. The
//! database is told the same, so that it does not go on with work that nobody waits for, and a replica that vanishes
//! holds no locks for longer than ten seconds.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::pool::Pool;
use super::{Db, DbError, Engine};
use crate::secret::Secret;

/// Where the database is, and how long to wait for it.
#[derive(Clone, Debug)]
pub struct Target {
    pub location: Location,
    pub max_connections: u32,
    pub acquire_timeout: Duration,
    pub query_timeout: Duration,
}

#[derive(Clone, Debug)]
pub enum Location {
    /// A URL, which may hold a password, and for tests a schema of their own.
    Postgres {
        url: Secret,
        schema: Option<String>,
    },
    Sqlite {
        path: PathBuf,
    },
}

impl Db {
    /// Makes the pool without connecting: the server starts, and says so on `/readyz`, also while the database is away.
    pub fn open(target: &Target) -> Result<Self, DbError> {
        let engine = match &target.location {
            Location::Postgres { url, schema } => {
                Engine::Postgres(Pool::new(postgres(target, url, schema.as_deref())?))
            }
            Location::Sqlite { path } => Engine::Sqlite(Pool::new(sqlite(target, path)?)),
        };
        Ok(Self { engine, query_timeout: target.query_timeout })
    }
}

fn postgres(target: &Target, url: &Secret, schema: Option<&str>) -> Result<sqlx::PgPool, DbError> {
    let statement_timeout = format!("{}ms", target.query_timeout.as_millis());
    let mut options = PgConnectOptions::from_str(url.expose())?.application_name("grantor").options([
        ("statement_timeout", statement_timeout.as_str()),
        ("lock_timeout", "3s"),
        ("idle_in_transaction_session_timeout", "10s"),
        // Nearly every statement goes by a key: planning it anew each time would cost more than running it.
        ("plan_cache_mode", "force_generic_plan"),
    ]);
    if let Some(schema) = schema {
        options = options.options([("search_path", schema)]);
    }
    options = options.disable_statement_logging();
    let pool = PgPoolOptions::new().max_connections(target.max_connections).acquire_timeout(target.acquire_timeout);
    Ok(pool.connect_lazy_with(options))
}

fn sqlite(target: &Target, path: &PathBuf) -> Result<sqlx::SqlitePool, DbError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL syncs at every commit: an answered registration survives a power failure, as on Postgres.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(target.query_timeout)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(target.max_connections.min(SQLITE_CONNECTIONS))
        .acquire_timeout(target.acquire_timeout);
    Ok(pool.connect_lazy_with(options))
}

/// SQLite has one writer; a few more connections let readers pass it.
const SQLITE_CONNECTIONS: u32 = 4;
