//! Connections kept in hand between statements.
//!
//! The driver's pool asks every connection whether it still lives when it comes back, which costs a round trip to the
//! database for each statement. A connection whose statement ended well is clean, so it is kept here instead and handed to
//! the next caller as it is. The driver's pool only makes connections; whoever waits, waits here, in turn.
//!
//! No connection is waited for without a limit: a database that has vanished without a word answers no question, and a
//! connection that waits for it would take one place of the pool until the system gives up on it, a quarter of an hour
//! later. But as long as the database answers others, the place of a connection that was given up stays taken until the
//! process behind it has ended ([`crate::db::engine::backends`]).

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::Connection;
use sqlx::pool::PoolConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::db::engine::backends::{Backend, Backends};

/// A connection that has rested this long is asked whether it still lives before it is used.
const DOUBT_AFTER: Duration = Duration::from_secs(2);

/// A database that lives answers this question in far less.
const LIVES_WITHIN: Duration = Duration::from_millis(500);
/// How long the driver may look at a connection that comes back, before it is closed instead.
const RETURNS_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Pool<DB: Backends> {
    driver: sqlx::Pool<DB>,
    watch: DB::Watch,
    max_size: u32,
    /// A place for each connection that the driver may have.
    places: Arc<Semaphore>,
    kept: Arc<Mutex<Vec<Kept<DB>>>>,
}

/// A clean connection, and since when it rests.
type Kept<DB> = (Held<DB>, Instant);

impl<DB: Backends> Clone for Pool<DB> {
    fn clone(&self) -> Self {
        Self {
            driver: self.driver.clone(),
            watch: self.watch.clone(),
            max_size: self.max_size,
            places: Arc::clone(&self.places),
            kept: Arc::clone(&self.kept),
        }
    }
}

impl<DB: Backends> Pool<DB> {
    /// `max_size` counts the driver's connections and the one that `watch` may have.
    pub fn new(driver: sqlx::Pool<DB>, watch: DB::Watch, max_size: u32) -> Self {
        let places = usize::try_from(driver.options().get_max_connections()).unwrap_or(Semaphore::MAX_PERMITS);
        Self { driver, watch, max_size, places: Arc::new(Semaphore::new(places)), kept: Arc::default() }
    }

    /// A connection, within the time that the driver's pool has for making one.
    pub async fn take(&self) -> Result<Taken<DB>, sqlx::Error> {
        let patience = self.driver.options().get_acquire_timeout();
        timeout(patience, self.take_in_turn()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn take_in_turn(&self) -> Result<Taken<DB>, sqlx::Error> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let mut connection = match self.kept_and_alive().await {
            Some(connection) => connection,
            None => self.of_driver().await?,
        };
        connection.place = Some(place);
        Ok(Taken { connection, pool: self.clone() })
    }

    async fn of_driver(&self) -> Result<Held<DB>, sqlx::Error> {
        let connection = self.driver.acquire().await?;
        let mut held = Held { connection, backend: None, watch: self.watch.clone(), given_up: false, place: None };
        held.backend = DB::backend_of(&mut held.connection).await?;
        Ok(held)
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
        self.max_size
    }

    pub fn watch(&self) -> &DB::Watch {
        &self.watch
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
/// time is closed.
#[derive(Debug)]
pub struct Held<DB: Backends> {
    connection: PoolConnection<DB>,
    backend: Option<Backend>,
    watch: DB::Watch,
    given_up: bool,
    /// Its place in the pool while it is in use.
    place: Option<OwnedSemaphorePermit>,
}

impl<DB: Backends> Held<DB> {
    async fn lives(&mut self) -> bool {
        matches!(timeout(LIVES_WITHIN, self.connection.ping()).await, Ok(Ok(())))
    }

    /// Not to be used again by anyone: it is closed when it is dropped.
    pub fn give_up(&mut self) {
        self.given_up = true;
        self.connection.close_on_drop();
    }
}

impl<DB: Backends> Deref for Held<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.connection
    }
}

impl<DB: Backends> DerefMut for Held<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.connection
    }
}

impl<DB: Backends> Drop for Held<DB> {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let returning = (!self.given_up).then(|| timeout(RETURNS_WITHIN, self.connection.return_to_pool()));
        let (place, backend, watch) = (self.place.take(), self.backend, self.watch.clone());
        runtime.spawn(async move {
            let is_back = match returning {
                Some(returning) => returning.await.is_ok(),
                None => false,
            };
            if let (false, Some(backend)) = (is_back, backend.filter(|_| place.is_some())) {
                DB::ended(&watch, backend).await;
            }
            drop(place);
        });
    }
}

/// A connection in use.
#[derive(Debug)]
pub struct Taken<DB: Backends> {
    pub connection: Held<DB>,
    pool: Pool<DB>,
}

impl<DB: Backends> Taken<DB> {
    /// After a statement that ended well. The place is free once the connection rests.
    pub fn keep(self) {
        let Self { mut connection, pool } = self;
        // A pool that closes waits for what goes back to the driver, by being dropped.
        if !pool.driver.is_closed() {
            let _place = connection.place.take();
            pool.kept().push((connection, Instant::now()));
        }
    }

    pub fn doubt_others(&self) {
        self.pool.doubt_all();
    }
}
