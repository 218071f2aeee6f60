//! Hashes and checks passwords, which is deliberately slow and takes 19 MiB each time. The work
//! runs on threads that may block, with a limit of concurrent and waiting calls. Further calls fail
//! as busy.

pub mod hash;

use std::num::NonZero;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::passwords::hash::{PasswordCost, PasswordError, hash_password, password_matches};
use crate::random::Random;
use crate::rules::secret::Secret;

/// Cheap to clone; all clones share the limits.
#[derive(Clone, Debug)]
pub struct Passwords {
    /// Limits running and waiting calls together.
    places: Arc<Semaphore>,
    /// Limits running calls.
    running: Arc<Semaphore>,
    /// The part of the places that strangers may take.
    for_strangers: Arc<Semaphore>,
    cost: PasswordCost,
}

/// The source of a sign-in attempt. Some places are reserved for known browsers, so that guesses by
/// strangers cannot take all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptSource {
    KnownBrowser,
    Stranger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked; retry in a few seconds")]
pub struct Busy;

#[derive(Debug, thiserror::Error)]
pub enum HashError {
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// The hash of an unknown password. Passwords for unknown accounts are checked against it, so that
/// they take the same time.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ibw$WVqUoRB1wIZqVHfi5cB5dFhkvtDPz7UX6zMRr2wqHlk";

impl Default for Passwords {
    /// Runs one call per core, but at most eight. Waiting calls finish within about a second.
    fn default() -> Self {
        const MAX_RUNNING: usize = 8;
        const WAITING_PER_RUNNING: usize = 32;
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let max_running = cores.min(MAX_RUNNING);
        Self::new(max_running, max_running * WAITING_PER_RUNNING)
    }
}

impl Passwords {
    pub fn new(max_running: usize, max_waiting: usize) -> Self {
        let max_running = max_running.max(1);
        let places = max_running.saturating_add(max_waiting).min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            running: Arc::new(Semaphore::new(max_running.min(Semaphore::MAX_PERMITS))),
            for_strangers: Arc::new(Semaphore::new(places - places / 4)),
            cost: PasswordCost::RECOMMENDED,
        }
    }

    /// Uses another cost for new hashes.
    pub fn with_cost(self, cost: PasswordCost) -> Self {
        Self { cost, ..self }
    }

    pub async fn hash(&self, password: Secret, random: &Random) -> Result<String, HashError> {
        let (random, cost) = (random.clone(), self.cost);
        Ok(self.run(move || hash_password(&password, &random, cost)).await??)
    }

    /// Whether the password has the stored hash. Without a hash, as for an unknown account, this
    /// does the same work and returns false.
    pub async fn verify(
        &self,
        password: Secret,
        stored: Option<String>,
        source: AttemptSource,
    ) -> Result<bool, Busy> {
        let share = match source {
            AttemptSource::KnownBrowser => None,
            AttemptSource::Stranger => {
                Some(Arc::clone(&self.for_strangers).try_acquire_owned().map_err(|_| Busy)?)
            }
        };
        self.run(move || {
            let matches = password_matches(&password, stored.as_deref().unwrap_or(DUMMY_HASH));
            drop(share);
            matches && stored.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Busy)?;
        // The work continues even if its caller is gone, so it holds the permits itself.
        let held: [OwnedSemaphorePermit; 2] = [place, running];
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(held);
            outcome
        });
        done.await.map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_the_dummy_hash_matches_none() {
        let passwords = Passwords::default();
        let stored =
            passwords.hash(secret("correct horse"), &Random::seeded(1)).await.expect("hashes");

        for (password, stored, expected) in [
            ("correct horse", Some(stored.clone()), true),
            ("wrong horse", Some(stored), false),
            ("correct horse", None, false),
            ("correct horse", Some("not a hash".to_owned()), false),
        ] {
            let answer = passwords.verify(secret(password), stored, AttemptSource::Stranger).await;
            assert_eq!(answer, Ok(expected), "{password}");
        }
    }

    #[test]
    fn an_unknown_account_takes_the_same_work_as_a_known_one() {
        let parameters =
            |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        let lengths = |hash: &str| hash.split('$').skip(4).map(str::len).collect::<Vec<_>>();
        let cost = Passwords::default().cost;
        let real =
            hash_password(&secret("correct horse"), &Random::seeded(1), cost).expect("hashes");

        assert_eq!(parameters(DUMMY_HASH), parameters(&real));
        assert_eq!(lengths(DUMMY_HASH), lengths(&real));
        // A hash that cannot be read is refused without any work.
        assert!(argon2::password_hash::phc::PasswordHash::new(DUMMY_HASH).is_ok());
    }

    #[tokio::test]
    async fn a_call_fails_as_busy_if_no_place_is_free() {
        let passwords = Passwords::new(1, 1);
        let (release, released) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let passwords = passwords.clone();
            async move { passwords.run(move || released.recv().is_ok()).await }
        });
        while passwords.running.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let mut second = std::pin::pin!(passwords.run(|| true));
        assert!(futures_util::poll!(second.as_mut()).is_pending());

        assert_eq!(passwords.run(|| true).await, Err(Busy));
        release.send(()).expect("the work waits");

        assert_eq!((first.await.expect("does not panic"), second.await), (Ok(true), Ok(true)));
        assert_eq!(passwords.run(|| true).await, Ok(true));
    }

    #[tokio::test]
    async fn some_places_are_reserved_for_known_browsers() {
        let passwords = Passwords::new(1, 3);
        let (release, released) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let passwords = passwords.clone();
            async move { passwords.run(move || released.recv().is_ok()).await }
        });
        while passwords.running.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let verify = |source| passwords.verify(secret("a guess"), None, source);
        let (mut one, mut other) = (
            std::pin::pin!(verify(AttemptSource::Stranger)),
            std::pin::pin!(verify(AttemptSource::Stranger)),
        );
        assert!(
            futures_util::poll!(one.as_mut()).is_pending()
                && futures_util::poll!(other.as_mut()).is_pending()
        );
        let _third =
            Arc::clone(&passwords.for_strangers).try_acquire_owned().expect("the last share");

        assert_eq!(verify(AttemptSource::Stranger).await, Err(Busy));
        let mut known = std::pin::pin!(verify(AttemptSource::KnownBrowser));
        assert!(futures_util::poll!(known.as_mut()).is_pending(), "a place is free");
        release.send(()).expect("the work waits");
        let (first, _, _, known) = tokio::join!(first, one, other, known);

        assert_eq!((first.expect("does not panic"), known), (Ok(true), Ok(false)));
    }

    #[tokio::test]
    async fn work_whose_caller_is_gone_holds_its_place_until_it_finishes() {
        let passwords = Passwords::new(1, 0);
        let (release, released) = mpsc::channel::<()>();
        {
            let mut gone = std::pin::pin!(passwords.run(move || released.recv().is_ok()));
            assert!(futures_util::poll!(gone.as_mut()).is_pending());
        }

        assert_eq!(passwords.run(|| true).await, Err(Busy));
        release.send(()).expect("the work continues");
        while passwords.places.available_permits() == 0 {
            tokio::task::yield_now().await;
        }

        assert_eq!(passwords.run(|| true).await, Ok(true));
    }
}
