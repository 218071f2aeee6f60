//! What it means that an organisation restricts the scopes of a client.

use serde::Deserialize;
use uuid::Uuid;

use crate::config::setting::Setting;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::offered::Excess;

section! {
    "restriction",
    "What it means that an organization restricts the scopes of a client.";

    pub struct Restriction {
        pub on_excess: Excess = Setting::new(
            "restriction.on_excess",
            r#""narrow""#,
            "\"narrow\" or \"refuse\"",
            "A client that asks for more than its restriction allows: narrow leaves out the rest and tells both the \
             user and the client; refuse answers invalid_scope.",
        ),
        pub on_narrow: OnNarrow = Setting::new(
            "restriction.on_narrow",
            r#""revoke""#,
            "\"revoke\" or \"narrow_grants\"",
            "What users have already granted when a scope is taken away: revoke ends every grant that holds the scope; \
             narrow_grants takes only the scope from it.",
        ),
        pub required: Vec<RequiredScopes> = Setting::new(
            "restriction.required",
            "[]",
            "a list of tables with client_id, a UUID that stands once, and permission_scopes, names of the catalog; \
             in the environment as JSON",
            "Scopes that a first-party client always carries, whatever an organization decides. In a file, write \
             [[restriction.required]] and below it client_id and permission_scopes.",
        ),
    }
}

impl Restriction {
    /// What a first-party client carries whatever an organisation decides.
    pub fn required_of(&self, client_id: Uuid) -> Option<&ScopeSet> {
        self.required.iter().find(|required| required.client_id == client_id).map(|found| &found.permission_scopes)
    }
}

/// What becomes of grants that hold a scope which a restriction takes away.
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
