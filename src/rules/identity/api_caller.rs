//! The caller of the organization API: one user in one organization, authenticated by keys or by an
//! access token.

use uuid::Uuid;

use crate::id::{FamilyId, KeyId, OrgId, UserId};
use crate::identity::permission::{Permission, Role};

/// An authenticated caller of the organization API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiCaller {
    pub org_id: OrgId,
    pub user_id: UserId,
    pub role: Role,
    pub credential: Credential,
}

/// The credential in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An API key and the application key with this id.
    Keys(KeyId),
    /// An access token of the family with this id.
    Token(FamilyId),
}

impl ApiCaller {
    /// The id to which calls are counted for rate limits: the application key, or the user for
    /// access tokens, because a user can have any number of them.
    pub const fn rate_limit_key(&self) -> Uuid {
        match self.credential {
            Credential::Keys(KeyId(id)) => id,
            Credential::Token(_) => self.user_id.0,
        }
    }

    pub fn may(&self, permission: Permission) -> bool {
        self.role.permits(permission)
    }
}
