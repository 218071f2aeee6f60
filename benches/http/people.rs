//! The users of an organization and their pending requests, inserted by SQL: many, and alike except
//! for their number.

use std::time::{SystemTime, UNIX_EPOCH};

use grantor::db::users::User;
use grantor::rules::id::UserId;
use grantor::rules::secret::Digest;
use grantor::rules::timestamp::Timestamp;
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::subject::DATABASE;

/// The scopes of every user.
pub const BROWSER: &str = "b_of-everybody";

/// Members of both organizations. Nobody signs in, so the hash matches no password.
pub fn insert(cluster: &Cluster, count: u64, orgs: [&str; 2]) -> Result<(), Failure> {
    let [first, second] = orgs;
    let now = now();
    cluster.sql(
        DATABASE,
        &format!(
            "INSERT INTO users (id, email, password_hash, created_at)
             SELECT lpad(to_hex(n), 32, '0')::uuid, 'person-' || n || '@example.com', '-', {now}
               FROM generate_series(0, {count} - 1) n;
             INSERT INTO memberships (org_id, user_id, role, created_at)
             SELECT org, lpad(to_hex(n), 32, '0')::uuid, 'standard', {now}
               FROM generate_series(0, {count} - 1) n, UNNEST(ARRAY['{first}', '{second}']::uuid[]) org"
        ),
    )?;
    cluster.sql(DATABASE, "VACUUM ANALYZE users, memberships").map(drop)
}

pub fn person(number: u64) -> User {
    User {
        id: UserId(Uuid::from_u128(number.into())),
        email: format!("person-{number}@example.com"),
        name: None,
        created_at: Timestamp::from_seconds(now()),
        disabled_at: None,
        email_verified_at: None,
    }
}

/// The handle of the pending request of this user.
pub fn handle(number: u64) -> Digest {
    Digest::of(&format!("ar_{number}"))
}

/// Resets all decisions, so that no turn depends on an earlier one.
pub fn reset_decisions(cluster: &Cluster) -> Result<(), Failure> {
    cluster.sql(
        DATABASE,
        "TRUNCATE org_clients, grants, authorization_requests, audit_events, deliveries, delivery_lanes CASCADE",
    )?;
    cluster.sql(DATABASE, "CHECKPOINT").map(drop)
}

/// One request per user, for each client in turn.
pub fn insert_pending_requests(
    cluster: &Cluster,
    count: u64,
    clients: &[String],
    request: &str,
) -> Result<(), Failure> {
    const A_DAY: i64 = 86_400;
    let (now, each, clients) = (now(), clients.len(), clients.join(","));
    cluster.sql(
        DATABASE,
        &format!(
            "INSERT INTO authorization_requests (digest, browser_digest, client_id, request, created_at, expires_at)
             SELECT sha256(('ar_' || n)::bytea), sha256('{BROWSER}'::bytea),
                    ('{{{clients}}}'::uuid[])[1 + n % {each}], '{request}'::jsonb, {now}, {now} + {A_DAY}
               FROM generate_series(0, {count} - 1) n"
        ),
    )?;
    cluster.sql(DATABASE, "VACUUM ANALYZE authorization_requests")?;
    cluster.sql(DATABASE, "CHECKPOINT").map(drop)
}

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64
}
