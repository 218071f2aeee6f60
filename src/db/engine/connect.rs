//! Pools and their limits.
//!
//! A caller waits at most `acquire_timeout` for a connection, and one statement may take `query_timeout` in all. The
//! database is told the same, so that it does not go on with work that nobody waits for, and a replica that vanishes
//! holds no locks for longer than ten seconds.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Postgres, Sqlite};

use crate::db::engine::backends::Watch;
use crate::db::engine::error::DbError;
use crate::db::engine::pool::Pool;
use crate::db::engine::{Db, Engine};
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
            Location::Postgres { url, schema } => Engine::Postgres(postgres(target, url, schema.as_deref())?),
            Location::Sqlite { path } => Engine::Sqlite(sqlite(target, path)?),
        };
        Ok(Self { engine, query_timeout: target.query_timeout })
    }
}

fn postgres(target: &Target, url: &Secret, schema: Option<&str>) -> Result<Pool<Postgres>, DbError> {
    let options = PgConnectOptions::from_str(url.expose())?;
    let name = options.get_application_name().unwrap_or("grantor").to_owned();
    // Whole numbers need no extra digits, and PgBouncer refuses the parameter.
    let mut options = options.application_name(&name).extra_float_digits(None).disable_statement_logging();
    if let Some(schema) = schema {
        options = options.options([("search_path", schema)]);
    }
    let settings: Arc<str> = session_settings(target.query_timeout).into();
    // One of several is set aside for the watch.
    let is_watched = target.max_connections > 1;
    let for_work = target.max_connections - u32::from(is_watched);
    let pool = PgPoolOptions::new().max_connections(for_work).acquire_timeout(target.acquire_timeout).after_connect(
        move |connection, _| {
            let settings = Arc::clone(&settings);
            Box::pin(async move {
                sqlx::raw_sql(AssertSqlSafe(settings)).execute(connection).await?;
                Ok(())
            })
        },
    );
    let watch = is_watched.then(|| Watch::new(options.clone()));
    Ok(Pool::new(pool.connect_lazy_with(options), watch, target.max_connections))
}

/// Set after connecting: PgBouncer refuses settings that are sent with the connection.
fn session_settings(query_timeout: Duration) -> String {
    let statement_timeout = query_timeout.as_millis();
    // Nearly every statement goes by a key: planning it anew each time would cost more than running it. And a server that
    // lost the network to this host notices within a minute, instead of two hours.
    format!(
        "SET statement_timeout = {statement_timeout}; SET lock_timeout = '3s'; \
         SET idle_in_transaction_session_timeout = '10s'; SET plan_cache_mode = force_generic_plan; \
         SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
    )
}

fn sqlite(target: &Target, path: &PathBuf) -> Result<Pool<Sqlite>, DbError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL syncs at every commit: an answered registration survives a power failure, as on Postgres.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(target.query_timeout)
        .disable_statement_logging();
    let max_connections = target.max_connections.min(SQLITE_CONNECTIONS);
    let pool = SqlitePoolOptions::new().max_connections(max_connections).acquire_timeout(target.acquire_timeout);
    Ok(Pool::new(pool.connect_lazy_with(options), (), max_connections))
}

/// SQLite has one writer; a few more connections let readers pass it.
const SQLITE_CONNECTIONS: u32 = 4;
