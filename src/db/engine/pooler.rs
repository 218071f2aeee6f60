//! Finds a pooler between this server and Postgres that shares sessions among connections.
//!
//! Grantor needs sessions of its own: for its time limits, prepared statements and the lock of the migrations. PgBouncer in
//! session mode keeps them. In transaction mode two connections take turns on one session, so that one reads what the other
//! has set.

use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};
use tokio::time::timeout;

use crate::db::engine::error::DbError;
use crate::db::engine::pool::Pool;
use crate::db::engine::{Db, Engine};

/// A pooler with one connection in session mode lets the second one wait for the first: that is no answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

impl Db {
    /// Refuses a pooler in transaction mode. Must be asked before anything is prepared on a connection.
    pub async fn check_sessions(&self) -> Result<(), DbError> {
        let Engine::Postgres(pool) = &self.engine else { return Ok(()) };
        match timeout(ANSWERS_WITHIN, sessions_are_shared(pool)).await {
            Ok(Ok(true)) => Err(DbError::TransactionPooling),
            Ok(Ok(false)) | Err(_) => Ok(()),
            Ok(Err(cause)) => Err(cause.into()),
        }
    }
}

async fn sessions_are_shared(pool: &Pool<sqlx::Postgres>) -> Result<bool, sqlx::Error> {
    // Beside the pool, which has none yet when a server starts.
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

/// Unprepared: sessions that are shared would mix up prepared statements.
async fn marked(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    const MARKED: &str = "SELECT COALESCE(current_setting('grantor.session', true), '')";
    sqlx::raw_sql(MARKED).fetch_one(connection).await?.try_get(0)
}
