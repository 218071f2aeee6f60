//! Who calls the operators' endpoints: one person, in one organisation, by the keys or the token that were presented.

use uuid::Uuid;

use crate::rules::id::{FamilyId, KeyId, OrgId, UserId};
use crate::rules::identity::permission::{Permission, Role};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    pub org_id: OrgId,
    pub user_id: UserId,
    pub role: Role,
    pub credential: Credential,
}

/// What they have shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An API key and this application key.
    Keys(KeyId),
    /// An access token of this family.
    Token(FamilyId),
}

impl Operator {
    /// What calls are counted by: the key; for tokens the user, who can have any number of them.
    pub const fn counted_by(&self) -> Uuid {
        match self.credential {
            Credential::Keys(KeyId(id)) => id,
            Credential::Token(_) => self.user_id.0,
        }
    }

    pub fn may(&self, permission: Permission) -> bool {
        self.role.permits(permission)
    }
}
