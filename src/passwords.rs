//! Hashing and checking passwords, which is slow on purpose and takes 19 MiB each time: off the threads that serve, so many
//! at once, and so many waiting. Who comes when all places are taken is told to come back.

use std::num::NonZero;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::secret::{PasswordError, Random, Secret, hash_password, password_matches};

/// Cheap to clone; all clones share the places.
#[derive(Clone, Debug)]
pub struct Passwords {
    /// For those at work and those who wait.
    places: Arc<Semaphore>,
    at_work: Arc<Semaphore>,
    /// The share of the places that strangers may take.
    for_strangers: Arc<Semaphore>,
}

/// Whose password is checked: some places are kept for people who were here before, so that guesses cannot take all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    KnownBrowser,
    Stranger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked; try again in a few seconds")]
pub struct Busy;

#[derive(Debug, thiserror::Error)]
pub enum HashError {
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// A hash like any other, of no password that is known: what an unknown person's is checked against.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ibw$WVqUoRB1wIZqVHfi5cB5dFhkvtDPz7UX6zMRr2wqHlk";

impl Default for Passwords {
    /// As many at once as the machine has cores, eight at most; those who wait are done within a second or so.
    fn default() -> Self {
        const MOST_AT_ONCE: usize = 8;
        const WAITING_FOR_EACH: usize = 32;
        let at_once = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_AT_ONCE);
        Self::new(at_once, at_once * WAITING_FOR_EACH)
    }
}

impl Passwords {
    pub fn new(most_at_once: usize, most_waiting: usize) -> Self {
        let at_once = most_at_once.max(1);
        let places = at_once.saturating_add(most_waiting).min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            at_work: Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS))),
            for_strangers: Arc::new(Semaphore::new(places - places / 4)),
        }
    }

    pub async fn hash(&self, password: Secret, random: &Random) -> Result<String, HashError> {
        let random = random.clone();
        Ok(self.work(move || hash_password(&password, &random)).await??)
    }

    /// Whether it is the password with the stored hash. Without one, as for an unknown person, the same work is done and
    /// the answer is no.
    pub async fn verify(&self, password: Secret, stored: Option<String>, whose: Whose) -> Result<bool, Busy> {
        let share = match whose {
            Whose::KnownBrowser => None,
            Whose::Stranger => Some(Arc::clone(&self.for_strangers).try_acquire_owned().map_err(|_| Busy)?),
        };
        self.work(move || {
            let matches = password_matches(&password, stored.as_deref().unwrap_or(NOBODYS));
            drop(share);
            matches && stored.is_some()
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.at_work).acquire_owned().await.map_err(|_| Busy)?;
        // The work goes on also where its caller is gone, so it takes its place along.
        let held: [OwnedSemaphorePermit; 2] = [place, turn];
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
    async fn a_password_matches_its_own_hash_and_nobodys_matches_none() {
        let passwords = Passwords::default();
        let stored = passwords.hash(secret("correct horse"), &Random::seeded(1)).await.expect("hashes");

        for (password, stored, expected) in [
            ("correct horse", Some(stored.clone()), true),
            ("wrong horse", Some(stored), false),
            ("correct horse", None, false),
            ("correct horse", Some("not a hash".to_owned()), false),
        ] {
            let answer = passwords.verify(secret(password), stored, Whose::Stranger).await;
            assert_eq!(answer, Ok(expected), "{password}");
        }
    }

    #[test]
    fn an_unknown_person_costs_the_work_of_a_known_one() {
        let parameters = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        let lengths = |hash: &str| hash.split('$').skip(4).map(str::len).collect::<Vec<_>>();
        let real = hash_password(&secret("correct horse"), &Random::seeded(1)).expect("hashes");

        assert_eq!(parameters(NOBODYS), parameters(&real));
        assert_eq!(lengths(NOBODYS), lengths(&real));
        // A hash that cannot be read is refused without any work.
        assert!(argon2::password_hash::phc::PasswordHash::new(NOBODYS).is_ok());
    }

    #[tokio::test]
    async fn one_more_than_there_are_places_is_told_to_come_back() {
        let passwords = Passwords::new(1, 1);
        let (release, released) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let passwords = passwords.clone();
            async move { passwords.work(move || released.recv().is_ok()).await }
        });
        while passwords.at_work.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let mut second = std::pin::pin!(passwords.work(|| true));
        assert!(futures_util::poll!(second.as_mut()).is_pending());

        assert_eq!(passwords.work(|| true).await, Err(Busy));
        release.send(()).expect("somebody waits");

        assert_eq!((first.await.expect("does not panic"), second.await), (Ok(true), Ok(true)));
        assert_eq!(passwords.work(|| true).await, Ok(true));
    }

    #[tokio::test]
    async fn strangers_leave_places_to_people_who_were_here_before() {
        let passwords = Passwords::new(1, 3);
        let (release, released) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let passwords = passwords.clone();
            async move { passwords.work(move || released.recv().is_ok()).await }
        });
        while passwords.at_work.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let verify = |whose| passwords.verify(secret("a guess"), None, whose);
        let (mut one, mut other) = (std::pin::pin!(verify(Whose::Stranger)), std::pin::pin!(verify(Whose::Stranger)));
        assert!(futures_util::poll!(one.as_mut()).is_pending() && futures_util::poll!(other.as_mut()).is_pending());
        let _third = Arc::clone(&passwords.for_strangers).try_acquire_owned().expect("the last share");

        assert_eq!(verify(Whose::Stranger).await, Err(Busy));
        let mut known = std::pin::pin!(verify(Whose::KnownBrowser));
        assert!(futures_util::poll!(known.as_mut()).is_pending(), "there is a place");
        release.send(()).expect("somebody waits");
        let (first, _, _, known) = tokio::join!(first, one, other, known);

        assert_eq!((first.expect("does not panic"), known), (Ok(true), Ok(false)));
    }

    #[tokio::test]
    async fn work_whose_caller_is_gone_keeps_its_place_until_it_is_done() {
        let passwords = Passwords::new(1, 0);
        let (release, released) = mpsc::channel::<()>();
        {
            let mut gone = std::pin::pin!(passwords.work(move || released.recv().is_ok()));
            assert!(futures_util::poll!(gone.as_mut()).is_pending());
        }

        assert_eq!(passwords.work(|| true).await, Err(Busy));
        release.send(()).expect("the work goes on");
        while passwords.places.available_permits() == 0 {
            tokio::task::yield_now().await;
        }

        assert_eq!(passwords.work(|| true).await, Ok(true));
    }
}
