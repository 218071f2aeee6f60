//! Before a server starts: its ring opens what organisations have stored, and it is on record since when its newest key
//! seals.

use std::fmt;

use crate::actions::context::Context;
use crate::db::engine::Db;
use crate::db::engine::error::DbError;
use crate::db::keys::ring_usage::RingUsage;
use crate::db::keys::sealed::{SealedRow, SealedTable};
use crate::db::keys::{ring_usage, sealed, sealing_keys};
use crate::sealing;
use crate::sealing::{KeyRing, Place};

#[derive(Debug, thiserror::Error)]
pub enum PrepareKeyRingError {
    #[error(
        "{0}. Put what is missing behind the newest key in `secrets.key`, or where no key is set into the key file beside \
         the database. `grantor keys status` shows what needs which key, and `grantor keys forget` removes what one that is lost has sealed"
    )]
    Missing(MissingRingKeys),
    /// Nothing that was tried opens.
    #[error(
        "the ring key \"{0}\" is another one than the key of this id that sealed {1}: none of it opens. Put the key that it \
         was back into `secrets.key`, or where no key is set into the key file beside the database; `grantor keys forget` \
         removes what it has sealed where it is lost"
    )]
    AnotherKey(String, String),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Keys that the ring lacks, and what is sealed under each. Never empty.
#[derive(Debug)]
pub struct MissingRingKeys(Vec<(String, RingUsage)>);

impl fmt::Display for MissingRingKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (id, usage)) in self.0.iter().enumerate() {
            let joint = if index == 0 { "" } else { "; " };
            let (id, sealed) = (id.escape_debug(), usage.sealed_in_words());
            write!(formatter, "{joint}the ring key \"{id}\" is not in the ring, and it seals {sealed}")?;
        }
        Ok(())
    }
}

/// So many rows of a table are tried.
const ENOUGH: i64 = 10;

/// Signing keys have a check of their own, since one that cannot be opened still checks what it signed.
pub async fn prepare_key_ring(context: &Context, ring: &KeyRing) -> Result<(), PrepareKeyRingError> {
    let mut needed: Vec<_> = ring_usage::count_sealed(&context.db).await?.into_iter().collect();
    needed.retain(|(_, usage)| usage.of_orgs() > 0);
    let (there, missing): (Vec<_>, Vec<_>) = needed.into_iter().partition(|(id, _)| ring.find(id).is_some());
    if !missing.is_empty() {
        return Err(PrepareKeyRingError::Missing(MissingRingKeys(missing)));
    }
    for (id, usage) in there {
        if !opens_something(&context.db, ring, &id, ENOUGH).await? {
            let of_orgs = RingUsage { signing_keys: 0, ..usage };
            return Err(PrepareKeyRingError::AnotherKey(id, of_orgs.sealed_in_words()));
        }
    }
    let newest = ring.newest().id();
    if sealing_keys::insert(&context.db, newest, context.clock.now()).await? {
        tracing::debug!(ring_key = newest, "this key of the ring seals from now on");
    }
    Ok(())
}

/// Two keys may have one id. A row that is damaged holds up no start while others open.
pub(in crate::actions) async fn opens_something(
    db: &Db,
    ring: &KeyRing,
    key_id: &str,
    most: i64,
) -> Result<bool, DbError> {
    for table in sealed::ALL {
        let rows = sealed::list_some_of_key(db, table, key_id, most).await?;
        if rows.iter().any(|row| opens(ring, table, row)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn opens(ring: &KeyRing, table: &SealedTable, row: &SealedRow) -> bool {
    let id = row.id.to_string();
    let mut sealed =
        table.columns.iter().zip(&row.values).filter_map(|(column, value)| Some((column, value.as_ref()?)));
    sealed.any(|(column, value)| {
        let place = Place { table: table.name, column, row: &id, org: Some(row.org_id) };
        sealing::open(ring, place, value).is_ok()
    })
}
