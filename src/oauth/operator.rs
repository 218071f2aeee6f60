//! Who calls the operators' endpoints: one person, in one organisation, by the keys or the token that were presented.

use uuid::Uuid;

use super::id::{FamilyId, KeyId, OrgId, UserId};
use super::permission::{Permission, Role};

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

impl Credential {
    /// What calls are counted by.
    pub const fn uuid(self) -> Uuid {
        match self {
            Self::Keys(KeyId(id)) | Self::Token(FamilyId(id)) => id,
        }
    }
}

impl Operator {
    pub fn may(&self, permission: Permission) -> bool {
        self.role.permits(permission)
    }
}
