//! Database transactions.
//!
//! SQLite transactions begin with IMMEDIATE, so that writers queue at the start instead of failing
//! later when a read lock cannot be upgraded. A transaction that is dropped before commit or
//! rollback is rolled back in the background. If that takes longer than a second, its connection is
//! closed, which makes the server roll back.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::{Postgres, Sqlite};
use tokio::time::Instant;

use crate::db::engine::error::DbError;
use crate::db::engine::pool::Checkout;
use crate::db::engine::{Conn, Db, DbHandle, Engine, Lease, READ_ATTEMPTS, with_conn};

const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(1);

#[must_use = "a transaction that is dropped changes nothing"]
pub struct Tx {
    /// `None` only while the transaction is being dropped.
    connection: Option<Connection>,
    deadline: Instant,
    state: State,
    has_conflicted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The transaction was dropped while open. The rollback is tried once, and not again if the
    /// runtime shuts down during it.
    RollingBack,
    /// Committed or rolled back.
    Finished,
}

enum Connection {
    Postgres(Checkout<Postgres>),
    Sqlite(Checkout<Sqlite>),
}

impl Db {
    /// Begins a transaction. If the connection is lost, this retries on another one, which is safe
    /// because nothing has been changed yet.
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
            Engine::Postgres(pool) => Connection::Postgres(pool.checkout().await?),
            Engine::Sqlite(pool) => Connection::Sqlite(pool.checkout().await?),
        };
        let begin = match connection {
            Connection::Postgres(_) => "BEGIN",
            Connection::Sqlite(_) => "BEGIN IMMEDIATE",
        };
        let mut tx = Tx {
            connection: Some(connection),
            deadline,
            state: State::Open,
            has_conflicted: false,
        };
        tx.execute(begin).await?;
        Ok(tx)
    }
}

impl Tx {
    /// Returns true if the engine supports `FOR UPDATE` and similar clauses. SQLite does not need
    /// them, because it has only one writing transaction at a time.
    pub(in crate::db) fn locks_rows(&self) -> bool {
        matches!(self.connection, Some(Connection::Postgres(_)))
    }

    /// Returns true if a statement conflicted with another transaction, so that this one can only
    /// be rolled back and run again.
    pub fn has_conflicted(&self) -> bool {
        self.has_conflicted
    }

    /// Commits. After an error the outcome is unknown only if the connection was lost.
    pub async fn commit(mut self) -> Result<(), DbError> {
        self.execute("COMMIT").await?;
        self.state = State::Finished;
        Ok(())
    }

    /// Rolls back and returns the connection to the pool.
    pub async fn roll_back(mut self) -> Result<(), DbError> {
        self.execute("ROLLBACK").await?;
        self.state = State::Finished;
        Ok(())
    }

    async fn execute(&mut self, statement: &'static str) -> Result<(), DbError> {
        with_conn!(self, |conn| sqlx::raw_sql(statement).execute(conn).await.map(drop))
    }
}

impl DbHandle for &mut Tx {
    async fn conn(&mut self) -> Result<Conn<'_>, DbError> {
        self.lend()
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn note_conflict(&mut self) {
        self.has_conflicted = true;
    }
}

/// A transaction for work that borrows from its caller. `'scope` is the time for which the borrows
/// are valid, as in [`std::thread::Scope`].
pub struct ScopedTx<'scope> {
    tx: Tx,
    scope: PhantomData<&'scope ()>,
}

impl ScopedTx<'_> {
    pub fn new(tx: Tx) -> Self {
        Self { tx, scope: PhantomData }
    }

    pub async fn commit(self) -> Result<(), DbError> {
        self.tx.commit().await
    }
}

impl Deref for ScopedTx<'_> {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.tx
    }
}

impl DerefMut for ScopedTx<'_> {
    fn deref_mut(&mut self) -> &mut Tx {
        &mut self.tx
    }
}

impl DbHandle for &mut ScopedTx<'_> {
    async fn conn(&mut self) -> Result<Conn<'_>, DbError> {
        self.tx.lend()
    }

    fn deadline(&self) -> Instant {
        self.tx.deadline
    }

    fn note_conflict(&mut self) {
        self.tx.has_conflicted = true;
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if self.state == State::RollingBack {
            return self.close();
        }
        let Some(connection) = self.connection.take() else { return };
        if self.state == State::Finished {
            return connection.check_in();
        }
        let deadline = Instant::now() + ROLLBACK_TIMEOUT;
        let state = State::RollingBack;
        let mut unfinished = Self {
            connection: Some(connection),
            deadline,
            state,
            has_conflicted: self.has_conflicted,
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                drop(runtime.spawn(async move { unfinished.roll_back_or_close().await }))
            }
            Err(_) => unfinished.close(),
        }
    }
}

impl Tx {
    fn lend(&mut self) -> Result<Conn<'_>, DbError> {
        match &mut self.connection {
            Some(Connection::Postgres(connection)) => Ok(Conn::Postgres(Lease::Lent(connection))),
            Some(Connection::Sqlite(connection)) => Ok(Conn::Sqlite(Lease::Lent(connection))),
            None => Err(DbError::TimedOut),
        }
    }

    async fn roll_back_or_close(&mut self) {
        match self.execute("ROLLBACK").await {
            Ok(()) => self.state = State::Finished,
            Err(_) => self.close(),
        }
    }

    fn close(&mut self) {
        match self.connection.take() {
            Some(Connection::Postgres(mut checkout)) => checkout.connection.discard(),
            Some(Connection::Sqlite(mut checkout)) => checkout.connection.discard(),
            None => {}
        }
    }
}

impl Connection {
    fn check_in(self) {
        match self {
            Self::Postgres(checkout) => checkout.check_in(),
            Self::Sqlite(checkout) => checkout.check_in(),
        }
    }
}
