//! Seals everything again under the newest key of the ring, while servers run. What was done stays done where it is cut
//! short, and running it again goes on.

use super::Context;
use crate::db::{DbError, signing_keys};
use crate::sealing::{self, KeyRing};
use crate::signing;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    pub resealed: u64,
    /// Sealed under keys that are not in the ring, or damaged.
    pub unopened: u64,
}

/// `progress` hears how many of how many rows are done.
pub async fn reseal_signing_keys(
    context: &Context,
    ring: &KeyRing,
    mut progress: impl FnMut(usize, usize),
) -> Result<Resealed, DbError> {
    let newest = ring.newest().id();
    // There are never more than a handful of them.
    let mut rows = signing_keys::list(&context.db).await?;
    rows.retain(|row| row.key_id != newest);
    let mut outcome = Resealed::default();
    for (done, row) in rows.iter().enumerate() {
        progress(done, rows.len());
        match sealing::open(ring, signing::place_of(&row.id), &row.sealed) {
            Ok(plain) => {
                let sealed = sealing::seal(ring, &context.random, signing::place_of(&row.id), &plain);
                // Where somebody else was faster there is nothing left to do.
                let replaced = signing_keys::reseal(&context.db, row, &sealed.bytes, &sealed.key_id).await?;
                outcome.resealed += u64::from(replaced);
            }
            Err(_) => outcome.unopened += 1,
        }
    }
    progress(rows.len(), rows.len());
    Ok(outcome)
}
