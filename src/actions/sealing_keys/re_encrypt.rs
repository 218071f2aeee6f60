//! Seals everything again under the newest key of the ring, while servers run. If it is
//! interrupted, running it again continues.

use uuid::Uuid;

use crate::actions::context::Context;
use crate::db::engine::Db;
use crate::db::engine::error::DbError;
use crate::db::keys::sealed::{SealedRow, SealedTable};
use crate::db::keys::{sealed, signing_keys};
use crate::sealing::{Place, SealError};
use crate::{sealing, signing};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    pub resealed: u64,
    /// Number of rows that are damaged or sealed under a key that is not in the ring.
    pub unopened: u64,
}

/// Number of rows that one statement reads.
const BATCH: i64 = 100;

/// `progress` is called with the number of finished rows and the number of all rows.
pub async fn re_encrypt(
    context: &Context,
    progress: impl FnMut(usize, usize),
) -> Result<Resealed, DbError> {
    let newest = context.ring.newest().id();
    // There are only a few signing keys, so they are not read in batches.
    let mut keys = signing_keys::list(&context.db).await?;
    keys.retain(|row| row.key_id != newest);
    let total = keys.len() + count_of_orgs(&context.db, newest).await?;
    let mut pass = Pass { context, progress, done: 0, total, outcome: Resealed::default() };
    for row in keys {
        pass.reseal_signing_key(&row).await?;
    }
    for table in sealed::ALL {
        pass.reseal_table(table).await?;
    }
    // The last call reports completion, even if rows were added or deleted in the meantime.
    (pass.progress)(pass.total, pass.total);
    Ok(pass.outcome)
}

async fn count_of_orgs(db: &Db, newest: &str) -> Result<usize, DbError> {
    let mut rows = 0;
    for table in sealed::ALL {
        let counted = sealed::count_by_key(db, table).await?;
        rows += counted
            .into_iter()
            .filter(|(key_id, _)| key_id != newest)
            .map(|(_, rows)| rows)
            .sum::<u64>();
    }
    Ok(usize::try_from(rows).unwrap_or(usize::MAX))
}

struct Pass<'a, P> {
    context: &'a Context,
    progress: P,
    done: usize,
    total: usize,
    outcome: Resealed,
}

impl<P: FnMut(usize, usize)> Pass<'_, P> {
    async fn reseal_signing_key(&mut self, row: &signing_keys::SigningKey) -> Result<(), DbError> {
        self.begin_row();
        let place = signing::place_of(&row.id);
        match sealing::open(&self.context.ring, place, &row.sealed) {
            Ok(plain) => {
                let sealed = sealing::seal(&self.context.ring, &self.context.random, place, &plain);
                let replaced =
                    signing_keys::reseal(&self.context.db, row, &sealed.bytes, &sealed.key_id)
                        .await?;
                self.outcome.resealed += u64::from(replaced);
            }
            Err(_) => self.outcome.unopened += 1,
        }
        Ok(())
    }

    async fn reseal_table(&mut self, table: &SealedTable) -> Result<(), DbError> {
        // Ids are never nil.
        let mut after = Uuid::nil();
        loop {
            let newest = self.context.ring.newest().id();
            let batch =
                sealed::list_sealed_by_other_keys(&self.context.db, table, newest, after, BATCH)
                    .await?;
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
                let newest = self.context.ring.newest().id();
                // If another process was faster, there is nothing left to do.
                let replaced =
                    sealed::reseal(&self.context.db, table, row, &values, newest).await?;
                self.outcome.resealed += u64::from(replaced);
            }
            Err(_) => self.outcome.unopened += 1,
        }
        Ok(())
    }

    /// Seals all columns of the row again, or none, since they share one key.
    fn sealed_again(
        &self,
        table: &SealedTable,
        row: &SealedRow,
    ) -> Result<Vec<Option<Vec<u8>>>, SealError> {
        let id = row.id.to_string();
        let values = table.columns.iter().zip(&row.values).map(|(column, value)| {
            let Some(value) = value else { return Ok(None) };
            let place = Place { table: table.name, column, row: &id, org: Some(row.org_id) };
            let plain = sealing::open(&self.context.ring, place, value)?;
            Ok(Some(sealing::seal(&self.context.ring, &self.context.random, place, &plain).bytes))
        });
        values.collect()
    }

    fn begin_row(&mut self) {
        (self.progress)(self.done.min(self.total), self.total);
        self.done += 1;
    }
}
