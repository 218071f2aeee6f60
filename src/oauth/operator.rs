//! Who calls the operators' endpoints: one person, in one organisation, by the keys or the token that were presented.

use super::id::{KeyId, OrgId, UserId};
use super::permission::{Permission, Role};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    pub org_id: OrgId,
    pub user_id: UserId,
    pub role: Role,
    pub application_key_id: KeyId,
}

impl Operator {
    pub fn may(&self, permission: Permission) -> bool {
        self.role.permits(permission)
    }
}
