//! Who may lose a role: an organization keeps at least one active administrator.

use crate::id::UserId;
use crate::identity::permission::Role;

/// Whether an organization still has an active administrator after `user` gets the new `role`, or
/// leaves (`None`). `administrators` are the administrators whose accounts are not disabled.
pub fn keeps_an_administrator(administrators: &[UserId], user: UserId, role: Option<Role>) -> bool {
    let is_administrator = administrators.contains(&user);
    !is_administrator
        || role == Some(Role::Admin)
        || administrators.iter().any(|other| *other != user)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_last_active_administrator_can_neither_be_demoted_nor_removed() {
        let user = |number| UserId(Uuid::from_u64_pair(0, number));
        let administrators =
            |numbers: &[u64]| numbers.iter().copied().map(user).collect::<Vec<_>>();
        let cases: [(&[u64], Option<Role>, bool); 9] = [
            (&[1], None, false),
            (&[1], Some(Role::Standard), false),
            (&[1], Some(Role::ReadOnly), false),
            (&[1], Some(Role::Admin), true),
            (&[1, 2], None, true),
            (&[2, 1], Some(Role::ReadOnly), true),
            (&[2], None, true),
            (&[2], Some(Role::Standard), true),
            // A disabled administrator may leave an organization without an active one.
            (&[], None, true),
        ];
        for (active, role, expected) in cases {
            assert_eq!(
                keeps_an_administrator(&administrators(active), user(1), role),
                expected,
                "{active:?} {role:?}"
            );
        }
    }
}
