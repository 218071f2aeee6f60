//! Connections kept in hand between statements.
//!
//! The driver's pool asks every connection whether it still lives when it comes back, which costs a round trip to the
//! database for each statement. A connection whose statement ended well is clean, so it is kept here instead and handed to
//! the next caller as it is. The driver's pool only makes connections; whoever waits, waits here, in turn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Database};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// A connection that has rested this long is asked whether it still lives before it is used.
const DOUBT_AFTER: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Pool<DB: Database> {
    driver: sqlx::Pool<DB>,
    /// A place for each connection that the driver may have.
    places: Arc<Semaphore>,
    kept: Arc<Mutex<Vec<Kept<DB>>>>,
}

/// A clean connection, and since when it rests.
type Kept<DB> = (PoolConnection<DB>, Instant);

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
            None => self.driver.acquire().await?,
        };
        Ok(Taken { connection, pool: self.clone(), _place: place })
    }

    /// The one used last, which is the likeliest to live.
    async fn kept_and_alive(&self) -> Option<PoolConnection<DB>> {
        loop {
            let (mut connection, kept_at) = self.kept().pop()?;
            if kept_at.elapsed() < DOUBT_AFTER || connection.ping().await.is_ok() {
                return Some(connection);
            }
            connection.close_on_drop();
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

    pub async fn close(&self) {
        self.doubt_all();
        self.driver.close().await;
    }
}

/// A connection in use. Dropped, it goes back to the driver's pool, which looks at its state.
#[derive(Debug)]
pub struct Taken<DB: Database> {
    pub connection: PoolConnection<DB>,
    pool: Pool<DB>,
    _place: OwnedSemaphorePermit,
}

impl<DB: Database> Taken<DB> {
    /// After a statement that ended well. The place is free once the connection rests.
    pub fn keep(self) {
        let Self { connection, pool, _place } = self;
        pool.kept().push((connection, Instant::now()));
    }

    pub fn doubt_others(&self) {
        self.pool.doubt_all();
    }

    /// Out of the pool for good, for work that changes the connection itself.
    pub fn detach(self) -> DB::Connection {
        self.connection.detach()
    }
}
