//! Deletes clients that were never authorized or restricted: those that were not seen for a long
//! time, and the least recently seen ones if there are too many. Registering the same metadata
//! again returns the same `client_id`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::actions::context::Context;
use crate::actions::upkeep::forget_expired::{BATCH, in_batches};
use crate::db::clients::known::KnownClients;
use crate::db::clients::unused;
use crate::db::clients::unused::UnusedClient;
use crate::db::engine::Db;
use crate::db::engine::error::DbError;
use crate::rules::client::ClientId;
use crate::rules::client::unused::{Unused, UnusedBounds};
use crate::rules::timestamp::Timestamp;

/// Number of clients that are listed after each count.
const LISTED: u32 = 2_000;
/// The limit of rounds in a row, so that other work is not delayed.
const MAX_ROUNDS: u32 = 50;
/// A client that was seen within this many seconds is never deleted to keep within the bounds, so
/// that its user has time to sign in. This is as long as an authorization request is valid.
const YOUNG_FOR: i64 = 600;

/// Deletes clients that were not seen for `forget_after` seconds, and returns how many. 0 keeps
/// all.
pub async fn forget_clients(context: &Context, forget_after: i64) -> Result<u64, DbError> {
    if forget_after == 0 {
        return Ok(0);
    }
    let seen_before = context.clock.now().minus(forget_after);
    in_batches(|| unused::forget(&context.db, seen_before, BATCH)).await
}

/// The number of unused clients at the last count, and how many this server added since then. Cheap
/// to clone; all clones share the numbers.
#[derive(Clone, Debug)]
pub struct UnusedClients(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bounds: UnusedBounds,
    counted: Number,
    added: Number,
    /// Whether a bound is exceeded and only young clients are left.
    is_stuck: AtomicBool,
    too_many: Notify,
}

#[derive(Debug, Default)]
struct Number {
    clients: AtomicU64,
    bytes: AtomicU64,
}

impl Number {
    fn get(&self) -> Unused {
        Unused {
            clients: self.clients.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    fn set(&self, unused: Unused) {
        self.clients.store(unused.clients, Ordering::Relaxed);
        self.bytes.store(unused.bytes, Ordering::Relaxed);
    }
}

impl UnusedClients {
    pub fn new(bounds: UnusedBounds) -> Self {
        let (counted, added, too_many) = (Number::default(), Number::default(), Notify::new());
        Self(Arc::new(Shared {
            bounds,
            counted,
            added,
            is_stuck: AtomicBool::new(false),
            too_many,
        }))
    }

    pub fn bounds(&self) -> UnusedBounds {
        self.0.bounds
    }

    /// Counts a new client. While only young clients are left to delete, the next count waits for
    /// the timer of the sweeper.
    pub(in crate::actions) fn add(&self, bytes: usize) {
        let Shared { bounds, counted, added, is_stuck, too_many } = &*self.0;
        added.clients.fetch_add(1, Ordering::Relaxed);
        added.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let (counted, added) = (counted.get(), added.get());
        let estimate = Unused {
            clients: counted.clients + added.clients,
            bytes: counted.bytes.saturating_add(added.bytes),
        };
        if is_stuck.load(Ordering::Relaxed) {
            return;
        }
        if bounds.are_exceeded_by(estimate) || bounds.need_a_recount_after(added) {
            too_many.notify_one();
        }
    }

    fn set(&self, counted: Unused) {
        self.0.counted.set(counted);
        self.0.added.set(Unused::default());
    }

    fn set_stuck(&self, is_stuck: bool) {
        self.0.is_stuck.store(is_stuck, Ordering::Relaxed);
    }

    /// Waits until there may be too many clients.
    pub async fn too_many(&self) {
        self.0.too_many.notified().await;
    }
}

/// The unused clients that are left, and how many were deleted to keep within the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounded {
    pub unused: Unused,
    pub forgotten: u64,
}

/// Counts the unused clients and deletes the least recently seen ones, until the bounds are kept or
/// only young clients are left. A pending authorization request does not protect an older client.
/// Otherwise, requests for many clients could direct the deletion at the clients of others.
pub async fn bound_unused_clients(
    context: &Context,
    unused: &UnusedClients,
    known: &KnownClients,
) -> Result<Bounded, DbError> {
    let bounds = unused.bounds();
    let young_since = context.clock.now().minus(YOUNG_FOR);
    let mut forgotten = 0;
    for _ in 0..MAX_ROUNDS {
        let counted = unused::count(&context.db, bounds.clients.saturating_mul(2), LISTED).await?;
        unused.set(counted.unused);
        let old = counted.oldest.iter().take_while(|client| client.last_seen_at < young_since);
        let sizes = old.map(|client| client.bytes);
        let excess = &counted.oldest[..bounds.how_many_to_delete(counted.unused, sizes)];
        if excess.is_empty() {
            unused.set_stuck(bounds.are_exceeded_by(counted.unused));
            // Another server may have deleted every client that was seen before this one.
            if let Some(oldest) = counted.oldest.first() {
                known.invalidate_until(oldest.last_seen_at.minus(1));
            }
            return Ok(Bounded { unused: counted.unused, forgotten });
        }
        forgotten += delete(&context.db, excess, known).await?;
    }
    unused.set_stuck(false);
    let counted = unused::count(&context.db, bounds.clients.saturating_mul(2), 1).await?;
    Ok(Bounded { unused: counted.unused, forgotten })
}

async fn delete(db: &Db, excess: &[UnusedClient], known: &KnownClients) -> Result<u64, DbError> {
    let mut deleted = 0;
    for batch in excess.chunks(BATCH as usize) {
        let ids: Vec<ClientId> = batch.iter().map(|client| client.id).collect();
        let seen_until = batch.last().map_or(Timestamp::from_seconds(0), |last| last.last_seen_at);
        // This precedes the deletion, so that a concurrent registration asks the database. The
        // doubt remains afterwards. It covers every row that was last written until then, including
        // a row that a registration has just found and that is deleted next.
        known.invalidate_until(seen_until);
        deleted += unused::delete_with_requests(db, &ids, seen_until).await?;
    }
    Ok(deleted)
}
