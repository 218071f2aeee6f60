//! Limits concurrency per key, such as a host or a URL. Others wait for a limited time. Keys that
//! are not in use take no memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Cheap to clone; all clones share the limit.
#[derive(Clone, Debug)]
pub struct PerKeyLimit {
    at_once: usize,
    by_key: Arc<Mutex<HashMap<String, Place>>>,
}

#[derive(Debug)]
struct Place {
    free: Arc<Semaphore>,
    /// Number of tasks that hold a permit or wait for one.
    users: usize,
}

/// Returned when it is dropped.
#[must_use = "a permit that is dropped is returned at once"]
#[derive(Debug)]
pub struct PerKeyPermit {
    // Declared before the user, so that the permit is free when the last user leaves.
    _permit: OwnedSemaphorePermit,
    _user: User,
}

/// Counts a task that uses the key, until it is dropped.
#[derive(Debug)]
struct User {
    key: String,
    limit: PerKeyLimit,
}

impl PerKeyLimit {
    pub fn new(at_once: usize) -> Self {
        Self { at_once, by_key: Arc::default() }
    }

    /// Returns `None` if no permit was free within the time limit.
    pub async fn take(&self, key: &str, within: Duration) -> Option<PerKeyPermit> {
        let (user, free) = self.register(key);
        let permit = timeout(within, free.acquire_owned()).await.ok()?.ok()?;
        Some(PerKeyPermit { _permit: permit, _user: user })
    }

    fn register(&self, key: &str) -> (User, Arc<Semaphore>) {
        let mut by_key = self.lock();
        let new = || Place { free: Arc::new(Semaphore::new(self.at_once)), users: 0 };
        let place = by_key.entry(key.to_owned()).or_insert_with(new);
        place.users += 1;
        (User { key: key.to_owned(), limit: self.clone() }, Arc::clone(&place.free))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Place>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut by_key = self.limit.lock();
        if let Some(place) = by_key.get_mut(&self.key) {
            place.users -= 1;
            if place.users == 0 {
                by_key.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn each_key_has_its_own_limit() {
        let limit = PerKeyLimit::new(2);
        let first = limit.take("a", AT_ONCE).await;
        let second = limit.take("a", AT_ONCE).await;

        assert!(first.is_some() && second.is_some());
        assert!(limit.take("a", AT_ONCE).await.is_none());
        assert!(limit.take("b", AT_ONCE).await.is_some());
        drop(first);
        assert!(limit.take("a", AT_ONCE).await.is_some());
    }

    #[tokio::test]
    async fn a_returned_permit_goes_to_a_waiting_task() {
        let limit = PerKeyLimit::new(1);
        let first = limit.take("a", AT_ONCE).await;
        let waiting = tokio::spawn({
            let limit = limit.clone();
            async move { limit.take("a", LONG).await.is_some() }
        });
        tokio::task::yield_now().await;

        drop(first);

        assert!(waiting.await.expect("ends"));
    }

    #[tokio::test]
    async fn unused_keys_are_forgotten_even_if_a_task_gave_up() {
        let limit = PerKeyLimit::new(1);
        let first = limit.take("a", AT_ONCE).await;
        assert!(limit.take("a", AT_ONCE).await.is_none());
        assert_eq!(limit.lock().len(), 1);

        drop(first);

        assert_eq!(limit.lock().len(), 0);
    }
}
