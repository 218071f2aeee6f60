//! Connections kept in hand between statements.
//!
//! The driver's pool asks every connection whether it still lives when it comes back, which costs a round trip to the
//! database for each statement. A connection whose statement ended well is clean, so it is kept here instead and handed to
//! the next caller as it is. The driver's pool only makes connections; whoever waits, waits here, in turn.
//!
//! No connection is waited for without a limit: a database that has vanished without a word answers no question, and a
//! connection that waits for it would take one place of the pool until the system gives up on it, a quarter of an hour
//! later.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Connection, Database};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// A connection that has rested this long is asked whether it still lives before it is used.
const DOUBT_AFTER: Duration = Duration::from_secs(2);

/// A database that lives answers this question in far less.
const LIVES_WITHIN: Duration = Duration::from_millis(500);
/// How long the driver may look at a connection that comes back, before it is closed instead.
const RETURNS_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Pool<DB: Database> {
    driver: sqlx::Pool<DB>,
    /// A place for each connection that the driver may have.
    places: Arc<Semaphore>,
    kept: Arc<Mutex<Vec<Kept<DB>>>>,
}

/// A clean connection, and since when it rests.
type Kept<DB> = (Held<DB>, Instant);

impl<DB: Database> Clone for Pool<DB> {
    fn clone(&self) -> Self {
        Self { driver: self.driver.clone(), places: Arc::clone(&self.places), kept: Arc::clone(&self.kept) }
    }
}

impl<DB: Database> Pool<DB> {
    pub fn new(driver: sqlx::Pool<DB>) -> Self {
        let places = usize::try_from(driver.options().get_max_connections()).unwrap_or(Semaphore::MAX_PERMITS);
        Self { driver, places: Arc::new(Semaphore::new(places)), kept: Arc::default() }
    }

    /// A connection, within the time that the driver's pool has for making one.
    pub async fn take(&self) -> Result<Taken<DB>, sqlx::Error> {
        let patience = self.driver.options().get_acquire_timeout();
        timeout(patience, self.take_in_turn()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn take_in_turn(&self) -> Result<Taken<DB>, sqlx::Error> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let connection = match self.kept_and_alive().await {
            Some(connection) => connection,
            None => Held::new(self.driver.acquire().await?),
        };
        Ok(Taken { connection, pool: self.clone(), _place: place })
    }

    /// The one used last, which is the likeliest to live.
    async fn kept_and_alive(&self) -> Option<Held<DB>> {
        loop {
            let (mut connection, kept_at) = self.kept().pop()?;
            if kept_at.elapsed() < DOUBT_AFTER || connection.lives().await {
                return Some(connection);
            }
            connection.give_up();
            self.doubt_all();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept<DB>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where one connection was lost the others probably are too: the driver's pool finds out.
    pub fn doubt_all(&self) {
        let doubtful = std::mem::take(&mut *self.kept());
        drop(doubtful);
    }

    /// Open connections, and how many of them rest.
    pub fn size(&self) -> (u32, usize) {
        (self.driver.size(), self.driver.num_idle() + self.kept().len())
    }

    pub fn max_size(&self) -> u32 {
        self.driver.options().get_max_connections()
    }

    /// How the driver connects.
    pub fn connect_options(&self) -> Arc<<DB::Connection as Connection>::Options> {
        self.driver.connect_options()
    }

    pub async fn close(&self) {
        // Closed from here on: what is in use goes to the driver, which waits for it, and is kept no more.
        let closing = self.driver.close();
        self.doubt_all();
        closing.await;
    }
}

/// A connection of the driver's. Dropped, it goes back there, where its state is looked at; one that does not answer in
/// time loses its place to another.
#[derive(Debug)]
pub struct Held<DB: Database> {
    connection: PoolConnection<DB>,
    given_up: bool,
}

impl<DB: Database> Held<DB> {
    fn new(connection: PoolConnection<DB>) -> Self {
        Self { connection, given_up: false }
    }

    async fn lives(&mut self) -> bool {
        matches!(timeout(LIVES_WITHIN, self.connection.ping()).await, Ok(Ok(())))
    }

    /// Not to be used again by anyone: it is closed when it is dropped.
    pub fn give_up(&mut self) {
        self.given_up = true;
        self.connection.close_on_drop();
    }
}

impl<DB: Database> Deref for Held<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.connection
    }
}

impl<DB: Database> DerefMut for Held<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.connection
    }
}

impl<DB: Database> Drop for Held<DB> {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (false, Ok(runtime)) = (self.given_up, runtime) {
            runtime.spawn(timeout(RETURNS_WITHIN, self.connection.return_to_pool()));
        }
    }
}

/// A connection in use.
#[derive(Debug)]
pub struct Taken<DB: Database> {
    pub connection: Held<DB>,
    pool: Pool<DB>,
    _place: OwnedSemaphorePermit,
}

impl<DB: Database> Taken<DB> {
    /// After a statement that ended well. The place is free once the connection rests.
    pub fn keep(self) {
        let Self { connection, pool, _place } = self;
        // A pool that closes waits for what goes back to the driver, by being dropped.
        if !pool.driver.is_closed() {
            pool.kept().push((connection, Instant::now()));
        }
    }

    pub fn doubt_others(&self) {
        self.pool.doubt_all();
    }
}
