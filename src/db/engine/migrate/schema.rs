//! Which migrations a database has, and whether this program may work on it.

use std::borrow::Cow;

/// One migration, and whether this database has it and this program knows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Migration {
    pub version: i64,
    pub name: Cow<'static, str>,
    pub applied: bool,
    /// False for a migration of a newer program.
    pub known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationState {
    UpToDate,
    /// Migrations of this program are missing.
    Behind,
    /// A newer program added to the schema, up to this migration. This program works on it.
    Newer(i64),
    /// A newer program changed what this one reads.
    Incompatible {
        minimum: i64,
    },
}

impl MigrationState {
    /// Whether this program may work on this schema.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::UpToDate | Self::Newer(_))
    }
}

/// `known` and `applied` are sorted. `minimum` is the oldest migration that a program must know to work on this schema.
pub(in crate::db::engine::migrate) fn state(known: &[i64], applied: &[i64], minimum: i64) -> MigrationState {
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
    fn a_program_works_on_a_schema_that_has_its_migrations_and_admits_it() {
        use MigrationState::{Behind, Incompatible, Newer, UpToDate};
        let cases: [(&[i64], &[i64], i64, MigrationState); 9] = [
            (&[1, 2, 3], &[], 0, Behind),
            (&[1, 2, 3], &[1, 2], 0, Behind),
            (&[1, 2, 3], &[1, 2, 3], 0, UpToDate),
            (&[1, 2, 3], &[1, 2, 3], 3, UpToDate),
            (&[1, 2, 3], &[1, 2, 3, 4, 5], 3, Newer(5)),
            // Developed beside each other: the newer number was applied first.
            (&[1, 2, 3], &[1, 3, 4], 1, Behind),
            (&[1, 2, 3], &[1, 2, 3, 4], 4, Incompatible { minimum: 4 }),
            (&[1, 2, 3], &[1, 2, 4], 4, Incompatible { minimum: 4 }),
            (&[1, 2, 5], &[1, 2, 4, 5], 4, Newer(4)),
        ];
        for (known, applied, minimum, expected) in cases {
            assert_eq!(state(known, applied, minimum), expected, "{known:?} on {applied:?}, at least {minimum}");
        }
    }
}
