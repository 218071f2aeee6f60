//! The scopes that a confidential client may get at most, because its owner configured them.

use crate::scope::ScopeSet;
use crate::scope::catalog::{Scope, ScopeCatalog};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfiguredScopes {
    names: ScopeSet,
    /// The private scopes for which the owner is an approved partner now.
    approved: ScopeSet,
}

impl ConfiguredScopes {
    pub const fn new(names: ScopeSet, approved: ScopeSet) -> Self {
        Self { names, approved }
    }

    /// Whether the owner configured the scope, approved or not.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    pub const fn names(&self) -> &ScopeSet {
        &self.names
    }

    pub fn allows(&self, scope: &Scope) -> bool {
        let name = scope.name.as_str();
        self.names.contains(name) && (!scope.private || self.approved.contains(name))
    }

    /// The scopes that the client may get now.
    pub fn available(&self, catalog: &ScopeCatalog) -> ScopeSet {
        self.names
            .clone()
            .partition(|name| catalog.find(name.as_str()).is_some_and(|scope| self.allows(scope)))
            .0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::catalog::SHIPPED;

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("scopes")
    }

    #[test]
    fn a_private_scope_is_available_while_its_owner_is_approved_for_it() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let cases = [
            ("openid mcp_read", "", "mcp_read openid"),
            ("openid api_keys_write", "", "openid"),
            ("openid api_keys_write", "api_keys_write", "api_keys_write openid"),
            ("openid", "api_keys_write", "openid"),
            ("openid no_longer_known", "", "openid"),
            ("", "api_keys_write", ""),
        ];
        for (names, approved, available) in cases {
            let configured = ConfiguredScopes::new(set(names), set(approved));
            assert_eq!(configured.available(&catalog), set(available), "{names} | {approved}");
            for scope in catalog.iter() {
                let name = scope.name.as_str();
                assert_eq!(configured.allows(scope), set(available).contains(name), "{name}");
            }
        }
        let configured = ConfiguredScopes::new(set("api_keys_write"), set(""));
        assert!(configured.contains("api_keys_write") && !configured.contains("openid"));
        assert_eq!(configured.names(), &set("api_keys_write"));
    }
}
