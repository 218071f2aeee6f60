//! When families were last used, gathered in the process and written in batches: a check of a token writes nothing.
//!
//! Bounded, so that no flood of checks costs memory; what does not fit is counted with the next use. A stop loses at most
//! a minute of it, which only lists show.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Db, DbError, families};
use crate::oauth::{FamilyId, Timestamp};

const MOST: usize = 20_000;

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct LastUses(Arc<Mutex<HashMap<FamilyId, Timestamp>>>);

impl LastUses {
    pub fn note(&self, family: FamilyId, now: Timestamp) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() < MOST || uses.contains_key(&family) {
            uses.insert(family, now);
        }
    }

    /// Writes what was gathered. Where that fails it is gone: the next use is as good.
    pub async fn write(&self, db: &Db) -> Result<(), DbError> {
        let uses: Vec<(FamilyId, Timestamp)> =
            std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect();
        for batch in uses.chunks(500) {
            families::record_use(db, batch).await?;
        }
        Ok(())
    }
}
