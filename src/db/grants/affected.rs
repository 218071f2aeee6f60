//! Counts the grants of a client in an organization that removing scopes would affect.

use sqlx::types::Json;

use crate::db::engine::column::{Column, count};
use crate::db::engine::error::DbError;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::client::ClientId;
use crate::rules::id::OrgId;
use crate::rules::scope::ScopeSet;

/// The grants that have at least one of the scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AffectedGrants {
    pub grants: u64,
    pub users: u64,
    /// Grants that have no other scopes.
    pub without_other_scopes: u64,
    /// The scopes that at least one grant has.
    pub scopes: ScopeSet,
    /// The email addresses of the first `MAX_PEOPLE` users.
    pub people: Vec<String>,
}

const MAX_PEOPLE: usize = 10;

#[derive(sqlx::FromRow)]
struct Row {
    grants: i64,
    users: i64,
    without_other_scopes: i64,
    scopes: Option<String>,
    people: Option<String>,
}

macro_rules! select_affected {
    ($is_one:literal, $is_none:literal) => {
        concat!(
            "WITH held AS (
               SELECT g.id, g.user_id FROM grants g
                WHERE g.org_id = $1 AND g.client_id = $2 AND g.revoked_at IS NULL
                  AND EXISTS (SELECT 1 FROM grant_scopes s WHERE s.grant_id = g.id AND s.scope ",
            $is_one,
            "))
             SELECT (SELECT count(*) FROM held) AS grants,
                    (SELECT count(DISTINCT user_id) FROM held) AS users,
                    (SELECT count(*) FROM held h
                      WHERE NOT EXISTS (SELECT 1 FROM grant_scopes s WHERE s.grant_id = h.id AND s.scope ",
            $is_none,
            ")) AS without_other_scopes,
                    (SELECT string_agg(scope, ' ')
                       FROM (SELECT DISTINCT s.scope FROM grant_scopes s JOIN held h ON h.id = s.grant_id
                              WHERE s.scope ",
            $is_one,
            ") AS used) AS scopes,
                    (SELECT string_agg(email, ' ')
                       FROM (SELECT DISTINCT u.email FROM users u JOIN held h ON h.user_id = u.id
                              ORDER BY u.email LIMIT $4) AS listed) AS people"
        )
    };
}

pub async fn find(
    db: impl DbHandle,
    org_id: OrgId,
    client_id: ClientId,
    scopes: &ScopeSet,
) -> Result<AffectedGrants, DbError> {
    let limit = i64::try_from(MAX_PEOPLE).unwrap_or(i64::MAX);
    let row: Row = with_conn!(
        db,
        |postgres| sqlx::query_as(select_affected!("= ANY($3)", "<> ALL($3)"))
            .bind(org_id.0)
            .bind(client_id.uuid())
            .bind(scopes.names().collect::<Vec<_>>())
            .bind(limit)
            .fetch_one(postgres)
            .await,
        |sqlite| sqlx::query_as(select_affected!(
            "IN (SELECT value FROM json_each($3))",
            "NOT IN (SELECT value FROM json_each($3))"
        ))
        .bind(org_id.0)
        .bind(client_id.uuid())
        .bind(Json(scopes))
        .bind(limit)
        .fetch_one(sqlite)
        .await
    )?;
    let mut people: Vec<String> =
        row.people.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    people.sort();
    Ok(AffectedGrants {
        grants: count(row.grants),
        users: count(row.users),
        without_other_scopes: count(row.without_other_scopes),
        scopes: Column::of("grant_scopes", "scope").scopes(row.scopes.as_deref())?,
        people,
    })
}
