//! Writes when token families, their grants and their clients were last used, in batches.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::types::Json;

use crate::db::engine::error::DbError;
use crate::db::engine::{Db, with_conn};
use crate::rules::id::FamilyId;
use crate::rules::secret::hex;
use crate::rules::timestamp::Timestamp;

/// Records when families, their grants and, at most hourly, their clients were last used, with one
/// statement for each table. An earlier time than the stored one changes nothing. Rows are locked
/// in a fixed order, so that several replicas cannot deadlock.
pub async fn record_use(db: &Db, uses: &[(FamilyId, Timestamp)]) -> Result<(), DbError> {
    let mut latest = BTreeMap::new();
    for (id, at) in uses {
        let last = latest.entry(*id).or_insert(*at);
        *last = (*last).max(*at);
    }
    if latest.is_empty() {
        return Ok(());
    }
    record(db, &latest, UPDATE_FAMILIES).await?;
    record(db, &latest, UPDATE_GRANTS).await?;
    record(db, &latest, UPDATE_CLIENTS).await
}

/// The same statement for both engines.
struct Statement {
    postgres: &'static str,
    sqlite: &'static str,
}

const UPDATE_FAMILIES: Statement = Statement {
    postgres: "WITH used AS (
                 SELECT id, at FROM UNNEST($1::uuid[], $2::bigint[]) AS used (id, at)
               ), taken AS (
                 SELECT f.id FROM families f JOIN used USING (id)
                  WHERE f.last_used_at IS NULL OR f.last_used_at < used.at
                  ORDER BY f.id FOR NO KEY UPDATE OF f
               )
               UPDATE families f SET last_used_at = used.at
                 FROM used JOIN taken USING (id)
                WHERE f.id = used.id AND (f.last_used_at IS NULL OR f.last_used_at < used.at)",
    sqlite: "UPDATE families SET last_used_at = used.at
               FROM (SELECT unhex(value ->> 0) AS family_id, value ->> 1 AS at FROM json_each($1)) AS used
              WHERE families.id = used.family_id AND (last_used_at IS NULL OR last_used_at < used.at)",
};

const UPDATE_GRANTS: Statement = Statement {
    postgres: "WITH used AS (
                 SELECT f.grant_id AS id, max(used.at) AS at
                   FROM UNNEST($1::uuid[], $2::bigint[]) AS used (id, at) JOIN families f ON f.id = used.id
                  GROUP BY f.grant_id
               ), taken AS (
                 SELECT g.id FROM grants g JOIN used USING (id)
                  WHERE g.last_used_at IS NULL OR g.last_used_at < used.at
                  ORDER BY g.id FOR NO KEY UPDATE OF g
               )
               UPDATE grants g SET last_used_at = used.at
                 FROM used JOIN taken USING (id)
                WHERE g.id = used.id AND (g.last_used_at IS NULL OR g.last_used_at < used.at)",
    sqlite: "UPDATE grants SET last_used_at = used.at
               FROM (SELECT f.grant_id, max(each.value ->> 1) AS at
                       FROM json_each($1) AS each JOIN families f ON f.id = unhex(each.value ->> 0)
                      GROUP BY f.grant_id) AS used
              WHERE grants.id = used.grant_id AND (last_used_at IS NULL OR last_used_at < used.at)",
};

/// A client whose tokens are in use counts as seen, so it does not become unused and is not
/// deleted.
const UPDATE_CLIENTS: Statement = Statement {
    postgres: "WITH used AS (
                 SELECT f.client_id AS id, max(used.at) AS at
                   FROM UNNEST($1::uuid[], $2::bigint[]) AS used (id, at) JOIN families f ON f.id = used.id
                  GROUP BY f.client_id
               ), taken AS (
                 SELECT c.id FROM clients c JOIN used USING (id)
                  WHERE c.last_seen_at <= used.at - 3600
                  ORDER BY c.id FOR NO KEY UPDATE OF c
               )
               UPDATE clients c SET last_seen_at = used.at
                 FROM used JOIN taken USING (id)
                WHERE c.id = used.id AND c.last_seen_at <= used.at - 3600",
    sqlite: "UPDATE clients SET last_seen_at = used.at
               FROM (SELECT f.client_id, max(each.value ->> 1) AS at
                       FROM json_each($1) AS each JOIN families f ON f.id = unhex(each.value ->> 0)
                      GROUP BY f.client_id) AS used
              WHERE clients.id = used.client_id AND clients.last_seen_at <= used.at - 3600",
};

async fn record(
    db: &Db,
    latest: &BTreeMap<FamilyId, Timestamp>,
    statement: Statement,
) -> Result<(), DbError> {
    with_conn!(
        db,
        |postgres| sqlx::query(statement.postgres)
            .bind(latest.keys().map(|id| id.0).collect::<Vec<_>>())
            .bind(latest.values().map(|at| at.seconds()).collect::<Vec<_>>())
            .execute(postgres)
            .await
            .map(drop),
        |sqlite| {
            let rows: Vec<_> =
                latest.iter().map(|(id, at)| json!([hex(id.0.as_bytes()), at])).collect();
            sqlx::query(statement.sqlite).bind(Json(rows)).execute(sqlite).await.map(drop)
        }
    )
}
