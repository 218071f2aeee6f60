//! Decides whether this version may work on a database, given its migrations.

use std::borrow::Cow;

/// A migration that this database has, this version knows, or both.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Migration {
    pub version: i64,
    pub name: Cow<'static, str>,
    pub applied: bool,
    /// False for a migration of a newer version.
    pub known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationState {
    UpToDate,
    /// Migrations of this version are missing.
    Behind,
    /// A newer version added to the schema, up to this migration. This version can work on it.
    Newer(i64),
    /// A newer version changed parts of the schema that this version reads.
    Incompatible {
        minimum: i64,
    },
}

impl MigrationState {
    pub fn is_usable(self) -> bool {
        matches!(self, Self::UpToDate | Self::Newer(_))
    }
}

/// `known` and `applied` are sorted. A version must know the migration `minimum` to work on the
/// schema.
pub(in crate::db::engine::migrate) fn state(
    known: &[i64],
    applied: &[i64],
    minimum: i64,
) -> MigrationState {
    if known.last().is_none_or(|newest| *newest < minimum) {
        return MigrationState::Incompatible { minimum };
    }
    if known.iter().any(|version| !applied.contains(version)) {
        return MigrationState::Behind;
    }
    match applied.iter().rfind(|version| !known.contains(version)) {
        Some(newest) => MigrationState::Newer(*newest),
        None => MigrationState::UpToDate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_usable_if_it_has_all_known_migrations_and_permits_this_version() {
        use MigrationState::{Behind, Incompatible, Newer, UpToDate};
        let cases: [(&[i64], &[i64], i64, MigrationState); 9] = [
            (&[1, 2, 3], &[], 0, Behind),
            (&[1, 2, 3], &[1, 2], 0, Behind),
            (&[1, 2, 3], &[1, 2, 3], 0, UpToDate),
            (&[1, 2, 3], &[1, 2, 3], 3, UpToDate),
            (&[1, 2, 3], &[1, 2, 3, 4, 5], 3, Newer(5)),
            // Two migrations were developed in parallel, and the higher number was applied first.
            (&[1, 2, 3], &[1, 3, 4], 1, Behind),
            (&[1, 2, 3], &[1, 2, 3, 4], 4, Incompatible { minimum: 4 }),
            (&[1, 2, 3], &[1, 2, 4], 4, Incompatible { minimum: 4 }),
            (&[1, 2, 5], &[1, 2, 4, 5], 4, Newer(4)),
        ];
        for (known, applied, minimum, expected) in cases {
            assert_eq!(
                state(known, applied, minimum),
                expected,
                "{known:?} on {applied:?}, at least {minimum}"
            );
        }
    }
}
