//! So many at once for each key, such as a host or a URL; the others wait, for a time. What nobody uses takes no memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Turns {
    at_once: usize,
    of_key: Arc<Mutex<HashMap<String, Place>>>,
}

#[derive(Debug)]
struct Place {
    free: Arc<Semaphore>,
    /// Who has a turn or waits for one.
    users: usize,
}

/// Given back when it is dropped.
#[must_use = "a turn that is dropped is over"]
#[derive(Debug)]
pub struct Turn {
    // Before the user, so that the place is free when the last one leaves.
    _permit: OwnedSemaphorePermit,
    _user: User,
}

/// Counted in, and out again however it ends.
#[derive(Debug)]
struct User {
    key: String,
    turns: Turns,
}

impl Turns {
    pub fn new(at_once: usize) -> Self {
        Self { at_once, of_key: Arc::default() }
    }

    /// None where it took too long.
    pub async fn take(&self, key: &str, within: Duration) -> Option<Turn> {
        let (user, free) = self.come(key);
        let permit = timeout(within, free.acquire_owned()).await.ok()?.ok()?;
        Some(Turn { _permit: permit, _user: user })
    }

    fn come(&self, key: &str) -> (User, Arc<Semaphore>) {
        let mut of_key = self.lock();
        let new = || Place { free: Arc::new(Semaphore::new(self.at_once)), users: 0 };
        let place = of_key.entry(key.to_owned()).or_insert_with(new);
        place.users += 1;
        (User { key: key.to_owned(), turns: self.clone() }, Arc::clone(&place.free))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Place>> {
        self.of_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut of_key = self.turns.lock();
        if let Some(place) = of_key.get_mut(&self.key) {
            place.users -= 1;
            if place.users == 0 {
                of_key.remove(&self.key);
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
    async fn only_so_many_have_their_turn_at_once_and_each_key_counts_by_itself() {
        let turns = Turns::new(2);
        let first = turns.take("a", AT_ONCE).await;
        let second = turns.take("a", AT_ONCE).await;

        assert!(first.is_some() && second.is_some());
        assert!(turns.take("a", AT_ONCE).await.is_none());
        assert!(turns.take("b", AT_ONCE).await.is_some());
        drop(first);
        assert!(turns.take("a", AT_ONCE).await.is_some());
    }

    #[tokio::test]
    async fn who_waits_gets_the_turn_of_who_leaves() {
        let turns = Turns::new(1);
        let first = turns.take("a", AT_ONCE).await;
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take("a", LONG).await.is_some() }
        });
        tokio::task::yield_now().await;

        drop(first);

        assert!(waiting.await.expect("ends"));
    }

    #[tokio::test]
    async fn keys_that_nobody_uses_are_forgotten_also_where_somebody_gave_up() {
        let turns = Turns::new(1);
        let first = turns.take("a", AT_ONCE).await;
        assert!(turns.take("a", AT_ONCE).await.is_none());
        assert_eq!(turns.lock().len(), 1);

        drop(first);

        assert_eq!(turns.lock().len(), 0);
    }
}
