//! Pages of the audit trail of one organization, for the API. A page begins after the last event of
//! the one before, so pages neither skip nor repeat events.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::db::audit_events::{AuditEvent, Row, first_id_since};
use crate::db::engine::Db;
use crate::db::engine::error::DbError;
use crate::db::engine::with_conn;
use crate::rules::audit::action::StoredAction;
use crate::rules::audit::query::Pattern;
use crate::rules::id::OrgId;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug)]
pub struct AuditPage<'a> {
    pub org_id: OrgId,
    /// The names as stored. `None` finds all actions.
    pub actions: Option<&'a [StoredAction<'a>]>,
    /// The user who acted.
    pub user_id: Option<&'a Pattern>,
    /// What an event is about: any of its subjects.
    pub asset_type: Option<&'a Pattern>,
    pub asset_id: Option<&'a Pattern>,
    pub from: Option<Timestamp>,
    /// Excluded.
    pub to: Option<Timestamp>,
    pub is_ascending: bool,
    /// The last event of the page before.
    pub after: Option<Uuid>,
    pub limit: u32,
}

/// Two LIKE patterns, of which one must match.
struct Likes {
    one: Option<String>,
    other: Option<String>,
}

impl Likes {
    fn of(pattern: Option<&Pattern>, one: [&str; 2], other: [&str; 2]) -> Self {
        let like = |[before, after]: [&str; 2], pattern: &Pattern| {
            let text = pattern.text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            let after = if pattern.is_prefix { "%" } else { after };
            format!("{before}{text}{after}")
        };
        Self {
            one: pattern.map(|pattern| like(one, pattern)),
            other: pattern.map(|pattern| like(other, pattern)),
        }
    }
}

/// The arguments are the rest of a query of the actions, and the order of the events.
macro_rules! page_of_events {
    ($wanted:literal, $after:literal, $order:literal) => {
        concat!(
            "SELECT e.id, e.org_id, e.at, e.actor, e.action, e.subject, e.before, e.after, e.request_id, e.address
               FROM audit_events e
              WHERE e.org_id = $1
                AND ($2 IS NULL OR EXISTS (",
            $wanted,
            " WHERE e.action = wanted.name
                           AND substr(e.subject, 1, length(wanted.subject)) = wanted.subject))
                AND ($3 IS NULL OR e.actor LIKE $3 ESCAPE '\\' OR e.actor LIKE $4 ESCAPE '\\')
                AND ($5 IS NULL OR e.subject LIKE $5 ESCAPE '\\' OR e.subject LIKE $6 ESCAPE '\\')
                AND ($7 IS NULL OR e.subject LIKE $7 ESCAPE '\\' OR e.subject LIKE $8 ESCAPE '\\')
                AND ($9 IS NULL OR (e.at >= $9 AND e.id >= $10))
                AND ($11 IS NULL OR e.at < $11)
                AND ($12 IS NULL OR e.id ",
            $after,
            " $12)
              ORDER BY e.id ",
            $order,
            " LIMIT $13"
        )
    };
}

macro_rules! bind_page {
    ($sql:expr, $names:expr, $page:expr) => {{
        let page = $page;
        let user = Likes::of(page.user_id, ["user:", ""], ["user:", " %"]);
        let kind = Likes::of(page.asset_type, ["", ":%"], ["% ", ":%"]);
        let id = Likes::of(page.asset_id, ["%:", ""], ["%:", " %"]);
        sqlx::query_as($sql)
            .bind(page.org_id.0)
            .bind($names)
            .bind(user.one)
            .bind(user.other)
            .bind(kind.one)
            .bind(kind.other)
            .bind(id.one)
            .bind(id.other)
            .bind(page.from.map(Timestamp::seconds))
            .bind(page.from.map(first_id_since))
            .bind(page.to.map(Timestamp::seconds))
            .bind(page.after)
            .bind(i64::from(page.limit))
    }};
}

const POSTGRES_ASCENDING: &str = page_of_events!(
    "SELECT 1 FROM UNNEST($2::text[], $14::text[]) AS wanted (name, subject)",
    ">",
    "ASC"
);
const POSTGRES_DESCENDING: &str = page_of_events!(
    "SELECT 1 FROM UNNEST($2::text[], $14::text[]) AS wanted (name, subject)",
    "<",
    "DESC"
);
const SQLITE_ASCENDING: &str = page_of_events!(
    "SELECT 1 FROM (SELECT value ->> 0 AS name, value ->> 1 AS subject FROM json_each($2)) AS wanted",
    ">",
    "ASC"
);
const SQLITE_DESCENDING: &str = page_of_events!(
    "SELECT 1 FROM (SELECT value ->> 0 AS name, value ->> 1 AS subject FROM json_each($2)) AS wanted",
    "<",
    "DESC"
);

pub async fn page(db: &Db, page: &AuditPage<'_>) -> Result<Vec<AuditEvent>, DbError> {
    let rows: Vec<Row> = with_conn!(
        db,
        |postgres| {
            let sql = if page.is_ascending { POSTGRES_ASCENDING } else { POSTGRES_DESCENDING };
            let column = |of: fn(&StoredAction<'_>) -> String| {
                page.actions.map(|actions| actions.iter().map(of).collect::<Vec<_>>())
            };
            let names = column(|action| action.name.to_owned());
            let subjects = column(|action| action.subject.to_owned());
            bind_page!(sql, names, page).bind(subjects).fetch_all(postgres).await
        },
        |sqlite| {
            let sql = if page.is_ascending { SQLITE_ASCENDING } else { SQLITE_DESCENDING };
            let pairs = page.actions.map(|actions| {
                let pair = |action: &StoredAction<'_>| json!([action.name, action.subject]);
                actions.iter().map(pair).collect::<Value>().to_string()
            });
            bind_page!(sql, pairs, page).fetch_all(sqlite).await
        }
    )?;
    Ok(rows.into_iter().map(AuditEvent::from).collect())
}
