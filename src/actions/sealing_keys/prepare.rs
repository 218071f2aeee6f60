//! Checks, before a server starts, that its key ring opens the stored secrets of organizations, and
//! records when its newest key began to seal.

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
        "{0}. Add the missing keys after the newest key in `secrets.key` or, if that is not set, in \
         the key file next to the database. `grantor keys status` shows what needs which key, and \
         `grantor keys forget` deletes everything that a lost key has encrypted"
    )]
    Missing(MissingRingKeys),
    /// Every row that was tried failed to open.
    #[error(
        "the ring key \"{0}\" is not the key with this id that encrypted {1}: nothing can be \
         decrypted. Put the original key back into `secrets.key` or, if that is not set, into the key \
         file next to the database. If that key is lost, `grantor keys forget` deletes everything \
         that it has encrypted"
    )]
    AnotherKey(String, String),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The keys that are missing from the ring, and what is sealed under each. Never empty.
#[derive(Debug)]
pub struct MissingRingKeys(Vec<(String, RingUsage)>);

impl fmt::Display for MissingRingKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (id, usage)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let (id, sealed) = (id.escape_debug(), usage.describe_sealed());
            write!(
                formatter,
                "{separator}the ring key \"{id}\" is not in the ring, and it encrypts {sealed}"
            )?;
        }
        Ok(())
    }
}

/// The limit of rows per table that are tried.
const MAX_TRIED: i64 = 10;

/// Signing keys are checked elsewhere, since a key that cannot be opened still verifies what it
/// signed.
pub async fn prepare_key_ring(context: &Context) -> Result<(), PrepareKeyRingError> {
    let mut needed: Vec<_> = ring_usage::count_sealed(&context.db).await?.into_iter().collect();
    needed.retain(|(_, usage)| usage.org_secrets() > 0);
    let (present, missing): (Vec<_>, Vec<_>) =
        needed.into_iter().partition(|(id, _)| context.ring.find(id).is_some());
    if !missing.is_empty() {
        return Err(PrepareKeyRingError::Missing(MissingRingKeys(missing)));
    }
    for (id, usage) in present {
        if !opens_any(&context.db, &context.ring, &id, MAX_TRIED).await? {
            let of_orgs = RingUsage { signing_keys: 0, ..usage };
            return Err(PrepareKeyRingError::AnotherKey(id, of_orgs.describe_sealed()));
        }
    }
    let newest = context.ring.newest().id();
    if sealing_keys::insert(&context.db, newest, context.clock.now()).await? {
        tracing::debug!(ring_key = newest, "a new key of the ring encrypts from now on");
    }
    Ok(())
}

/// Whether the ring opens any row that a key with this id sealed, since two keys may have the same
/// id. One damaged row does not prevent a start if other rows open.
pub(in crate::actions) async fn opens_any(
    db: &Db,
    ring: &KeyRing,
    key_id: &str,
    limit: i64,
) -> Result<bool, DbError> {
    for table in sealed::ALL {
        let rows = sealed::list_sealed_by_key(db, table, key_id, limit).await?;
        if rows.iter().any(|row| opens(ring, table, row)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn opens(ring: &KeyRing, table: &SealedTable, row: &SealedRow) -> bool {
    let id = row.id.to_string();
    let mut sealed = table
        .columns
        .iter()
        .zip(&row.values)
        .filter_map(|(column, value)| Some((column, value.as_ref()?)));
    sealed.any(|(column, value)| {
        let place = Place { table: table.name, column, row: &id, org: Some(row.org_id) };
        sealing::open(ring, place, value).is_ok()
    })
}
