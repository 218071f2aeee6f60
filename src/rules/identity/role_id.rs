//! The ids of the three roles. They are the same on every server and never change.

use uuid::Uuid;

use crate::identity::permission::Role;
use crate::timestamp::Timestamp;

/// When the roles and permissions were defined: 2026-01-01. They do not change.
pub const DEFINED_AT: Timestamp = Timestamp::from_seconds(1_767_225_600);

impl Role {
    pub const fn id(self) -> Uuid {
        match self {
            Self::Admin => Uuid::from_u128(0x5950_28bc_84eb_4ed3_adea_54d1_aa5e_068f),
            Self::Standard => Uuid::from_u128(0x2ba7_0a2b_f438_4f12_a674_4711_e45f_924e),
            Self::ReadOnly => Uuid::from_u128(0xb881_2bee_6473_44a5_8e58_c144_8143_f188),
        }
    }

    pub fn find(id: Uuid) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_roles_never_change() {
        let cases = [
            ("595028bc-84eb-4ed3-adea-54d1aa5e068f", Role::Admin),
            ("2ba70a2b-f438-4f12-a674-4711e45f924e", Role::Standard),
            ("b8812bee-6473-44a5-8e58-c1448143f188", Role::ReadOnly),
        ];
        for (id, role) in cases {
            assert_eq!(role.id().to_string(), id);
            assert_eq!(Role::find(role.id()), Some(role));
        }
        assert_eq!(Role::find(Uuid::nil()), None);
        assert_eq!(DEFINED_AT.to_rfc3339(), "2026-01-01T00:00:00Z");
    }
}
