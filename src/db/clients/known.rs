//! The digests of clients that were registered lately, in the process: a tool that registers at each start is answered from
//! here and writes nothing.
//!
//! Bounded, so that a stranger who registers without end costs no memory. Registrations that were not written yet are
//! counted here and written with the next one that is; an entry that falls out, or a stop, loses at most an hour's count.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use quick_cache::sync::Cache;

use crate::rules::client::identity::ClientDigest;
use crate::rules::timestamp::Timestamp;

const ENTRIES: usize = 65_536;

/// A sighting is written again after this many seconds, so at most hourly.
pub const FRESH_FOR: i64 = 3_600;

/// Cheap to clone; all clones are one cache.
#[derive(Clone)]
pub struct KnownClients(Arc<Shared>);

struct Shared {
    entries: Cache<ClientDigest, Arc<Entry>>,
    /// Clients that were last written then or before may have been deleted.
    doubted_until: AtomicI64,
}

struct Entry {
    registered_at: Timestamp,
    last_written_at: Timestamp,
    uncounted: AtomicI64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Registered, and written within the hour: nothing to write.
    Fresh { registered_at: Timestamp },
    /// To be written, together with so many registrations that were not.
    Write { uncounted: i64 },
}

impl Default for KnownClients {
    fn default() -> Self {
        Self(Arc::new(Shared { entries: Cache::new(ENTRIES), doubted_until: AtomicI64::new(i64::MIN) }))
    }
}

impl KnownClients {
    pub fn see(&self, digest: &ClientDigest, now: Timestamp) -> Known {
        let Some(entry) = self.0.entries.get(digest) else { return Known::Write { uncounted: 0 } };
        if !self.is_doubted(&entry) && now.seconds_since(entry.last_written_at) < FRESH_FOR {
            entry.uncounted.fetch_add(1, Ordering::Relaxed);
            Known::Fresh { registered_at: entry.registered_at }
        } else {
            Known::Write { uncounted: entry.uncounted.swap(0, Ordering::Relaxed) }
        }
    }

    pub fn holds(&self, digest: &ClientDigest) -> bool {
        self.0.entries.get(digest).is_some_and(|entry| !self.is_doubted(&entry))
    }

    fn is_doubted(&self, entry: &Entry) -> bool {
        entry.last_written_at.seconds() <= self.0.doubted_until.load(Ordering::Relaxed)
    }

    /// Clients that were last seen then or before may have been deleted: the database is asked about them.
    pub fn doubt_until(&self, seen_at: Timestamp) {
        self.0.doubted_until.fetch_max(seen_at.seconds(), Ordering::Relaxed);
    }

    /// Takes back what [`Self::see`] handed out to be written and was not.
    pub fn give_back(&self, digest: &ClientDigest, uncounted: i64) {
        if let Some(entry) = self.0.entries.get(digest) {
            entry.uncounted.fetch_add(uncounted, Ordering::Relaxed);
        }
    }

    /// After the database was asked: `uncounted` is what it did not take. Registrations that were written together each
    /// come here, and add up.
    pub fn remember(&self, digest: ClientDigest, registered_at: Timestamp, last_written_at: Timestamp, uncounted: i64) {
        if let Some(entry) = self.0.entries.get(&digest).filter(|entry| entry.last_written_at == last_written_at) {
            entry.uncounted.fetch_add(uncounted, Ordering::Relaxed);
            return;
        }
        let uncounted = AtomicI64::new(uncounted);
        self.0.entries.insert(digest, Arc::new(Entry { registered_at, last_written_at, uncounted }));
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
    fn a_known_digest_writes_nothing_for_an_hour_and_then_what_was_not_counted() {
        let known = KnownClients::default();
        known.remember(DIGEST, at(100), at(100), 0);

        assert_eq!(known.see(&DIGEST, at(101)), Known::Fresh { registered_at: at(100) });
        assert_eq!(known.see(&DIGEST, at(100 + FRESH_FOR - 1)), Known::Fresh { registered_at: at(100) });
        assert_eq!(known.see(&DIGEST, at(100 + FRESH_FOR)), Known::Write { uncounted: 2 });
        assert_eq!(known.see(&DIGEST, at(100 + FRESH_FOR)), Known::Write { uncounted: 0 });
    }

    #[test]
    fn a_client_that_may_have_been_deleted_is_written_again() {
        let known = KnownClients::default();
        known.remember(DIGEST, at(0), at(100), 2);

        known.doubt_until(at(99));
        assert_eq!(known.see(&DIGEST, at(101)), Known::Fresh { registered_at: at(0) });
        known.doubt_until(at(100));
        known.doubt_until(at(50));

        assert_eq!(known.see(&DIGEST, at(102)), Known::Write { uncounted: 3 });
        known.remember(DIGEST, at(102), at(102), 0);
        assert_eq!(known.see(&DIGEST, at(103)), Known::Fresh { registered_at: at(102) });
    }

    #[test]
    fn what_could_not_be_written_is_counted_with_the_next_write() {
        let known = KnownClients::default();
        known.remember(DIGEST, at(0), at(0), 2);
        assert_eq!(known.see(&DIGEST, at(FRESH_FOR)), Known::Write { uncounted: 2 });

        known.give_back(&DIGEST, 3);

        assert_eq!(known.see(&DIGEST, at(FRESH_FOR)), Known::Write { uncounted: 3 });
    }

    #[test]
    fn registrations_that_were_written_together_add_up() {
        let known = KnownClients::default();
        known.remember(DIGEST, at(0), at(0), 2);
        assert_eq!(known.see(&DIGEST, at(1)), Known::Fresh { registered_at: at(0) });

        known.remember(DIGEST, at(0), at(0), 3);

        assert_eq!(known.see(&DIGEST, at(FRESH_FOR)), Known::Write { uncounted: 6 });
    }

    #[test]
    fn strangers_cannot_fill_the_memory() {
        let known = KnownClients::default();
        for number in 0..3 * ENTRIES {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            known.remember(ClientDigest::from_bytes(bytes), at(0), at(0), 0);
        }

        assert!(known.0.entries.len() <= ENTRIES);
    }
}
