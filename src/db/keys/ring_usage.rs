//! Counts the rows that still need each key of the key ring.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::db::engine::column::count as unsigned;
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, with_conn};
use crate::db::keys::sealed;

/// The numbers of rows that need one key of the ring. All but the last are sealed under it, and
/// cannot be opened without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RingUsage {
    pub signing_keys: u64,
    pub auth_methods: u64,
    pub webhooks: u64,
    pub webhook_variables: u64,
    /// Families that are not revoked and whose current refresh token was derived from the key. The
    /// token stays valid without the key.
    pub families: u64,
}

impl RingUsage {
    /// The number of secrets of organizations, which only they can enter again.
    pub const fn org_secrets(&self) -> u64 {
        self.auth_methods + self.webhooks + self.webhook_variables
    }

    /// Returns true if nothing is sealed under the key.
    pub const fn seals_nothing(&self) -> bool {
        self.signing_keys + self.org_secrets() == 0
    }

    /// Describes what is sealed under the key, such as `1 signing key and 2 webhooks`.
    pub fn describe_sealed(&self) -> String {
        let counted = [
            (self.signing_keys, "signing key"),
            (self.auth_methods, "auth method"),
            (self.webhooks, "webhook"),
            (self.webhook_variables, "webhook variable"),
        ];
        let words: Vec<String> = counted
            .into_iter()
            .filter(|(rows, _)| *rows > 0)
            .map(|(rows, what)| format!("{rows} {what}{}", if rows == 1 { "" } else { "s" }))
            .collect();
        match words.as_slice() {
            [] => "nothing".to_owned(),
            [only] => only.clone(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        }
    }
}

/// The number of families that one statement counts, so that it stays within its deadline.
const BATCH: i64 = 50_000;

#[derive(sqlx::FromRow)]
struct Counted {
    key_id: String,
    rows: i64,
}

#[derive(sqlx::FromRow)]
struct CountedFamilies {
    key_id: String,
    active: i64,
    last_id: Uuid,
}

/// Returns true if the database was ever used with a key ring: it has sealed values, or tokens that
/// derive from a key. Returns false if it has no schema yet.
pub async fn is_used(db: &Db) -> Result<bool, DbError> {
    const SINCE_SIGNING: &str =
        "SELECT EXISTS (SELECT 1 FROM signing_keys) OR EXISTS (SELECT 1 FROM families)";
    const SINCE_WEBHOOKS: &str = "SELECT EXISTS (SELECT 1 FROM signing_keys) OR EXISTS (SELECT 1 FROM families)
                                   OR EXISTS (SELECT 1 FROM auth_methods) OR EXISTS (SELECT 1 FROM webhooks)
                                   OR EXISTS (SELECT 1 FROM webhook_variables) OR EXISTS (SELECT 1 FROM sealing_keys)";
    if has_table(db, "sealing_keys").await? {
        with_conn!(db, |conn| sqlx::query_scalar(SINCE_WEBHOOKS).fetch_one(conn).await)
    } else if has_table(db, "signing_keys").await? {
        with_conn!(db, |conn| sqlx::query_scalar(SINCE_SIGNING).fetch_one(conn).await)
    } else {
        Ok(false)
    }
}

/// A backup may come from a release that does not have the table.
async fn has_table(db: &Db, name: &'static str) -> Result<bool, DbError> {
    with_conn!(
        db,
        |postgres| sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(name)
            .fetch_one(postgres)
            .await,
        |sqlite| sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1)"
        )
        .bind(name)
        .fetch_one(sqlite)
        .await
    )
}

/// Counts the rows that need each key of the ring, by the id of the key.
pub async fn count(db: &Db) -> Result<BTreeMap<String, RingUsage>, DbError> {
    let mut usage = count_sealed(db).await?;
    add_families(db, &mut usage).await?;
    Ok(usage)
}

/// Like [`count`], but without the families, of which there may be very many.
pub async fn count_sealed(db: &Db) -> Result<BTreeMap<String, RingUsage>, DbError> {
    let mut usage = BTreeMap::<String, RingUsage>::new();
    for counted in count_signing_keys(db).await? {
        usage.entry(counted.key_id).or_default().signing_keys = unsigned(counted.rows);
    }
    for (key_id, rows) in sealed::count_by_key(db, &sealed::AUTH_METHODS).await? {
        usage.entry(key_id).or_default().auth_methods = rows;
    }
    for (key_id, rows) in sealed::count_by_key(db, &sealed::WEBHOOKS).await? {
        usage.entry(key_id).or_default().webhooks = rows;
    }
    for (key_id, rows) in sealed::count_by_key(db, &sealed::WEBHOOK_VARIABLES).await? {
        usage.entry(key_id).or_default().webhook_variables = rows;
    }
    Ok(usage)
}

async fn add_families(db: &Db, usage: &mut BTreeMap<String, RingUsage>) -> Result<(), DbError> {
    let mut after = Uuid::nil();
    loop {
        let batch = count_families(db, after).await?;
        let Some(last) = batch.first() else { return Ok(()) };
        after = last.last_id;
        for counted in batch.into_iter().filter(|counted| counted.active > 0) {
            usage.entry(counted.key_id).or_default().families += unsigned(counted.active);
        }
    }
}

async fn count_signing_keys(db: &Db) -> Result<Vec<Counted>, DbError> {
    with_conn!(db, |conn| sqlx::query_as(
        "SELECT key_id, COUNT(*) AS rows FROM signing_keys GROUP BY key_id"
    )
    .fetch_all(conn)
    .await)
}

/// Counts one batch of families after an id. Ids are never nil, so `Uuid::nil()` is the start.
async fn count_families(db: &Db, after: Uuid) -> Result<Vec<CountedFamilies>, DbError> {
    with_conn!(db, |conn| {
        sqlx::query_as(
        "WITH batch AS (SELECT id, key_id, revoked_at FROM families WHERE id > $1 ORDER BY id LIMIT $2)
         SELECT key_id,
                COUNT(CASE WHEN revoked_at IS NULL THEN 1 END) AS active,
                (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last_id
           FROM batch GROUP BY key_id"
    )
    .bind(after)
    .bind(BATCH)
    .fetch_all(conn)
    .await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_rows_are_described_in_words() {
        let usage = |signing_keys, auth_methods, webhooks, webhook_variables| {
            RingUsage { signing_keys, auth_methods, webhooks, webhook_variables, families: 9 }
                .describe_sealed()
        };
        assert_eq!(usage(0, 0, 0, 0), "nothing");
        assert_eq!(usage(2, 0, 0, 0), "2 signing keys");
        assert_eq!(usage(0, 1, 0, 3), "1 auth method and 3 webhook variables");
        assert_eq!(
            usage(1, 2, 1, 1),
            "1 signing key, 2 auth methods, 1 webhook and 1 webhook variable"
        );
    }
}
