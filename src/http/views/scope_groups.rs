//! Groups scopes under the headings of the catalog, with their descriptions.

use std::collections::BTreeMap;

use crate::rules::scope::ScopeSet;
use crate::rules::scope::catalog::{OTHER_GROUP, Scope, ScopeCatalog, ScopeKind};

pub struct ScopeGroup {
    pub title: String,
    pub scopes: Vec<ScopeChoice>,
}

pub struct ScopeChoice {
    pub name: String,
    pub description: String,
    /// The scope is part of every authorization, so it has no checkbox.
    pub fixed: bool,
    /// Whether its checkbox is initially checked.
    pub ticked: bool,
}

impl ScopeGroup {
    /// The offered scopes in groups: OpenID scopes first, scopes without a group last. Scopes in
    /// `cleared` are not ticked, unless they are fixed.
    pub fn list(
        catalog: &ScopeCatalog,
        optional: &ScopeSet,
        fixed: &ScopeSet,
        cleared: &ScopeSet,
    ) -> Vec<Self> {
        let mut groups = BTreeMap::<GroupOrder<'_>, Vec<ScopeChoice>>::new();
        for scope in catalog.iter() {
            let name = scope.name.as_str();
            let is_fixed = fixed.contains(name);
            if is_fixed || optional.contains(name) {
                let ticked = is_fixed || !cleared.contains(name);
                groups
                    .entry(GroupOrder::of(scope))
                    .or_default()
                    .push(ScopeChoice::of(scope, is_fixed, ticked));
            }
        }
        groups
            .into_iter()
            .map(|(group, scopes)| Self { title: group.title.to_owned(), scopes })
            .collect()
    }
}

impl ScopeChoice {
    fn of(scope: &Scope, fixed: bool, ticked: bool) -> Self {
        Self { name: scope.name.to_string(), description: scope.description.clone(), fixed, ticked }
    }
}

/// The sort key of a group.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct GroupOrder<'a> {
    rank: u8,
    title: &'a str,
}

impl<'a> GroupOrder<'a> {
    fn of(scope: &'a Scope) -> Self {
        let rank = match (scope.kind, scope.group.as_str()) {
            (_, OTHER_GROUP) => 2,
            (ScopeKind::Oidc, _) => 0,
            (ScopeKind::Permission, _) => 1,
        };
        Self { rank, title: &scope.group }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offered_scopes_are_grouped_in_order_and_others_are_omitted() {
        let catalog = ScopeCatalog::from_toml(
            r#"
            [groups]
            you = "You"
            boards = "Boards"
            [oidc]
            openid = { group = "you", description = "Confirm who you are" }
            email = { group = "you", description = "See your email address" }
            [permission]
            alone = { description = "Stand alone" }
            boards_read = { group = "boards", description = "See boards" }
            boards_write = { group = "boards", description = "Change boards" }
            "#,
        )
        .expect("a catalog");
        let set = |text: &str| ScopeSet::parse(text).expect("a set");

        let groups = ScopeGroup::list(
            &catalog,
            &set("alone boards_read email unknown"),
            &set("openid"),
            &set("email"),
        );

        let shown: Vec<_> = groups
            .iter()
            .flat_map(|group| {
                group.scopes.iter().map(|scope| {
                    (group.title.as_str(), scope.name.as_str(), scope.fixed, scope.ticked)
                })
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("You", "email", false, false),
                ("You", "openid", true, true),
                ("Boards", "boards_read", false, true),
                ("Other", "alone", false, true),
            ]
        );
    }

    #[test]
    fn a_scope_that_is_both_optional_and_fixed_is_fixed() {
        let catalog = ScopeCatalog::from_toml("[permission]\na = { description = \"Do a\" }")
            .expect("a catalog");
        let set = ScopeSet::parse("a").expect("a set");

        let scope = &ScopeGroup::list(&catalog, &set, &set, &set)[0].scopes[0];
        assert!(scope.fixed && scope.ticked);
    }
}
