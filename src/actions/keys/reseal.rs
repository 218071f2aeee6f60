//! Seals everything again under the newest key of the ring, while servers run. What was done stays done where it is cut
//! short, and running it again goes on.

use uuid::Uuid;

use crate::actions::context::Context;
use crate::db::engine::Db;
use crate::db::engine::error::DbError;
use crate::db::keys::sealed::{SealedRow, SealedTable};
use crate::db::keys::{sealed, signing_keys};
use crate::sealing::{KeyRing, Place, SealError};
use crate::{sealing, signing};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    pub resealed: u64,
    /// Sealed under keys that are not in the ring, or damaged.
    pub unopened: u64,
}

/// Rows read by one statement.
const BATCH: i64 = 100;

/// `progress` hears how many of how many rows are done.
pub async fn reseal(
    context: &Context,
    ring: &KeyRing,
    progress: impl FnMut(usize, usize),
) -> Result<Resealed, DbError> {
    let newest = ring.newest().id();
    // There are never more than a handful of them.
    let mut keys = signing_keys::list(&context.db).await?;
    keys.retain(|row| row.key_id != newest);
    let of = keys.len() + count_of_orgs(&context.db, newest).await?;
    let mut pass = Pass { context, ring, progress, done: 0, of, outcome: Resealed::default() };
    for row in keys {
        pass.reseal_signing_key(&row).await?;
    }
    for table in sealed::ALL {
        pass.reseal_table(table).await?;
    }
    // Where rows came or went meanwhile, whoever watches sees an end nevertheless.
    (pass.progress)(pass.of, pass.of);
    Ok(pass.outcome)
}

async fn count_of_orgs(db: &Db, newest: &str) -> Result<usize, DbError> {
    let mut rows = 0;
    for table in sealed::ALL {
        let counted = sealed::count_by_key(db, table).await?;
        rows += counted.into_iter().filter(|(key_id, _)| key_id != newest).map(|(_, rows)| rows).sum::<u64>();
    }
    Ok(usize::try_from(rows).unwrap_or(usize::MAX))
}

struct Pass<'a, P> {
    context: &'a Context,
    ring: &'a KeyRing,
    progress: P,
    done: usize,
    of: usize,
    outcome: Resealed,
}

impl<P: FnMut(usize, usize)> Pass<'_, P> {
    async fn reseal_signing_key(&mut self, row: &signing_keys::SigningKey) -> Result<(), DbError> {
        self.begin_row();
        let place = signing::place_of(&row.id);
        match sealing::open(self.ring, place, &row.sealed) {
            Ok(plain) => {
                let sealed = sealing::seal(self.ring, &self.context.random, place, &plain);
                let replaced = signing_keys::reseal(&self.context.db, row, &sealed.bytes, &sealed.key_id).await?;
                self.outcome.resealed += u64::from(replaced);
            }
            Err(_) => self.outcome.unopened += 1,
        }
        Ok(())
    }

    async fn reseal_table(&mut self, table: &SealedTable) -> Result<(), DbError> {
        // Ids are UUIDs of version 7 or made by hand, and never nil.
        let mut after = Uuid::nil();
        loop {
            let newest = self.ring.newest().id();
            let batch = sealed::list_of_other_keys(&self.context.db, table, newest, after, BATCH).await?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = last.id;
            for row in batch {
                self.reseal_row(table, &row).await?;
            }
        }
    }

    async fn reseal_row(&mut self, table: &SealedTable, row: &SealedRow) -> Result<(), DbError> {
        self.begin_row();
        match self.sealed_again(table, row) {
            Ok(values) => {
                let newest = self.ring.newest().id();
                // Where somebody else was faster there is nothing left to do.
                let replaced = sealed::reseal(&self.context.db, table, row, &values, newest).await?;
                self.outcome.resealed += u64::from(replaced);
            }
            Err(_) => self.outcome.unopened += 1,
        }
        Ok(())
    }

    /// All that is sealed in the row, or nothing: its columns have one key.
    fn sealed_again(&self, table: &SealedTable, row: &SealedRow) -> Result<Vec<Option<Vec<u8>>>, SealError> {
        let id = row.id.to_string();
        let values = table.columns.iter().zip(&row.values).map(|(column, value)| {
            let Some(value) = value else { return Ok(None) };
            let place = Place { table: table.name, column, row: &id, org: Some(row.org_id) };
            let plain = sealing::open(self.ring, place, value)?;
            Ok(Some(sealing::seal(self.ring, &self.context.random, place, &plain).bytes))
        });
        values.collect()
    }

    fn begin_row(&mut self) {
        (self.progress)(self.done.min(self.of), self.of);
        self.done += 1;
    }
}
