//! Detects a pooler between this server and Postgres that shares sessions between connections.
//!
//! Grantor needs its own sessions, for its time limits, prepared statements and the migration lock.
//! PgBouncer provides them in session mode. In transaction mode, two connections may take turns on
//! one session, so that one connection sees the settings of the other.

use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};
use tokio::time::timeout;

use crate::db::engine::error::DbError;
use crate::db::engine::pool::Pool;
use crate::db::engine::{Db, Engine};

/// A pooler in session mode with a pool size of 1 blocks the second connection until the first one
/// closes. This is not an error.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

impl Db {
    /// Fails if a pooler in transaction mode is found. Call this before anything is prepared on a
    /// connection.
    pub async fn check_sessions(&self) -> Result<(), DbError> {
        let Engine::Postgres(pool) = &self.engine else { return Ok(()) };
        match timeout(CHECK_TIMEOUT, sessions_are_shared(pool)).await {
            Ok(Ok(true)) => Err(DbError::TransactionPooling),
            Ok(Ok(false)) | Err(_) => Ok(()),
            Ok(Err(cause)) => Err(cause.into()),
        }
    }
}

async fn sessions_are_shared(pool: &Pool<sqlx::Postgres>) -> Result<bool, sqlx::Error> {
    // These connections bypass the pool, which has none yet when the server starts.
    let options = pool.connect_options();
    let (mut one, mut other) = tokio::try_join!(options.connect(), options.connect())?;
    mark(&mut one, "one").await?;
    mark(&mut other, "other").await?;
    let seen = (marked(&mut one).await?, marked(&mut other).await?);
    let _ = tokio::join!(one.close(), other.close());
    Ok(seen != ("one".to_owned(), "other".to_owned()))
}

async fn mark(connection: &mut PgConnection, mark: &'static str) -> Result<(), sqlx::Error> {
    let set = format!("SET grantor.session = '{mark}'");
    sqlx::raw_sql(AssertSqlSafe(set)).execute(connection).await.map(drop)
}

/// Runs the query unprepared, because shared sessions would mix up prepared statements.
async fn marked(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    const MARKED: &str = "SELECT COALESCE(current_setting('grantor.session', true), '')";
    sqlx::raw_sql(MARKED).fetch_one(connection).await?.try_get(0)
}
