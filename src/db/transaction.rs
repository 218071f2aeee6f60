//! Several statements that happen together or not at all.
//!
//! SQLite transactions begin IMMEDIATE, so that writers queue at the start instead of failing half-way when a read lock
//! cannot be upgraded. A transaction that is dropped without a decision is rolled back in the background; where that does not
//! work within a second its connection is closed, which ends the transaction at the server however it stands.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Postgres, Sqlite};
use tokio::time::Instant;

use super::{Conn, Db, DbError, DbHandle, Lease, Pool, with_conn};

const ROLL_BACK_WITHIN: Duration = Duration::from_secs(1);

#[must_use = "a transaction that is dropped changes nothing"]
pub struct Tx {
    /// Gone only while the transaction is being dropped.
    connection: Option<Connection>,
    deadline: Instant,
    decided: bool,
}

enum Connection {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

impl Db {
    pub async fn begin(&self) -> Result<Tx, DbError> {
        let deadline = (&self).deadline();
        let connection = match &self.pool {
            Pool::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
            Pool::Sqlite(pool) => Connection::Sqlite(pool.acquire().await?),
        };
        let begin = match connection {
            Connection::Postgres(_) => "BEGIN",
            Connection::Sqlite(_) => "BEGIN IMMEDIATE",
        };
        let mut tx = Tx { connection: Some(connection), deadline, decided: false };
        tx.say(begin).await?;
        Ok(tx)
    }
}

impl Tx {
    /// Makes it happen. On an error the outcome is unknown only where the connection was lost.
    pub async fn commit(mut self) -> Result<(), DbError> {
        self.say("COMMIT").await?;
        self.decided = true;
        Ok(())
    }

    /// Makes it not have happened, and keeps the connection.
    pub async fn roll_back(mut self) -> Result<(), DbError> {
        self.say("ROLLBACK").await?;
        self.decided = true;
        Ok(())
    }

    async fn say(&mut self, statement: &'static str) -> Result<(), DbError> {
        with_conn!(self, |conn| sqlx::raw_sql(statement).execute(conn).await.map(drop))
    }
}

impl DbHandle for &mut Tx {
    async fn conn(&mut self) -> Result<Conn<'_>, DbError> {
        match &mut self.connection {
            Some(Connection::Postgres(connection)) => Ok(Conn::Postgres(Lease::Lent(connection))),
            Some(Connection::Sqlite(connection)) => Ok(Conn::Sqlite(Lease::Lent(connection))),
            None => Err(DbError::TimedOut),
        }
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.decided {
            return;
        }
        let mut undecided =
            Self { connection: Some(connection), deadline: Instant::now() + ROLL_BACK_WITHIN, decided: true };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Where it fails, `with_conn!` has given the connection up already.
            runtime.spawn(async move { undecided.say("ROLLBACK").await.unwrap_or_default() });
        } else {
            undecided.close();
        }
    }
}

impl Tx {
    fn close(&mut self) {
        match &mut self.connection {
            Some(Connection::Postgres(connection)) => connection.close_on_drop(),
            Some(Connection::Sqlite(connection)) => connection.close_on_drop(),
            None => {}
        }
    }
}
