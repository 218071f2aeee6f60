//! Which keys of the key ring the database still needs.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::db::engine::column::count as unsigned;
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, with_conn};
use crate::db::keys::sealed;

/// Rows that need one key of the ring. All but the last are sealed under it: without it, they cannot be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RingUsage {
    pub signing_keys: u64,
    pub auth_methods: u64,
    pub webhooks: u64,
    pub webhook_variables: u64,
    /// Living families whose refresh token in use was derived under it. The token itself works without it.
    pub families: u64,
}

impl RingUsage {
    /// What organisations put there. Nobody but they can make it again.
    pub const fn of_orgs(&self) -> u64 {
        self.auth_methods + self.webhooks + self.webhook_variables
    }

    /// Whether nothing is sealed under the key.
    pub const fn is_of_nothing(&self) -> bool {
        self.signing_keys + self.of_orgs() == 0
    }

    /// What is sealed under the key, such as `1 signing key and 2 webhooks`.
    pub fn sealed_in_words(&self) -> String {
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

/// So many families are counted by one statement, to stay within its deadline however many there are.
const BATCH: i64 = 50_000;

#[derive(sqlx::FromRow)]
struct Counted {
    key_id: String,
    rows: i64,
}

#[derive(sqlx::FromRow)]
struct CountedFamilies {
    key_id: String,
    living: i64,
    last_id: Uuid,
}

/// Whether the database was ever used with a key ring: something is sealed in it, or tokens derive from a key. False for one
/// that has no schema yet.
pub async fn is_used(db: &Db) -> Result<bool, DbError> {
    const SINCE_SIGNING: &str = "SELECT EXISTS (SELECT 1 FROM signing_keys) OR EXISTS (SELECT 1 FROM families)";
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

/// A backup may come from a release that did not have the table yet.
async fn has_table(db: &Db, name: &'static str) -> Result<bool, DbError> {
    with_conn!(
        db,
        postgres | conn | sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(name).fetch_one(conn).await,
        sqlite
            | conn
            | sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1)")
                .bind(name)
                .fetch_one(conn)
                .await
    )
}

/// By the id of the ring key.
pub async fn count(db: &Db) -> Result<BTreeMap<String, RingUsage>, DbError> {
    let mut usage = count_sealed(db).await?;
    add_families(db, &mut usage).await?;
    Ok(usage)
}

/// The same without the families, which may be very many.
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
        for counted in batch.into_iter().filter(|counted| counted.living > 0) {
            usage.entry(counted.key_id).or_default().families += unsigned(counted.living);
        }
    }
}

async fn count_signing_keys(db: &Db) -> Result<Vec<Counted>, DbError> {
    with_conn!(db, |conn| sqlx::query_as("SELECT key_id, COUNT(*) AS rows FROM signing_keys GROUP BY key_id")
        .fetch_all(conn)
        .await)
}

/// Ids are UUIDs of version 7 or made by hand, and never nil.
async fn count_families(db: &Db, after: Uuid) -> Result<Vec<CountedFamilies>, DbError> {
    with_conn!(db, |conn| sqlx::query_as(
        "WITH batch AS (SELECT id, key_id, revoked_at FROM families WHERE id > $1 ORDER BY id LIMIT $2)
         SELECT key_id,
                COUNT(CASE WHEN revoked_at IS NULL THEN 1 END) AS living,
                (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last_id
           FROM batch GROUP BY key_id"
    )
    .bind(after)
    .bind(BATCH)
    .fetch_all(conn)
    .await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_told_in_words() {
        let usage = |signing_keys, auth_methods, webhooks, webhook_variables| {
            RingUsage { signing_keys, auth_methods, webhooks, webhook_variables, families: 9 }.sealed_in_words()
        };
        assert_eq!(usage(0, 0, 0, 0), "nothing");
        assert_eq!(usage(2, 0, 0, 0), "2 signing keys");
        assert_eq!(usage(0, 1, 0, 3), "1 auth method and 3 webhook variables");
        assert_eq!(usage(1, 2, 1, 1), "1 signing key, 2 auth methods, 1 webhook and 1 webhook variable");
    }
}
