//! Several statements that happen together or not at all.
//!
//! SQLite transactions begin IMMEDIATE, so that writers queue at the start instead of failing half-way when a read lock
//! cannot be upgraded. A transaction that is dropped without a decision is rolled back in the background; where that does not
//! work within a second its connection is closed, which ends the transaction at the server however it stands.

use std::time::Duration;

use sqlx::{Postgres, Sqlite};
use tokio::time::Instant;

use crate::db::engine::error::DbError;
use crate::db::engine::pool::Taken;
use crate::db::engine::{Conn, Db, DbHandle, Engine, Lease, READ_ATTEMPTS, with_conn};

const ROLL_BACK_WITHIN: Duration = Duration::from_secs(1);

#[must_use = "a transaction that is dropped changes nothing"]
pub struct Tx {
    /// Gone only while the transaction is being dropped.
    connection: Option<Connection>,
    deadline: Instant,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Dropped without a decision: one try, and no second one should the runtime end meanwhile.
    RollingBack,
    Decided,
}

enum Connection {
    Postgres(Taken<Postgres>),
    Sqlite(Taken<Sqlite>),
}

impl Db {
    /// Nothing has happened yet when beginning fails, so a lost connection is replaced by another, as for reads.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        let mut attempt = 1;
        loop {
            match self.begin_once().await {
                Err(DbError::ConnectionLost(_)) if attempt < READ_ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn begin_once(&self) -> Result<Tx, DbError> {
        let deadline = (&self).deadline();
        let connection = match &self.engine {
            Engine::Postgres(pool) => Connection::Postgres(pool.take().await?),
            Engine::Sqlite(pool) => Connection::Sqlite(pool.take().await?),
        };
        let begin = match connection {
            Connection::Postgres(_) => "BEGIN",
            Connection::Sqlite(_) => "BEGIN IMMEDIATE",
        };
        let mut tx = Tx { connection: Some(connection), deadline, state: State::Open };
        tx.say(begin).await?;
        Ok(tx)
    }
}

impl Tx {
    /// For `FOR UPDATE` and the like. SQLite knows none of them: of the transactions that write there is one at a time.
    pub(in crate::db) fn locks_rows(&self) -> bool {
        matches!(self.connection, Some(Connection::Postgres(_)))
    }

    /// Makes it happen. On an error the outcome is unknown only where the connection was lost.
    pub async fn commit(mut self) -> Result<(), DbError> {
        self.say("COMMIT").await?;
        self.state = State::Decided;
        Ok(())
    }

    /// Makes it not have happened, and keeps the connection.
    pub async fn roll_back(mut self) -> Result<(), DbError> {
        self.say("ROLLBACK").await?;
        self.state = State::Decided;
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
        if self.state == State::RollingBack {
            return self.close();
        }
        let Some(connection) = self.connection.take() else { return };
        if self.state == State::Decided {
            return connection.keep();
        }
        let deadline = Instant::now() + ROLL_BACK_WITHIN;
        let mut undecided = Self { connection: Some(connection), deadline, state: State::RollingBack };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move { undecided.roll_back_or_close().await })),
            Err(_) => undecided.close(),
        }
    }
}

impl Tx {
    async fn roll_back_or_close(&mut self) {
        match self.say("ROLLBACK").await {
            Ok(()) => self.state = State::Decided,
            Err(_) => self.close(),
        }
    }

    fn close(&mut self) {
        match self.connection.take() {
            Some(Connection::Postgres(mut taken)) => taken.connection.give_up(),
            Some(Connection::Sqlite(mut taken)) => taken.connection.give_up(),
            None => {}
        }
    }
}

impl Connection {
    fn keep(self) {
        match self {
            Self::Postgres(taken) => taken.keep(),
            Self::Sqlite(taken) => taken.keep(),
        }
    }
}
