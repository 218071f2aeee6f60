//! A connection pool in front of the driver's pool.
//!
//! The driver's pool pings every connection that returns to it, which costs a round trip to the
//! database for each statement. A connection is clean after a successful statement, so it stays
//! here and the next caller gets it without a ping. The driver's pool only opens connections;
//! callers wait here, in order.
//!
//! Every wait for a connection has a limit. A database that disappears from the network never
//! responds, and a connection that waits for it would occupy a slot of the pool until the operating
//! system gives up on it after about 15 minutes. But while the database responds on other
//! connections, the slot of a discarded connection stays occupied until the process behind it has
//! exited (see [`crate::db::engine::backends`]).

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::Connection;
use sqlx::pool::PoolConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::db::engine::backends::{Backend, Backends};

/// A connection that was idle for this long is pinged before it is used.
const PING_AFTER_IDLE: Duration = Duration::from_secs(2);
/// A healthy database responds to a ping much faster than this.
const PING_TIMEOUT: Duration = Duration::from_millis(500);
/// How long the driver may check a returning connection before the connection is closed.
const RETURN_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Pool<DB: Backends> {
    driver: sqlx::Pool<DB>,
    watch: DB::Watch,
    max_size: u32,
    /// One permit for each connection that the driver may open.
    slots: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Idle<DB>>>>,
}

/// A clean connection, and since when it is idle.
type Idle<DB> = (PooledConn<DB>, Instant);

impl<DB: Backends> Clone for Pool<DB> {
    fn clone(&self) -> Self {
        Self {
            driver: self.driver.clone(),
            watch: self.watch.clone(),
            max_size: self.max_size,
            slots: Arc::clone(&self.slots),
            idle: Arc::clone(&self.idle),
        }
    }
}

impl<DB: Backends> Pool<DB> {
    /// `max_size` counts the driver's connections and the one of `watch`.
    pub fn new(driver: sqlx::Pool<DB>, watch: DB::Watch, max_size: u32) -> Self {
        let slots = usize::try_from(driver.options().get_max_connections())
            .unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            driver,
            watch,
            max_size,
            slots: Arc::new(Semaphore::new(slots)),
            idle: Arc::default(),
        }
    }

    /// Checks out a connection, within the acquire timeout of the driver's pool.
    pub async fn checkout(&self) -> Result<Checkout<DB>, sqlx::Error> {
        let acquire_timeout = self.driver.options().get_acquire_timeout();
        timeout(acquire_timeout, self.wait_for_connection())
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn wait_for_connection(&self) -> Result<Checkout<DB>, sqlx::Error> {
        let slot =
            Arc::clone(&self.slots).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let mut connection = match self.take_idle().await {
            Some(connection) => connection,
            None => self.acquire_from_driver().await?,
        };
        connection.slot = Some(slot);
        Ok(Checkout { connection, pool: self.clone() })
    }

    async fn acquire_from_driver(&self) -> Result<PooledConn<DB>, sqlx::Error> {
        let connection = self.driver.acquire().await?;
        let mut conn = PooledConn {
            connection,
            backend: None,
            watch: self.watch.clone(),
            discarded: false,
            slot: None,
        };
        conn.backend = DB::backend_of(&mut conn.connection).await?;
        Ok(conn)
    }

    /// Takes the most recently used connection, which is the most likely to be alive.
    async fn take_idle(&self) -> Option<PooledConn<DB>> {
        loop {
            let (mut connection, idle_since) = self.idle().pop()?;
            if idle_since.elapsed() < PING_AFTER_IDLE || connection.is_alive().await {
                return Some(connection);
            }
            connection.discard();
            self.recheck_idle();
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<DB>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands all idle connections to the driver's pool, which pings them. If one connection was
    /// lost, the others probably were too.
    pub fn recheck_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        drop(idle);
    }

    /// Returns how many connections are open, and how many of them are idle.
    pub fn size(&self) -> (u32, usize) {
        (self.driver.size(), self.driver.num_idle() + self.idle().len())
    }

    pub fn max_size(&self) -> u32 {
        self.max_size
    }

    pub fn watch(&self) -> &DB::Watch {
        &self.watch
    }

    pub fn connect_options(&self) -> Arc<<DB::Connection as Connection>::Options> {
        self.driver.connect_options()
    }

    pub async fn close(&self) {
        // From here on, connections in use return to the driver, which waits for them.
        let closing = self.driver.close();
        self.recheck_idle();
        closing.await;
    }
}

/// A connection of the driver. When dropped, it returns to the driver, which checks it and closes
/// it if it does not respond in time.
#[derive(Debug)]
pub struct PooledConn<DB: Backends> {
    connection: PoolConnection<DB>,
    backend: Option<Backend>,
    watch: DB::Watch,
    discarded: bool,
    /// Its slot in the pool while it is in use.
    slot: Option<OwnedSemaphorePermit>,
}

impl<DB: Backends> PooledConn<DB> {
    async fn is_alive(&mut self) -> bool {
        matches!(timeout(PING_TIMEOUT, self.connection.ping()).await, Ok(Ok(())))
    }

    /// Marks the connection so that it is closed when dropped, and never used again.
    pub fn discard(&mut self) {
        self.discarded = true;
        self.connection.close_on_drop();
    }
}

impl<DB: Backends> Deref for PooledConn<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.connection
    }
}

impl<DB: Backends> DerefMut for PooledConn<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.connection
    }
}

impl<DB: Backends> Drop for PooledConn<DB> {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let returning =
            (!self.discarded).then(|| timeout(RETURN_TIMEOUT, self.connection.return_to_pool()));
        let slot = self.slot.take();
        let backend = self.backend;
        let watch = self.watch.clone();
        runtime.spawn(async move {
            let is_back = match returning {
                Some(returning) => returning.await.is_ok(),
                None => false,
            };
            if let (false, Some(backend)) = (is_back, backend.filter(|_| slot.is_some())) {
                DB::wait_for_exit(&watch, backend).await;
            }
            drop(slot);
        });
    }
}

/// A connection in use.
#[derive(Debug)]
pub struct Checkout<DB: Backends> {
    pub connection: PooledConn<DB>,
    pool: Pool<DB>,
}

impl<DB: Backends> Checkout<DB> {
    /// Returns a clean connection to the pool and frees its slot.
    pub fn check_in(self) {
        let Self { mut connection, pool } = self;
        // A pool that is closing waits for its connections to return to the driver. Dropping does
        // that.
        if !pool.driver.is_closed() {
            let _slot = connection.slot.take();
            pool.idle().push((connection, Instant::now()));
        }
    }

    pub fn recheck_idle(&self) {
        self.pool.recheck_idle();
    }
}
