//! When families were last used, gathered in the process and written in batches: a check of a token writes nothing.
//!
//! Bounded, so that no flood of checks costs memory; what does not fit is counted with the next use. A stop loses at most
//! a minute of it, which only lists show. A family that is used here for the first time is not kept waiting for so long:
//! somebody may be looking whether a client works.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Db, DbError, families};
use crate::oauth::{FamilyId, Timestamp};

const MOST: usize = 20_000;

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
    waiting: HashMap<FamilyId, Timestamp>,
    /// Written since the last sweep but one.
    written: HashSet<FamilyId>,
    written_before: HashSet<FamilyId>,
}

impl LastUses {
    pub fn note(&self, family: FamilyId, now: Timestamp) {
        let mut uses = self.uses();
        if uses.waiting.len() >= MOST && !uses.waiting.contains_key(&family) {
            return;
        }
        let is_first = uses.waiting.insert(family, now).is_none()
            && !uses.written.contains(&family)
            && !uses.written_before.contains(&family);
        drop(uses);
        if is_first {
            self.0.first_use.notify_one();
        }
    }

    /// Until a family is used that was not used here for a while.
    pub async fn first_use(&self) {
        self.0.first_use.notified().await;
    }

    /// Writes what was gathered. Where that fails it is gone: the next use is as good.
    pub async fn write(&self, db: &Db) -> Result<(), DbError> {
        for batch in self.take().chunks(500) {
            families::record_use(db, batch).await?;
        }
        Ok(())
    }

    fn take(&self) -> Vec<(FamilyId, Timestamp)> {
        let mut uses = self.uses();
        let waiting = std::mem::take(&mut uses.waiting);
        if uses.written.len() < MOST {
            uses.written.extend(waiting.keys());
        }
        waiting.into_iter().collect()
    }

    /// Once a minute, so that what is not used any more is forgotten here.
    pub fn age(&self) {
        let mut uses = self.uses();
        uses.written_before = std::mem::take(&mut uses.written);
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.0.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    fn note(uses: &LastUses, number: u128, at: i64) {
        uses.note(FamilyId(Uuid::from_u128(number)), Timestamp::from_seconds(at));
    }

    fn is_told(uses: &LastUses) -> bool {
        uses.first_use().now_or_never().is_some()
    }

    #[test]
    fn the_first_use_of_a_family_is_told_and_the_next_ones_are_not_until_it_has_rested() {
        let uses = LastUses::default();
        assert!(!is_told(&uses));

        note(&uses, 1, 10);
        assert!(is_told(&uses));
        note(&uses, 1, 11);
        assert!(!is_told(&uses), "it waits already");
        uses.take();
        note(&uses, 1, 12);
        uses.age();
        uses.take();
        note(&uses, 1, 13);
        assert!(!is_told(&uses), "it was written a moment ago");
        note(&uses, 2, 13);
        assert!(is_told(&uses));
        uses.take();
        for _ in 0..2 {
            uses.age();
        }
        note(&uses, 1, 14);
        assert!(is_told(&uses), "after two minutes without a use");
    }
}
