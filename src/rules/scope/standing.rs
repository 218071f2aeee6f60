//! Whether tokens may be issued for a grant now, and with which scopes.
//!
//! A grant lasts for months after the consent. Meanwhile the user, their role, the client's state
//! in the organization, its restriction and the catalog can change. So both grant types apply this
//! rule before a code is redeemed or a refresh token is rotated.

use crate::identity::permission::Role;
use crate::scope::ScopeSet;
use crate::scope::catalog::ScopeCatalog;
use crate::scope::offered::still_permitted;
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

/// The server settings that limit a grant.
#[derive(Clone, Copy, Debug)]
pub struct ScopeLimits<'a> {
    pub catalog: &'a ScopeCatalog,
    /// Scopes of a first-party client that are exempt from every restriction.
    pub required: &'a ScopeSet,
    /// The scopes that a confidential client may get. `None` for public clients. The organization's
    /// default is for public clients only.
    pub configured: Option<&'a ScopeSet>,
}

impl Standing {
    /// Returns the granted scopes that are still permitted, or `None` if the user or the client may
    /// not have tokens at all.
    pub fn permitted(&self, granted: &ScopeSet, limits: ScopeLimits<'_>) -> Option<ScopeSet> {
        let role = self
            .role
            .filter(|_| self.user_disabled_at.is_none() && self.client_disabled_at.is_none())?;
        let ScopeLimits { catalog, required, configured } = limits;
        let default = self.default_client_scopes.as_ref().filter(|_| configured.is_none());
        let ceiling = Ceiling::of(self.restriction.as_ref(), default, catalog);
        let permitted = still_permitted(granted, ceiling, required, role, catalog);
        Some(match configured {
            Some(configured) => permitted.intersection(configured),
            None => permitted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::ScopeToken;
    use crate::scope::catalog::SHIPPED;

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("scopes")
    }

    #[test]
    fn a_confidential_client_has_its_configured_scopes_and_no_default_of_the_organization() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let (required, configured) = (set(""), set("openid mcp_read"));
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
