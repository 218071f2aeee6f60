//! Connections kept in hand between statements.
//!
//! The driver's pool asks every connection whether it still lives when it comes back, which costs a round trip to the
//! database for each statement. A connection whose statement ended well is clean, so it is kept here instead and handed to
//! the next caller as it is. The driver's pool still makes the connections and bounds their number; whoever waits there is
//! served first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Database};
use tokio::time::Instant;

/// A connection that has rested this long is asked whether it still lives before it is used.
const DOUBT_AFTER: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Pool<DB: Database> {
    driver: sqlx::Pool<DB>,
    hand: Arc<Mutex<Hand<DB>>>,
}

#[derive(Debug)]
struct Hand<DB: Database> {
    kept: Vec<(PoolConnection<DB>, Instant)>,
    /// Callers who found nothing here and wait at the driver's pool.
    waiting: usize,
}

impl<DB: Database> Clone for Pool<DB> {
    fn clone(&self) -> Self {
        Self { driver: self.driver.clone(), hand: Arc::clone(&self.hand) }
    }
}

impl<DB: Database> Pool<DB> {
    pub fn new(driver: sqlx::Pool<DB>) -> Self {
        Self { driver, hand: Arc::new(Mutex::new(Hand { kept: Vec::new(), waiting: 0 })) }
    }

    pub async fn take(&self) -> Result<Taken<DB>, sqlx::Error> {
        while let Some((mut connection, kept_at)) = self.kept_or_wait() {
            if kept_at.elapsed() < DOUBT_AFTER || connection.ping().await.is_ok() {
                return Ok(self.taken(connection));
            }
            connection.close_on_drop();
        }
        let _waiting = Waiting(self);
        let connection = self.driver.acquire().await?;
        Ok(self.taken(connection))
    }

    /// The one used last, which is the likeliest to live, or one that rests at the driver. Where there is neither the
    /// caller counts as waiting.
    fn kept_or_wait(&self) -> Option<(PoolConnection<DB>, Instant)> {
        let mut hand = self.hand();
        let rests_at_driver = || self.driver.try_acquire().map(|connection| (connection, Instant::now()));
        let found = hand.kept.pop().or_else(rests_at_driver);
        if found.is_none() {
            hand.waiting += 1;
        }
        found
    }

    fn taken(&self, connection: PoolConnection<DB>) -> Taken<DB> {
        Taken { connection, pool: self.clone() }
    }

    fn hand(&self) -> MutexGuard<'_, Hand<DB>> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where one connection was lost the others probably are too: the driver's pool finds out.
    pub fn doubt_all(&self) {
        let doubtful = std::mem::take(&mut self.hand().kept);
        drop(doubtful);
    }

    /// Open connections, and how many of them rest.
    pub fn size(&self) -> (u32, usize) {
        (self.driver.size(), self.driver.num_idle() + self.hand().kept.len())
    }

    pub fn max_size(&self) -> u32 {
        self.driver.options().get_max_connections()
    }

    pub async fn close(&self) {
        self.doubt_all();
        self.driver.close().await;
    }
}

/// Counts a caller as waiting for as long as it does, however it ends.
struct Waiting<'a, DB: Database>(&'a Pool<DB>);

impl<DB: Database> Drop for Waiting<'_, DB> {
    fn drop(&mut self) {
        self.0.hand().waiting -= 1;
    }
}

/// A connection in use. Dropped, it goes back to the driver's pool, which looks at its state.
#[derive(Debug)]
pub struct Taken<DB: Database> {
    pub connection: PoolConnection<DB>,
    pool: Pool<DB>,
}

impl<DB: Database> Taken<DB> {
    /// After a statement that ended well.
    pub fn keep(self) {
        let Self { connection, pool } = self;
        let mut hand = pool.hand();
        // Someone waits at the driver's pool, where the connection goes by being dropped, outside the lock.
        if hand.waiting > 0 {
            drop(hand);
            drop(connection);
        } else {
            hand.kept.push((connection, Instant::now()));
        }
    }

    pub fn doubt_others(&self) {
        self.pool.doubt_all();
    }

    /// Out of the pool for good, for work that changes the connection itself.
    pub fn detach(self) -> DB::Connection {
        self.connection.detach()
    }
}
