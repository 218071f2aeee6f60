//! `[restriction]`: what happens when an organization restricts the scopes of a client.

use serde::Deserialize;
use uuid::Uuid;

use crate::config::setting::Setting;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::offered::Excess;

section! {
    "restriction",
    "What happens when an organization restricts the scopes of a client.";

    pub struct Restriction {
        pub on_excess: Excess = Setting::new(
            "restriction.on_excess",
            r#""narrow""#,
            "\"narrow\" or \"refuse\"",
            "What happens if a client requests more scopes than its restriction allows. narrow \
             omits the other scopes and informs both the user and the client; refuse returns \
             invalid_scope.",
        ),
        pub on_narrow: OnNarrow = Setting::new(
            "restriction.on_narrow",
            r#""revoke""#,
            "\"revoke\" or \"narrow_grants\"",
            "What happens to existing grants when a restriction removes a scope. revoke revokes \
             every grant that has the scope; narrow_grants removes only the scope from it.",
        ),
        pub required: Vec<RequiredScopes> = Setting::new(
            "restriction.required",
            "[]",
            "a list of tables with client_id (a UUID, listed once) and permission_scopes (names \
             from the catalog); in the environment as JSON",
            "Scopes that a first-party client always has, regardless of any restriction. In a \
             file, write [[restriction.required]], and below it client_id and permission_scopes.",
        ),
    }
}

impl Restriction {
    /// The scopes that a first-party client always has, regardless of any restriction.
    pub fn required_of(&self, client_id: Uuid) -> Option<&ScopeSet> {
        self.required
            .iter()
            .find(|required| required.client_id == client_id)
            .map(|found| &found.permission_scopes)
    }
}

/// What happens to grants that have a scope which a restriction removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNarrow {
    Revoke,
    NarrowGrants,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredScopes {
    pub client_id: Uuid,
    pub permission_scopes: ScopeSet,
}
