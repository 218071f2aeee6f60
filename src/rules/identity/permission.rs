//! Roles and permissions: what a member may do in an organization, and what they may let an app do.
//! Each of the three roles is a fixed set of permissions.
//!
//! A key has the permissions of its user's role. An access token also needs the scope of the same
//! name, because scopes only limit what the user may do (RFC 6749 section 3.3).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::scope::catalog::Scope;

/// The permissions that this server checks for its own API. Each is also a scope of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    ApiKeysDelete,
    ApiKeysRead,
    ApiKeysWrite,
    AuditLogsRead,
    ManageIntegrations,
    OrgAuthorizedAppsRead,
    OrgAuthorizedAppsWrite,
    OrgManagement,
    UserAccessInvite,
    UserAccessManage,
    UserAccessRead,
    UserAppKeys,
}

impl Permission {
    pub const ALL: [Self; 12] = [
        Self::ApiKeysDelete,
        Self::ApiKeysRead,
        Self::ApiKeysWrite,
        Self::AuditLogsRead,
        Self::ManageIntegrations,
        Self::OrgAuthorizedAppsRead,
        Self::OrgAuthorizedAppsWrite,
        Self::OrgManagement,
        Self::UserAccessInvite,
        Self::UserAccessManage,
        Self::UserAccessRead,
        Self::UserAppKeys,
    ];

    fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == name)
    }

    /// The name of the permission and of its scope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKeysDelete => "api_keys_delete",
            Self::ApiKeysRead => "api_keys_read",
            Self::ApiKeysWrite => "api_keys_write",
            Self::AuditLogsRead => "audit_logs_read",
            Self::ManageIntegrations => "manage_integrations",
            Self::OrgAuthorizedAppsRead => "org_authorized_apps_read",
            Self::OrgAuthorizedAppsWrite => "org_authorized_apps_write",
            Self::OrgManagement => "org_management",
            Self::UserAccessInvite => "user_access_invite",
            Self::UserAccessManage => "user_access_manage",
            Self::UserAccessRead => "user_access_read",
            Self::UserAppKeys => "user_app_keys",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The role of a member in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Administrators have every permission.
    Admin,
    /// Standard members build integrations, create their own keys, and see which apps are in use.
    Standard,
    /// Read-only members cannot change anything.
    ReadOnly,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Admin, Self::Standard, Self::ReadOnly];

    pub fn parse(raw: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == raw).ok_or(RoleError)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Standard => "standard",
            Self::ReadOnly => "read_only",
        }
    }

    pub const fn permits(self, permission: Permission) -> bool {
        match self {
            Self::Admin => true,
            Self::Standard => matches!(
                permission,
                Permission::ApiKeysRead
                    | Permission::ApiKeysWrite
                    | Permission::ManageIntegrations
                    | Permission::OrgAuthorizedAppsRead
                    | Permission::UserAccessRead
                    | Permission::UserAppKeys
            ),
            Self::ReadOnly => {
                matches!(permission, Permission::OrgAuthorizedAppsRead | Permission::UserAccessRead)
            }
        }
    }

    /// Whether a member may grant a scope to an app. An app never gets a permission that its user
    /// does not have, and read-only members cannot let an app change anything.
    pub fn may_grant(self, scope: &Scope) -> bool {
        let has_permission =
            Permission::find(scope.name.as_str()).is_none_or(|permission| self.permits(permission));
        has_permission && !(self == Self::ReadOnly && scope.changes)
    }

    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.permits(*permission))
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(raw: &str) -> Result<Self, RoleError> {
        Self::parse(raw)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the role must be admin, standard or read_only")]
pub struct RoleError;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::catalog::{SHIPPED, ScopeCatalog};

    fn names(role: Role) -> Vec<&'static str> {
        role.permissions().map(Permission::as_str).collect()
    }

    #[test]
    fn a_role_parses_and_serializes_as_its_name() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Ok(role));
            assert_eq!(serde_json::to_value(role).expect("serializes"), role.as_str());
        }
    }

    #[test]
    fn any_other_word_is_refused() {
        for raw in ["", "Admin", "read-only", "readonly", " admin", "owner"] {
            assert_eq!(raw.parse::<Role>(), Err(RoleError), "{raw:?}");
        }
    }

    #[test]
    fn an_administrator_has_every_permission() {
        assert_eq!(Role::Admin.permissions().collect::<Vec<_>>(), Permission::ALL);
    }

    #[test]
    fn a_standard_member_may_build_integrations_and_create_keys_but_not_manage_members() {
        let expected = [
            "api_keys_read",
            "api_keys_write",
            "manage_integrations",
            "org_authorized_apps_read",
            "user_access_read",
            "user_app_keys",
        ];

        assert_eq!(names(Role::Standard), expected);
    }

    #[test]
    fn a_read_only_member_cannot_change_anything_or_see_secrets() {
        assert_eq!(names(Role::ReadOnly), ["org_authorized_apps_read", "user_access_read"]);
    }

    #[test]
    fn a_role_may_grant_its_permissions_and_read_only_may_not_grant_changes() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        // Each scope, and whether `admin`, `standard` and `read_only` may grant it.
        let cases = [
            ("openid", [true, true, true]),
            ("offline_access", [true, true, true]),
            ("mcp_read", [true, true, true]),
            ("mcp_write", [true, true, false]),
            ("timeseries_query", [true, true, true]),
            ("monitors_downtime", [true, true, false]),
            ("org_authorized_apps_read", [true, true, true]),
            ("org_management", [true, false, false]),
            ("api_keys_read", [true, true, false]),
            ("user_app_keys", [true, true, false]),
        ];
        for (name, expected) in cases {
            let scope = catalog.find(name).expect("a scope of the catalog");
            assert_eq!(Role::ALL.map(|role| role.may_grant(scope)), expected, "{name}");
        }
    }

    #[test]
    fn a_role_never_grants_a_missing_permission_even_if_the_catalog_marks_the_scope_as_see() {
        let text =
            "[permission]\norg_management = { description = \"See settings\", changes = \"see\" }";
        let catalog = ScopeCatalog::from_toml(text).expect("a catalog");
        let scope = catalog.find("org_management").expect("a scope of the catalog");

        assert_eq!(Role::ALL.map(|role| role.may_grant(scope)), [true, false, false]);
    }

    #[test]
    fn every_permission_has_a_unique_name_and_a_scope_in_the_shipped_catalog() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        for (index, permission) in Permission::ALL.iter().enumerate() {
            let scope = catalog.find(permission.as_str());

            assert_eq!(scope.map(|scope| scope.name.as_str()), Some(permission.as_str()));
            assert!(
                Permission::ALL[..index]
                    .iter()
                    .all(|earlier| earlier.as_str() != permission.as_str())
            );
        }
    }
}
