//! Scopes as a person reads them: under headings, in words.

use std::collections::BTreeMap;

use crate::oauth::scope::ScopeSet;
use crate::oauth::scope_catalogue::{OTHER_GROUP, Scope, ScopeCatalogue, ScopeKind};

pub struct ScopeGroup {
    pub title: String,
    pub scopes: Vec<ScopeShown>,
}

pub struct ScopeShown {
    pub name: String,
    pub description: String,
    /// It goes with every authorization, so there is nothing to choose.
    pub fixed: bool,
}

impl ScopeGroup {
    /// What is offered, as the catalogue words it: who the person is first, and what has no heading of its own last.
    pub fn list(catalogue: &ScopeCatalogue, optional: &ScopeSet, fixed: &ScopeSet) -> Vec<Self> {
        let mut groups = BTreeMap::<Place<'_>, Vec<ScopeShown>>::new();
        for scope in catalogue.iter() {
            let is_fixed = fixed.contains(scope.name.as_str());
            if is_fixed || optional.contains(scope.name.as_str()) {
                groups.entry(Place::of(scope)).or_default().push(ScopeShown::of(scope, is_fixed));
            }
        }
        groups.into_iter().map(|(place, scopes)| Self { title: place.title.to_owned(), scopes }).collect()
    }
}

impl ScopeShown {
    fn of(scope: &Scope, fixed: bool) -> Self {
        Self { name: scope.name.to_string(), description: scope.description.clone(), fixed }
    }
}

/// Ordered as groups follow one another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    rank: u8,
    title: &'a str,
}

impl<'a> Place<'a> {
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
    fn offered_scopes_stand_under_their_headings_in_order_and_others_do_not_stand_there() {
        let catalogue = ScopeCatalogue::from_toml(
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
        .expect("a catalogue");
        let set = |text: &str| ScopeSet::parse(text).expect("a set");

        let groups = ScopeGroup::list(&catalogue, &set("alone boards_read email unknown"), &set("openid"));

        let shown: Vec<String> = groups
            .iter()
            .flat_map(|group| {
                group.scopes.iter().map(|scope| format!("{}: {}, {}", group.title, scope.name, scope.fixed))
            })
            .collect();
        assert_eq!(
            shown,
            ["You: email, false", "You: openid, true", "Boards: boards_read, false", "Other: alone, false"]
        );
    }

    #[test]
    fn a_scope_that_is_both_is_fixed() {
        let catalogue = ScopeCatalogue::from_toml("[permission]\na = { description = \"Do a\" }").expect("a catalogue");
        let set = ScopeSet::parse("a").expect("a set");

        assert!(ScopeGroup::list(&catalogue, &set, &set)[0].scopes[0].fixed);
    }
}
