//! An in-memory cache of recently registered clients, by digest. A tool that registers at each
//! start gets its response from here, without a write.
//!
//! The cache is bounded, so that endless registrations cost no memory. Registrations that were not
//! written are counted here and added to the next write. An evicted entry or a shutdown loses the
//! count of at most an hour.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use quick_cache::sync::Cache;

use crate::rules::client::identity::ClientDigest;
use crate::rules::timestamp::Timestamp;

const MAX_ENTRIES: usize = 65_536;

/// Seconds. A client's last sighting is written at most once in this time.
pub const FRESH_FOR: i64 = 3_600;

/// The cache. It is cheap to clone; all clones share the entries.
#[derive(Clone)]
pub struct KnownClients(Arc<Shared>);

struct Shared {
    entries: Cache<ClientDigest, Arc<Entry>>,
    /// Seconds. Clients that were last written at or before this time may have been deleted.
    invalid_until: AtomicI64,
}

struct Entry {
    registered_at: Timestamp,
    last_written_at: Timestamp,
    uncounted: AtomicI64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The client is registered and was written within the last hour, so nothing needs to be
    /// written.
    Fresh { registered_at: Timestamp },
    /// The client must be written, with a number of earlier registrations that were not.
    Write { uncounted: i64 },
}

impl Default for KnownClients {
    fn default() -> Self {
        Self(Arc::new(Shared {
            entries: Cache::new(MAX_ENTRIES),
            invalid_until: AtomicI64::new(i64::MIN),
        }))
    }
}

impl KnownClients {
    /// Counts a registration and returns whether it must be written.
    pub fn see(&self, digest: &ClientDigest, now: Timestamp) -> Known {
        let Some(entry) = self.0.entries.get(digest) else { return Known::Write { uncounted: 0 } };
        if !self.is_invalid(&entry) && now.seconds_since(entry.last_written_at) < FRESH_FOR {
            entry.uncounted.fetch_add(1, Ordering::Relaxed);
            Known::Fresh { registered_at: entry.registered_at }
        } else {
            Known::Write { uncounted: entry.uncounted.swap(0, Ordering::Relaxed) }
        }
    }

    pub fn contains(&self, digest: &ClientDigest) -> bool {
        self.0.entries.get(digest).is_some_and(|entry| !self.is_invalid(&entry))
    }

    fn is_invalid(&self, entry: &Entry) -> bool {
        entry.last_written_at.seconds() <= self.0.invalid_until.load(Ordering::Relaxed)
    }

    /// Invalidates clients that were last seen at or before a time, because they may have been
    /// deleted. They are looked up in the database again.
    pub fn invalidate_until(&self, seen_at: Timestamp) {
        self.0.invalid_until.fetch_max(seen_at.seconds(), Ordering::Relaxed);
    }

    /// Returns the count from [`Self::see`] if it could not be written.
    pub fn return_uncounted(&self, digest: &ClientDigest, uncounted: i64) {
        if let Some(entry) = self.0.entries.get(digest) {
            entry.uncounted.fetch_add(uncounted, Ordering::Relaxed);
        }
    }

    /// Stores the result of a write. `uncounted` is the number of registrations that were not
    /// written. Registrations of one batch each call this, and their numbers add up.
    pub fn remember(
        &self,
        digest: ClientDigest,
        registered_at: Timestamp,
        last_written_at: Timestamp,
        uncounted: i64,
    ) {
        if let Some(entry) =
            self.0.entries.get(&digest).filter(|entry| entry.last_written_at == last_written_at)
        {
            entry.uncounted.fetch_add(uncounted, Ordering::Relaxed);
            return;
        }
        let uncounted = AtomicI64::new(uncounted);
        self.0
            .entries
            .insert(digest, Arc::new(Entry { registered_at, last_written_at, uncounted }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: ClientDigest = ClientDigest::from_bytes([7; 32]);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn an_unknown_digest_is_written() {
        assert_eq!(KnownClients::default().see(&DIGEST, at(0)), Known::Write { uncounted: 0 });
    }

    #[test]
    fn a_known_digest_is_not_written_for_an_hour_and_then_written_with_the_count() {
        let known = KnownClients::default();
        known.remember(DIGEST, at(100), at(100), 0);

        assert_eq!(known.see(&DIGEST, at(101)), Known::Fresh { registered_at: at(100) });
        assert_eq!(
            known.see(&DIGEST, at(100 + FRESH_FOR - 1)),
            Known::Fresh { registered_at: at(100) }
        );
        assert_eq!(known.see(&DIGEST, at(100 + FRESH_FOR)), Known::Write { uncounted: 2 });
        assert_eq!(known.see(&DIGEST, at(100 + FRESH_FOR)), Known::Write { uncounted: 0 });
    }

    #[test]
    fn a_client_that_may_have_been_deleted_is_written_again() {
        let known = KnownClients::default();
        known.remember(DIGEST, at(0), at(100), 2);

        known.invalidate_until(at(99));
        assert_eq!(known.see(&DIGEST, at(101)), Known::Fresh { registered_at: at(0) });
        known.invalidate_until(at(100));
        known.invalidate_until(at(50));

        assert_eq!(known.see(&DIGEST, at(102)), Known::Write { uncounted: 3 });
        known.remember(DIGEST, at(102), at(102), 0);
        assert_eq!(known.see(&DIGEST, at(103)), Known::Fresh { registered_at: at(102) });
    }

    #[test]
    fn registrations_that_could_not_be_written_are_counted_by_the_next_write() {
        let known = KnownClients::default();
        known.remember(DIGEST, at(0), at(0), 2);
        assert_eq!(known.see(&DIGEST, at(FRESH_FOR)), Known::Write { uncounted: 2 });

        known.return_uncounted(&DIGEST, 3);

        assert_eq!(known.see(&DIGEST, at(FRESH_FOR)), Known::Write { uncounted: 3 });
    }

    #[test]
    fn registrations_of_one_batch_add_up() {
        let known = KnownClients::default();
        known.remember(DIGEST, at(0), at(0), 2);
        assert_eq!(known.see(&DIGEST, at(1)), Known::Fresh { registered_at: at(0) });

        known.remember(DIGEST, at(0), at(0), 3);

        assert_eq!(known.see(&DIGEST, at(FRESH_FOR)), Known::Write { uncounted: 6 });
    }

    #[test]
    fn the_cache_is_bounded() {
        let known = KnownClients::default();
        for number in 0..3 * MAX_ENTRIES {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            known.remember(ClientDigest::from_bytes(bytes), at(0), at(0), 0);
        }

        assert!(known.0.entries.len() <= MAX_ENTRIES);
    }
}
