//! Collects in memory when families were last used, and writes the times in batches, so that
//! checking a token writes nothing.
//!
//! The memory is bounded: a use that does not fit is dropped, and the next use of its family
//! replaces it. A shutdown loses at most a minute of uses, which only affects lists. The first use
//! of a family on this server is written without waiting for the next minute, because an operator
//! may be checking whether a client works.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::db::engine::Db;
use crate::db::engine::error::DbError;
use crate::db::families::uses;
use crate::rules::id::FamilyId;
use crate::rules::timestamp::Timestamp;

/// The largest number of families in each collection.
const MAX_FAMILIES: usize = 20_000;
/// Seconds. Uses are written about once a minute, so times in lists cannot be more precise.
const RESOLUTION: i64 = 60;
/// The largest number of first uses that are written at once.
const MAX_FIRST_USES: usize = 1_000;

/// It is cheap to clone; all clones share their state.
#[derive(Clone, Debug, Default)]
pub struct LastUses(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    uses: Mutex<Uses>,
    first_use: Notify,
}

#[derive(Debug, Default)]
struct Uses {
    /// Uses of families that were not written recently.
    first: HashMap<FamilyId, Timestamp>,
    waiting: HashMap<FamilyId, Timestamp>,
    /// Families that were written since the last call of [`LastUses::expire_written`].
    written: HashSet<FamilyId>,
    /// Families that were written between the last two calls.
    written_before: HashSet<FamilyId>,
}

impl Uses {
    fn is_first(&self, family: &FamilyId) -> bool {
        // If too many families are in use to remember all of them, they wait for the next minute.
        let is_known = self.written.contains(family) || self.written_before.contains(family);
        !is_known && self.first.len() < MAX_FIRST_USES && self.written.len() < MAX_FAMILIES
    }

    fn mark_written(&mut self, uses: HashMap<FamilyId, Timestamp>) -> Vec<(FamilyId, Timestamp)> {
        let room = MAX_FAMILIES.saturating_sub(self.written.len());
        self.written.extend(uses.keys().take(room));
        uses.into_iter().collect()
    }
}

impl LastUses {
    pub fn note(&self, family: FamilyId, now: Timestamp) {
        let now = now.rounded_down_to(RESOLUTION);
        let mut uses = self.uses();
        let Uses { first, waiting, .. } = &mut *uses;
        if let Some(at) = first.get_mut(&family).or_else(|| waiting.get_mut(&family)) {
            *at = now;
        } else if uses.is_first(&family) {
            uses.first.insert(family, now);
            drop(uses);
            self.0.first_use.notify_one();
        } else if uses.waiting.len() < MAX_FAMILIES {
            uses.waiting.insert(family, now);
        }
    }

    /// Waits until a family is used that was not used on this server recently.
    pub async fn wait_for_first_use(&self) {
        self.0.first_use.notified().await;
    }

    /// Writes all collected uses. If this fails, they are lost, and the next uses replace them.
    pub async fn write(&self, db: &Db) -> Result<(), DbError> {
        self.write_first_uses(db).await?;
        record(db, &self.take_waiting()).await
    }

    /// Writes only the first uses.
    pub async fn write_first_uses(&self, db: &Db) -> Result<(), DbError> {
        record(db, &self.take_first()).await
    }

    /// Forgets the families that were not written since the previous call. Call this once a minute.
    pub fn expire_written(&self) {
        let mut uses = self.uses();
        uses.written_before = std::mem::take(&mut uses.written);
    }

    fn take_first(&self) -> Vec<(FamilyId, Timestamp)> {
        let mut uses = self.uses();
        let first = std::mem::take(&mut uses.first);
        uses.mark_written(first)
    }

    fn take_waiting(&self) -> Vec<(FamilyId, Timestamp)> {
        let mut uses = self.uses();
        let waiting = std::mem::take(&mut uses.waiting);
        uses.mark_written(waiting)
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.0.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn record(db: &Db, uses: &[(FamilyId, Timestamp)]) -> Result<(), DbError> {
    for batch in uses.chunks(500) {
        uses::record_use(db, batch).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    fn family(number: u128) -> FamilyId {
        FamilyId(Uuid::from_u128(number))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn note(uses: &LastUses, number: u128, seconds: i64) {
        uses.note(family(number), at(seconds));
    }

    fn is_notified(uses: &LastUses) -> bool {
        uses.wait_for_first_use().now_or_never().is_some()
    }

    #[test]
    fn the_first_use_of_a_family_notifies_and_later_ones_wait_until_it_was_unused_for_a_while() {
        let uses = LastUses::default();
        assert!(!is_notified(&uses));

        note(&uses, 1, 600);
        assert!(is_notified(&uses));
        note(&uses, 1, 660);
        assert!(!is_notified(&uses), "the first use is already waiting");
        assert_eq!(uses.take_first(), [(family(1), at(660))]);
        uses.expire_written();
        note(&uses, 1, 720);
        note(&uses, 2, 720);
        assert!(is_notified(&uses), "the second family");
        assert_eq!(
            uses.take_first(),
            [(family(2), at(720))],
            "without the family that was just written"
        );
        assert_eq!(uses.take_waiting(), [(family(1), at(720))]);
        for _ in 0..2 {
            uses.expire_written();
        }
        note(&uses, 1, 13);
        assert!(is_notified(&uses), "after two minutes without a use");
    }

    #[test]
    fn the_time_of_a_use_is_rounded_down_to_the_minute() {
        let uses = LastUses::default();

        note(&uses, 1, 179);

        assert_eq!(uses.take_first(), [(family(1), at(120))]);
    }

    #[test]
    fn first_uses_beyond_the_limit_wait_for_the_next_minute() {
        let uses = LastUses::default();

        for number in 0..=MAX_FIRST_USES as u128 {
            note(&uses, number, 10);
        }
        assert_eq!((uses.take_first().len(), uses.take_waiting().len()), (MAX_FIRST_USES, 1));
        for number in 0..2 * MAX_FAMILIES as u128 {
            note(&uses, number, 11);
            uses.take_first();
        }
        let remembered = uses.uses().written.len();
        assert_eq!((remembered, uses.take_waiting().len()), (MAX_FAMILIES, MAX_FAMILIES));
        assert_eq!(
            uses.take_first(),
            [],
            "no use counts as first if not all families are remembered"
        );
    }
}
