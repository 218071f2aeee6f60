//! The rows that limit a grant: the user, the membership, the organization, and the client in the
//! organization.
//!
//! Refreshes and code exchanges read them with the same join, so a new limit is added in one place.
//! The rule for them is [`Standing::permitted`].

use crate::db::engine::column::JsonText;
use crate::db::engine::error::DbError;
use crate::db::orgs;
use crate::db::orgs::{memberships, org_clients};
use crate::rules::scope::standing::Standing;
use crate::rules::timestamp::Timestamp;

/// The columns of [`StandingRow`], for statements with [`standing_joins!`].
macro_rules! standing_columns {
    () => {
        "u.disabled_at AS user_disabled_at, m.role, oc.disabled_at AS client_disabled_at, oc.scopes_restriction,
         o.default_client_scopes"
    };
}

/// Joins by primary keys. The argument is the alias of a row with `org_id`, `client_id` and
/// `user_id`. An ended membership is not joined.
macro_rules! standing_joins {
    ($row:literal) => {
        concat!(
            " JOIN users u ON u.id = ",
            $row,
            ".user_id JOIN orgs o ON o.id = ",
            $row,
            ".org_id LEFT JOIN memberships m ON m.org_id = ",
            $row,
            ".org_id AND m.user_id = ",
            $row,
            ".user_id AND ",
            $crate::db::orgs::memberships::is_active!(),
            " LEFT JOIN org_clients oc ON oc.org_id = ",
            $row,
            ".org_id AND oc.client_id = ",
            $row,
            ".client_id "
        )
    };
}

pub(in crate::db) use {standing_columns, standing_joins};

#[derive(sqlx::FromRow)]
pub(in crate::db) struct StandingRow {
    user_disabled_at: Option<i64>,
    role: Option<String>,
    client_disabled_at: Option<i64>,
    scopes_restriction: Option<JsonText>,
    default_client_scopes: Option<JsonText>,
}

impl TryFrom<StandingRow> for Standing {
    type Error = DbError;

    fn try_from(row: StandingRow) -> Result<Self, DbError> {
        Ok(Self {
            user_disabled_at: row.user_disabled_at.map(Timestamp::from_seconds),
            role: row.role.as_deref().map(memberships::role).transpose()?,
            client_disabled_at: row.client_disabled_at.map(Timestamp::from_seconds),
            restriction: org_clients::restriction(row.scopes_restriction)?,
            default_client_scopes: row
                .default_client_scopes
                .map(orgs::default_client_scopes)
                .transpose()?,
        })
    }
}
