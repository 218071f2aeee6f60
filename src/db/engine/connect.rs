//! Opens the connection pool and sets its limits.
//!
//! A caller waits at most `acquire_timeout` for a connection, and one statement may take at most
//! `query_timeout`. The database gets the same limit, so that it stops work whose result is no
//! longer needed, and a replica that disappears holds no locks for longer than ten seconds.

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
use crate::rules::secret::Secret;

/// The location of the database and its limits.
#[derive(Clone, Debug)]
pub struct Target {
    pub location: Location,
    pub max_connections: u32,
    pub acquire_timeout: Duration,
    pub query_timeout: Duration,
}

#[derive(Clone, Debug)]
pub enum Location {
    /// The URL may contain a password. Tests use a schema of their own.
    Postgres {
        url: Secret,
        schema: Option<String>,
    },
    Sqlite {
        path: PathBuf,
    },
}

impl Db {
    /// Creates the pool without connecting, so that the server can start while the database is
    /// down. `/readyz` reports this state.
    pub fn open(target: &Target) -> Result<Self, DbError> {
        let engine = match &target.location {
            Location::Postgres { url, schema } => {
                Engine::Postgres(postgres(target, url, schema.as_deref())?)
            }
            Location::Sqlite { path } => Engine::Sqlite(sqlite(target, path)?),
        };
        Ok(Self { engine, query_timeout: target.query_timeout })
    }
}

fn postgres(
    target: &Target,
    url: &Secret,
    schema: Option<&str>,
) -> Result<Pool<Postgres>, DbError> {
    let options = PgConnectOptions::from_str(url.expose())?;
    let name = options.get_application_name().unwrap_or("grantor").to_owned();
    // PgBouncer refuses `extra_float_digits`, and no column holds floating-point numbers.
    let mut options =
        options.application_name(&name).extra_float_digits(None).disable_statement_logging();
    if let Some(schema) = schema {
        options = options.options([("search_path", schema)]);
    }
    let settings: Arc<str> = session_settings(target.query_timeout).into();
    // One connection is reserved for the watch, if there are several.
    let is_watched = target.max_connections > 1;
    let for_work = target.max_connections - u32::from(is_watched);
    let pool = PgPoolOptions::new()
        .max_connections(for_work)
        .acquire_timeout(target.acquire_timeout)
        .after_connect(move |connection, _| {
            let settings = Arc::clone(&settings);
            Box::pin(async move {
                sqlx::raw_sql(AssertSqlSafe(settings)).execute(connection).await?;
                Ok(())
            })
        });
    let watch = is_watched.then(|| Watch::new(options.clone()));
    Ok(Pool::new(pool.connect_lazy_with(options), watch, target.max_connections))
}

/// Settings that each connection runs after connecting, because PgBouncer refuses them as startup
/// parameters.
fn session_settings(query_timeout: Duration) -> String {
    let statement_timeout = query_timeout.as_millis();
    // Nearly every statement looks up rows by a key, so planning it again each time would cost more
    // than running it. A plan is kept for as long as its connection, so it must not scan a table
    // that was small when the plan was made: only nested loops over indexes stay fast. The penalty
    // for a scan would also start the just-in-time compiler. The keepalive settings let Postgres
    // notice a lost network within a minute instead of two hours.
    format!(
        "SET statement_timeout = {statement_timeout}; SET lock_timeout = '3s'; \
         SET idle_in_transaction_session_timeout = '10s'; SET plan_cache_mode = force_generic_plan; \
         SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; \
         SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
    )
}

fn sqlite(target: &Target, path: &PathBuf) -> Result<Pool<Sqlite>, DbError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL syncs at every commit, so a confirmed registration survives a power failure, as on
        // Postgres.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(target.query_timeout)
        .disable_statement_logging();
    let max_connections = target.max_connections.min(MAX_SQLITE_CONNECTIONS);
    let pool = SqlitePoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(target.acquire_timeout);
    Ok(Pool::new(pool.connect_lazy_with(options), (), max_connections))
}

/// SQLite has one writer. A few more connections let readers run beside it.
const MAX_SQLITE_CONNECTIONS: u32 = 4;
