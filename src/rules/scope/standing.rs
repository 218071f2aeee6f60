//! Whether tokens may be issued for a grant now, and with which scopes.
//!
//! A grant lasts for months after the consent. Meanwhile the user, their role, the client's state
//! in the organization, its restriction and the catalog can change. So both grant types apply this
//! rule before a code is redeemed or a refresh token is rotated.

use crate::identity::permission::Role;
use crate::scope::ScopeSet;
use crate::scope::offered::{ScopeLimits, still_permitted};
use crate::scope::scopes_restriction::{Ceiling, ScopesRestriction};
use crate::timestamp::Timestamp;

/// The current rows that limit a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub user_disabled_at: Option<Timestamp>,
    /// `None` if the user is not a member of the organization.
    pub role: Option<Role>,
    pub client_disabled_at: Option<Timestamp>,
    pub restriction: Option<ScopesRestriction>,
    pub default_client_scopes: Option<ScopeSet>,
}

impl Standing {
    /// Returns the granted scopes that are still permitted, or `None` if the user or the client may
    /// not have tokens at all.
    pub fn permitted(&self, granted: &ScopeSet, limits: ScopeLimits<'_>) -> Option<ScopeSet> {
        let role = self
            .role
            .filter(|_| self.user_disabled_at.is_none() && self.client_disabled_at.is_none())?;
        let default = self.default_client_scopes.as_ref().filter(|_| limits.configured.is_none());
        let ceiling = Ceiling::of(self.restriction.as_ref(), default, limits.catalog);
        Some(still_permitted(granted, ceiling, role, limits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::ScopeToken;
    use crate::scope::catalog::{SHIPPED, ScopeCatalog};
    use crate::scope::configured::ConfiguredScopes;

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("scopes")
    }

    #[test]
    fn a_confidential_client_has_its_configured_scopes_and_no_default_of_the_organization() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let required = set("");
        let configured = ConfiguredScopes::new(set("openid mcp_read"), set(""));
        let limits =
            ScopeLimits { catalog: &catalog, required: &required, configured: Some(&configured) };
        let member = || Standing { role: Some(Role::Standard), ..Standing::default() };
        let granted = set("openid mcp_read mcp_write");
        let cases = [
            (member(), "openid mcp_read"),
            (Standing { default_client_scopes: Some(set("")), ..member() }, "openid mcp_read"),
            (Standing { restriction: Some(restriction(&["mcp_read"])), ..member() }, "mcp_read"),
        ];
        for (standing, expected) in cases {
            assert_eq!(standing.permitted(&granted, limits), Some(set(expected)), "{standing:?}");
        }
    }

    fn restriction(names: &[&str]) -> ScopesRestriction {
        let names = names.iter().map(|name| ScopeToken::parse(name).expect("a scope")).collect();
        ScopesRestriction::from_stored(Vec::new(), names)
    }

    #[test]
    fn scopes_are_limited_by_user_role_client_restriction_and_defaults() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let required = set("email");
        let member = || Standing { role: Some(Role::Standard), ..Standing::default() };
        let granted = "email mcp_read org_management";
        let at = Some(Timestamp::from_seconds(1));
        let cases = [
            (Standing::default(), None),
            (Standing { user_disabled_at: at, ..member() }, None),
            (Standing { client_disabled_at: at, ..member() }, None),
            (member(), Some("email mcp_read")),
            (
                Standing { role: Some(Role::Admin), ..member() },
                Some("email mcp_read org_management"),
            ),
            (Standing { restriction: Some(restriction(&[])), ..member() }, Some("email")),
            (
                Standing { restriction: Some(restriction(&["mcp_read"])), ..member() },
                Some("email mcp_read"),
            ),
            (Standing { default_client_scopes: Some(set("")), ..member() }, Some("email")),
            (
                Standing {
                    restriction: Some(restriction(&["mcp_read"])),
                    default_client_scopes: Some(set("")),
                    ..member()
                },
                Some("email mcp_read"),
            ),
        ];
        for (standing, expected) in cases {
            let limits = ScopeLimits { catalog: &catalog, required: &required, configured: None };

            assert_eq!(
                standing.permitted(&set(granted), limits),
                expected.map(set),
                "{standing:?}"
            );
        }
    }
}
