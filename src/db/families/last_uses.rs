//! When families were last used, gathered in the process and written in batches: a check of a token writes nothing.
//!
//! Bounded, so that no flood of checks costs memory; what does not fit is counted with the next use. A stop loses at most
//! a minute of it, which only lists show. A family that is used here for the first time is not kept waiting for so long:
//! somebody may be looking whether a client works.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::db::engine::Db;
use crate::db::engine::error::DbError;
use crate::db::families::uses;
use crate::rules::id::FamilyId;
use crate::rules::timestamp::Timestamp;

const MOST: usize = 20_000;
/// Seconds. Uses are written about once a minute, so a list that showed seconds would be wrong.
const KEPT_TO: i64 = 60;
/// So many first uses are written at once.
const MOST_FIRST: usize = 1_000;

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct LastUses(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    uses: Mutex<Uses>,
    first_use: Notify,
}

#[derive(Debug, Default)]
struct Uses {
    /// Of families that were not written for a while.
    first: HashMap<FamilyId, Timestamp>,
    waiting: HashMap<FamilyId, Timestamp>,
    /// Since the last sweep, and between that and the one before.
    written: HashSet<FamilyId>,
    written_before: HashSet<FamilyId>,
}

impl Uses {
    fn is_first(&self, family: &FamilyId) -> bool {
        // Where so many are in use that not all are remembered here, they wait for the minute.
        let is_known = self.written.contains(family) || self.written_before.contains(family);
        !is_known && self.first.len() < MOST_FIRST && self.written.len() < MOST
    }

    fn are_written(&mut self, uses: HashMap<FamilyId, Timestamp>) -> Vec<(FamilyId, Timestamp)> {
        let room = MOST.saturating_sub(self.written.len());
        self.written.extend(uses.keys().take(room));
        uses.into_iter().collect()
    }
}

impl LastUses {
    pub fn note(&self, family: FamilyId, now: Timestamp) {
        let now = now.rounded_down_to(KEPT_TO);
        let mut uses = self.uses();
        let Uses { first, waiting, .. } = &mut *uses;
        if let Some(at) = first.get_mut(&family).or_else(|| waiting.get_mut(&family)) {
            *at = now;
        } else if uses.is_first(&family) {
            uses.first.insert(family, now);
            drop(uses);
            self.0.first_use.notify_one();
        } else if uses.waiting.len() < MOST {
            uses.waiting.insert(family, now);
        }
    }

    /// Until a family is used that was not used here for a while.
    pub async fn first_use(&self) {
        self.0.first_use.notified().await;
    }

    /// Writes what was gathered. Where that fails it is gone: the next use is as good.
    pub async fn write(&self, db: &Db) -> Result<(), DbError> {
        self.write_first(db).await?;
        record(db, &self.take_waiting()).await
    }

    /// Writes first uses alone: the others have their minute.
    pub async fn write_first(&self, db: &Db) -> Result<(), DbError> {
        record(db, &self.take_first()).await
    }

    /// Once a minute, so that what is not used any more is forgotten here.
    pub fn age(&self) {
        let mut uses = self.uses();
        uses.written_before = std::mem::take(&mut uses.written);
    }

    fn take_first(&self) -> Vec<(FamilyId, Timestamp)> {
        let mut uses = self.uses();
        let first = std::mem::take(&mut uses.first);
        uses.are_written(first)
    }

    fn take_waiting(&self) -> Vec<(FamilyId, Timestamp)> {
        let mut uses = self.uses();
        let waiting = std::mem::take(&mut uses.waiting);
        uses.are_written(waiting)
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

    fn is_told(uses: &LastUses) -> bool {
        uses.first_use().now_or_never().is_some()
    }

    #[test]
    fn the_first_use_of_a_family_is_told_and_the_next_ones_wait_until_it_has_rested() {
        let uses = LastUses::default();
        assert!(!is_told(&uses));

        note(&uses, 1, 600);
        assert!(is_told(&uses));
        note(&uses, 1, 660);
        assert!(!is_told(&uses), "it waits already");
        assert_eq!(uses.take_first(), [(family(1), at(660))]);
        uses.age();
        note(&uses, 1, 720);
        note(&uses, 2, 720);
        assert!(is_told(&uses), "the second one");
        assert_eq!(uses.take_first(), [(family(2), at(720))], "and nothing that was written a moment ago");
        assert_eq!(uses.take_waiting(), [(family(1), at(720))]);
        for _ in 0..2 {
            uses.age();
        }
        note(&uses, 1, 13);
        assert!(is_told(&uses), "after two minutes without a use");
    }

    #[test]
    fn a_use_is_kept_to_the_minute() {
        let uses = LastUses::default();

        note(&uses, 1, 179);

        assert_eq!(uses.take_first(), [(family(1), at(120))]);
    }

    #[test]
    fn a_crowd_of_first_uses_waits_for_the_minute() {
        let uses = LastUses::default();

        for number in 0..=MOST_FIRST as u128 {
            note(&uses, number, 10);
        }
        assert_eq!((uses.take_first().len(), uses.take_waiting().len()), (MOST_FIRST, 1));
        for number in 0..2 * MOST as u128 {
            note(&uses, number, 11);
            uses.take_first();
        }
        let remembered = uses.uses().written.len();
        assert_eq!((remembered, uses.take_waiting().len()), (MOST, MOST));
        assert_eq!(uses.take_first(), [], "where not all are remembered, none is first");
    }
}
