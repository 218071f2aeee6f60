//! Collects in memory when keys were last used, and writes the times in batches, so that a request
//! with keys writes nothing.
//!
//! The memory is bounded: a use that does not fit is dropped, and the next use of its key replaces
//! it. A shutdown loses at most a minute of uses, which only affects lists.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use sqlx::types::Json;

use crate::db::engine::error::DbError;
use crate::db::engine::{Db, with_conn};
use crate::rules::id::KeyId;
use crate::rules::secret::hex;
use crate::rules::timestamp::Timestamp;

/// The largest number of keys of each kind.
const MAX_KEYS: usize = 20_000;
/// Seconds. Uses are written about once a minute, so times in lists cannot be more precise.
const RESOLUTION: i64 = 60;
/// The number of keys per statement.
const BATCH: usize = 500;

/// Sorted by id, so that several replicas lock rows in the same order.
type Uses = BTreeMap<KeyId, Timestamp>;

/// It is cheap to clone; all clones share their state.
#[derive(Clone, Debug, Default)]
pub struct KeyUses(Arc<Mutex<Collected>>);

#[derive(Debug, Default)]
struct Collected {
    api_keys: Uses,
    application_keys: Uses,
}

impl KeyUses {
    /// Both keys of a request.
    pub fn note(&self, api_key: KeyId, application_key: KeyId, now: Timestamp) {
        let now = now.rounded_down_to(RESOLUTION);
        let mut collected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut collected.api_keys, api_key, now);
        add(&mut collected.application_keys, application_key, now);
    }

    /// Writes all collected uses. If this fails, they are lost, and the next uses replace them.
    pub async fn write(&self, db: &Db) -> Result<(), DbError> {
        let Collected { api_keys, application_keys } = self.take();
        record(db, &api_keys, UPDATE_API_KEYS).await?;
        record(db, &application_keys, UPDATE_APPLICATION_KEYS).await
    }

    fn take(&self) -> Collected {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn add(uses: &mut Uses, id: KeyId, at: Timestamp) {
    if uses.len() < MAX_KEYS || uses.contains_key(&id) {
        uses.insert(id, at);
    }
}

/// The same statement for both engines.
#[derive(Clone, Copy)]
struct Statement {
    postgres: &'static str,
    sqlite: &'static str,
}

/// An earlier time than the stored one changes nothing.
macro_rules! update_of {
    ($table:literal) => {
        Statement {
            postgres: concat!(
                "WITH used AS (
                   SELECT id, at FROM UNNEST($1::uuid[], $2::bigint[]) AS used (id, at)
                 ), taken AS (
                   SELECT k.id FROM ",
                $table,
                " k JOIN used USING (id)
                    WHERE k.last_used_at IS NULL OR k.last_used_at < used.at
                    ORDER BY k.id FOR NO KEY UPDATE OF k
                 )
                 UPDATE ",
                $table,
                " k SET last_used_at = used.at
                   FROM used JOIN taken USING (id)
                  WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at < used.at)"
            ),
            sqlite: concat!(
                "UPDATE ",
                $table,
                " SET last_used_at = used.at
                   FROM (SELECT unhex(value ->> 0) AS key_id, value ->> 1 AS at FROM json_each($1)) AS used
                  WHERE id = used.key_id AND (last_used_at IS NULL OR last_used_at < used.at)"
            ),
        }
    };
}

const UPDATE_API_KEYS: Statement = update_of!("api_keys");
const UPDATE_APPLICATION_KEYS: Statement = update_of!("application_keys");

async fn record(db: &Db, uses: &Uses, statement: Statement) -> Result<(), DbError> {
    let uses: Vec<(KeyId, Timestamp)> = uses.iter().map(|(id, at)| (*id, *at)).collect();
    for batch in uses.chunks(BATCH) {
        record_batch(db, batch, statement).await?;
    }
    Ok(())
}

async fn record_batch(
    db: &Db,
    uses: &[(KeyId, Timestamp)],
    statement: Statement,
) -> Result<(), DbError> {
    with_conn!(
        db,
        |postgres| sqlx::query(statement.postgres)
            .bind(uses.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
            .bind(uses.iter().map(|(_, at)| at.seconds()).collect::<Vec<_>>())
            .execute(postgres)
            .await
            .map(drop),
        |sqlite| {
            let rows: Vec<_> =
                uses.iter().map(|(id, at)| json!([hex(id.0.as_bytes()), at])).collect();
            sqlx::query(statement.sqlite).bind(Json(rows)).execute(sqlite).await.map(drop)
        }
    )
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(number: u128) -> KeyId {
        KeyId(Uuid::from_u128(number))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn the_last_use_of_each_key_is_kept_to_the_minute() {
        let uses = KeyUses::default();

        uses.note(key(1), key(2), at(59));
        uses.note(key(1), key(3), at(121));

        let Collected { api_keys, application_keys } = uses.take();
        assert_eq!(api_keys, BTreeMap::from([(key(1), at(120))]));
        assert_eq!(application_keys, BTreeMap::from([(key(2), at(0)), (key(3), at(120))]));
        assert!(uses.take().api_keys.is_empty(), "they were taken");
    }

    #[test]
    fn uses_beyond_the_limit_are_dropped_but_known_keys_are_kept_up_to_date() {
        let uses = KeyUses::default();

        for number in 0..=MAX_KEYS as u128 {
            uses.note(key(number), key(0), at(0));
        }
        uses.note(key(0), key(0), at(60));

        let Collected { api_keys, application_keys } = uses.take();
        assert_eq!((api_keys.len(), application_keys.len()), (MAX_KEYS, 1));
        assert_eq!(api_keys.get(&key(0)), Some(&at(60)));
        assert_eq!(api_keys.get(&key(MAX_KEYS as u128)), None);
    }
}
