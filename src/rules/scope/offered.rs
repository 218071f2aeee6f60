//! Which scopes a user is offered to grant (RFC 6749 section 3.3), and what becomes of the rest.
//!
//! Asked for is what the request names, else what the client registered, else the catalog's defaults. Of that the
//! server withholds what this kind of client can never have, the organization what its restriction does not list, and
//! the user's role what the user may not grant. Required scopes of a first-party client pass all three.

use serde::Deserialize;

use crate::rules::authorization::refusal::{ErrorCode, Refusal};
use crate::rules::identity::permission::Role;
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::scope::{ScopeSet, ScopeToken};

#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub requested: Option<&'a ScopeSet>,
    pub registered: &'a ScopeSet,
    /// See [`crate::rules::scope::restriction::ceiling`].
    pub ceiling: &'a ScopeSet,
    pub required: &'a ScopeSet,
    pub role: Role,
    pub catalog: &'a ScopeCatalog,
    pub on_excess: Excess,
}

/// What becomes of a request for more than may be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Excess {
    Narrow,
    Refuse,
}

/// The scope by which a client asks to stay connected (OpenID Connect Core section 11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// What a consent page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedScopes {
    /// The user may untick these.
    pub optional: ScopeSet,
    /// Granted with the rest or not at all: required scopes, and `openid`, which turns the request into a sign-in.
    pub fixed: ScopeSet,
    /// In alphabetical order.
    pub withheld: Vec<Withheld>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    pub scope: ScopeToken,
    pub by: WithheldBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WithheldBy {
    /// Its restriction of this client, or its default for every client.
    Organization,
    /// The user's role lacks the permission of the same name, or is read-only and the scope changes something.
    Role,
    /// It is for approved clients only.
    Server,
}

/// Nothing is offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{refusal}")]
pub struct Refused {
    pub refusal: Refusal,
    /// As of [`OfferedScopes`].
    pub withheld: Vec<Withheld>,
}

/// Those of the scopes that the organisation withholds.
pub fn withheld_by_organization(withheld: &[Withheld]) -> ScopeSet {
    let by_organization = withheld.iter().filter(|one| one.by == WithheldBy::Organization);
    by_organization.map(|one| one.scope.clone()).collect()
}

impl OfferedScopes {
    pub fn all(&self) -> ScopeSet {
        self.fixed.union(&self.optional)
    }

    /// Whether a client gets a refresh token with what was granted. A client that asks for `offline_access` and does not get
    /// it may not stay connected, whoever withheld it. One that does not ask gets what it registered for.
    pub fn allows_refresh(&self, granted: &ScopeSet) -> bool {
        let is_it = |scope: &ScopeToken| scope.as_str() == OFFLINE_ACCESS;
        let was_asked = self.all().contains(OFFLINE_ACCESS) || self.withheld.iter().any(|one| is_it(&one.scope));
        !was_asked || granted.contains(OFFLINE_ACCESS)
    }

    /// What is granted where the user left these ticked.
    pub fn chosen(&self, ticked: &ScopeSet) -> ScopeSet {
        self.fixed.union(&self.optional.intersection(ticked))
    }
}

impl WithheldBy {
    const ALL: [Self; 3] = [Self::Server, Self::Organization, Self::Role];

    /// What is said of scopes that it withholds: which rule that is, and who can change it.
    const fn rule(self) -> &'static str {
        match self {
            Self::Organization => "not in what the organization allows this client: its administrators can change that",
            Self::Role => {
                "more than the role of the user permits: an administrator of the organization can change the role"
            }
            Self::Server => "only for clients that the operator of this server approved: ask the operator",
        }
    }
}

/// Names the scopes, by the rule that withholds them.
fn told(withheld: &[Withheld]) -> String {
    let of_rule = |by| {
        let scopes: ScopeSet = withheld.iter().filter(|one| one.by == by).map(|one| one.scope.clone()).collect();
        let verb = if scopes.len() == 1 { "is" } else { "are" };
        (!scopes.is_empty()).then(|| format!("{} {verb} {}", scopes.in_words(), by.rule()))
    };
    WithheldBy::ALL.into_iter().filter_map(of_rule).collect::<Vec<_>>().join("; ")
}

/// What the user is offered. Nothing left to offer is `invalid_scope`, and with [`Excess::Refuse`] so is anything
/// withheld.
pub fn judge(asked: Asked<'_>) -> Result<OfferedScopes, Refused> {
    let (offered, rest) = asked_for(&asked).partition(|scope| withheld_by(scope, &asked).is_none());
    let withheld: Vec<_> =
        rest.into_iter().filter_map(|scope| withheld_by(&scope, &asked).map(|by| Withheld { scope, by })).collect();
    let is_fixed = |scope: &ScopeToken| scope.as_str() == "openid" || asked.required.contains(scope.as_str());
    let (fixed, optional) = offered.union(asked.required).partition(is_fixed);
    let nothing_left = fixed.is_empty() && optional.is_empty();
    match withheld.is_empty() {
        false if nothing_left || asked.on_excess == Excess::Refuse => {
            Err(Refused { refusal: Refusal::new(ErrorCode::InvalidScope, told(&withheld)), withheld })
        }
        true if nothing_left => {
            let remedy = "no scope is named and this server has no default: name at least one in scope";
            Err(Refused { refusal: Refusal::new(ErrorCode::InvalidScope, remedy), withheld })
        }
        _ => Ok(OfferedScopes { optional, fixed, withheld }),
    }
}

/// Of what was granted once, what may still be had: organisations, roles and catalogs change.
pub fn still_permitted(
    granted: &ScopeSet,
    ceiling: &ScopeSet,
    required: &ScopeSet,
    role: Role,
    catalog: &ScopeCatalog,
) -> ScopeSet {
    let asked =
        Asked { requested: None, registered: granted, ceiling, required, role, catalog, on_excess: Excess::Narrow };
    granted.clone().partition(|scope| withheld_by(scope, &asked).is_none()).0
}

/// Of what a token holds, what the role that its user has now permits.
pub fn permitted_by_role(scopes: &ScopeSet, required: &ScopeSet, role: Role, catalog: &ScopeCatalog) -> ScopeSet {
    let on_excess = Excess::Narrow;
    let asked = Asked { requested: None, registered: scopes, ceiling: scopes, required, role, catalog, on_excess };
    scopes.clone().partition(|scope| withheld_by(scope, &asked) != Some(WithheldBy::Role)).0
}

fn asked_for(asked: &Asked<'_>) -> ScopeSet {
    let is_known = |scope: &ScopeToken| asked.catalog.find(scope.as_str()).is_some();
    if let Some(requested) = asked.requested.filter(|requested| !requested.is_empty()) {
        return requested.clone();
    }
    let (registered, _) = asked.registered.clone().partition(is_known);
    if registered.is_empty() { asked.catalog.defaults().clone() } else { registered }
}

/// The rule that is hardest to change comes first.
fn withheld_by(scope: &ScopeToken, asked: &Asked<'_>) -> Option<WithheldBy> {
    let name = scope.as_str();
    if asked.required.contains(name) {
        return None;
    }
    // A stored request may name what the catalog has lost since.
    let Some(known) = asked.catalog.find(name).filter(|scope| !scope.private) else {
        return Some(WithheldBy::Server);
    };
    if !asked.ceiling.contains(name) {
        return Some(WithheldBy::Organization);
    }
    (!asked.role.may_grant(known)).then_some(WithheldBy::Role)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::scope::catalog::SHIPPED;
    use crate::rules::scope::restriction::{ScopesRestriction, ceiling};

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("a scope")
    }

    /// What is asked in the case at hand; the ceiling is everything unless it is named.
    struct Case {
        requested: Option<&'static str>,
        registered: &'static str,
        allowed: Option<&'static str>,
        required: &'static str,
        role: Role,
        on_excess: Excess,
    }

    const USUAL: Case = Case {
        requested: None,
        registered: "",
        allowed: None,
        required: "",
        role: Role::Admin,
        on_excess: Excess::Narrow,
    };

    impl Case {
        fn judge(&self) -> Result<OfferedScopes, Refused> {
            let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
            let restriction =
                self.allowed.map(|names| ScopesRestriction::from_stored(Vec::new(), set(names).into_iter().collect()));
            let required = set(self.required);
            judge(Asked {
                requested: self.requested.map(set).as_ref(),
                registered: &set(self.registered),
                ceiling: &ceiling(restriction.as_ref(), None, &required, &catalog),
                required: &required,
                role: self.role,
                catalog: &catalog,
                on_excess: self.on_excess,
            })
        }

        /// Fixed, optional and withheld scopes, each as text.
        fn told(&self) -> (String, String, String) {
            let offered = self.judge().expect("something is offered");
            let withheld: Vec<_> = offered.withheld.iter().map(|one| format!("{} {:?}", one.scope, one.by)).collect();
            (offered.fixed.to_string(), offered.optional.to_string(), withheld.join(", "))
        }

        fn refusal(&self) -> String {
            self.judge().expect_err("nothing is offered").to_string()
        }
    }

    fn told(fixed: &str, optional: &str, withheld: &str) -> (String, String, String) {
        (fixed.to_owned(), optional.to_owned(), withheld.to_owned())
    }

    #[test]
    fn what_is_asked_for_is_the_request_else_the_registration_else_the_defaults() {
        let registered = "profile dashboards_read retired_scope";
        let cases = [
            (Some("openid email"), registered, told("openid", "email", "")),
            (None, registered, told("", "dashboards_read profile", "")),
            (Some(""), registered, told("", "dashboards_read profile", "")),
            (None, "retired_scope", told("openid", "email mcp_read profile", "")),
            (None, "", told("openid", "email mcp_read profile", "")),
        ];
        for (requested, registered, expected) in cases {
            assert_eq!(Case { requested, registered, ..USUAL }.told(), expected, "{requested:?}");
        }
    }

    #[test]
    fn each_of_three_withholds_by_its_own_rule_and_the_rest_is_offered() {
        let requested = Some("openid offline_access api_keys_write dashboards_read org_management metrics_read");
        let allowed = Some("openid offline_access api_keys_write dashboards_read org_management");
        let role = Role::Standard;

        assert_eq!(
            Case { requested, allowed, role, ..USUAL }.told(),
            told(
                "openid",
                "dashboards_read offline_access",
                "api_keys_write Server, metrics_read Organization, org_management Role",
            ),
        );
    }

    #[test]
    fn a_role_withholds_permissions_that_it_lacks_and_a_read_only_one_every_change() {
        let requested = Some("dashboards_write org_authorized_apps_read org_authorized_apps_write");
        let cases = [
            (Role::Admin, "dashboards_write org_authorized_apps_read org_authorized_apps_write"),
            (Role::Standard, "dashboards_write org_authorized_apps_read"),
            (Role::ReadOnly, "org_authorized_apps_read"),
        ];
        for (role, expected) in cases {
            assert_eq!(Case { requested, role, ..USUAL }.told().1, expected);
        }
    }

    #[test]
    fn required_scopes_pass_every_rule_and_cannot_be_unticked() {
        let case = Case {
            requested: Some("dashboards_read mobile_app_access"),
            allowed: Some(""),
            required: "mobile_app_access org_management api_keys_write",
            role: Role::ReadOnly,
            ..USUAL
        };
        let all = "api_keys_write mobile_app_access org_management";

        assert_eq!(case.told(), told(all, "", "dashboards_read Organization"));
        assert_eq!(case.judge().expect("offered").chosen(&ScopeSet::default()), set(all));
    }

    #[test]
    fn openid_is_fixed_only_where_it_is_asked_for_and_offered() {
        let cases = [
            (Some("openid email"), None, told("openid", "email", "")),
            (Some("email"), None, told("", "email", "")),
            (Some("openid email"), Some("email"), told("", "email", "openid Organization")),
            (Some("openid"), None, told("openid", "", "")),
        ];
        for (requested, allowed, expected) in cases {
            assert_eq!(Case { requested, allowed, ..USUAL }.told(), expected, "{requested:?} {allowed:?}");
        }
    }

    #[test]
    fn where_nothing_is_left_the_client_hears_who_can_change_it() {
        let (role, allowed) = (Role::ReadOnly, Some(""));
        let cases = [
            (
                Case { requested: Some("openid email"), allowed, ..USUAL },
                "invalid_scope: email and openid are not in what the organization allows this client: its administrators can \
                 change that",
            ),
            (
                Case { requested: Some("org_management"), role, ..USUAL },
                "invalid_scope: org_management is more than the role of the user permits: an administrator of the \
                 organization can change the role",
            ),
            (
                Case { requested: Some("api_keys_write email"), allowed, ..USUAL },
                "invalid_scope: api_keys_write is only for clients that the operator of this server approved: ask the \
                 operator; email is not in what the organization allows this client: its administrators can change that",
            ),
            (
                Case { requested: Some("api_keys_write"), ..USUAL },
                "invalid_scope: api_keys_write is only for clients that the operator of this server approved: ask the \
                 operator",
            ),
        ];
        for (case, expected) in cases {
            assert_eq!(case.refusal(), expected);
        }
    }

    #[test]
    fn a_catalog_without_defaults_has_the_client_name_a_scope() {
        let catalog = "[permission]\nread.description = \"Read\"";
        let catalog = ScopeCatalog::from_toml(catalog).expect("a catalog");
        let (registered, required, everything) = (set(""), set(""), set("read"));
        let refusal = judge(Asked {
            requested: None,
            registered: &registered,
            ceiling: &everything,
            required: &required,
            role: Role::Admin,
            catalog: &catalog,
            on_excess: Excess::Narrow,
        })
        .expect_err("nothing is asked for")
        .refusal;

        assert_eq!(refusal.code, ErrorCode::InvalidScope);
        assert!(refusal.description.starts_with("no scope is named"), "{refusal}");
    }

    #[test]
    fn an_organisation_may_have_more_than_it_allows_refused_at_once() {
        let allowed = Some("openid dashboards_read");
        let refuse = Case {
            requested: Some("openid dashboards_read metrics_read"),
            allowed,
            on_excess: Excess::Refuse,
            ..USUAL
        };
        let within = Case { requested: Some("openid dashboards_read"), ..refuse };

        assert!(refuse.refusal().starts_with("invalid_scope: metrics_read is not in what the organization allows"));
        assert_eq!(within.told(), told("openid", "dashboards_read", ""));
    }

    #[test]
    fn a_client_that_asks_to_stay_connected_and_may_not_gets_no_refresh_token() {
        let cases = [
            ("openid email", None, "openid email", true),
            ("openid offline_access", None, "openid offline_access", true),
            ("openid offline_access", None, "openid", false),
            ("openid offline_access", Some("openid"), "openid", false),
            ("openid email", Some("openid"), "openid", true),
        ];
        for (requested, allowed, granted, expected) in cases {
            let offered = Case { requested: Some(requested), allowed, ..USUAL }.judge().expect("offered");
            assert_eq!(offered.allows_refresh(&set(granted)), expected, "{requested} {allowed:?} {granted}");
        }
    }

    #[test]
    fn only_what_was_offered_can_be_chosen() {
        let requested = Some("openid email dashboards_read");
        let offered = Case { requested, ..USUAL }.judge().expect("offered");
        let cases = [
            ("", "openid"),
            ("email", "openid email"),
            ("email dashboards_read openid", "openid email dashboards_read"),
            ("metrics_read email", "openid email"),
        ];
        for (ticked, expected) in cases {
            assert_eq!(offered.chosen(&set(ticked)), set(expected), "{ticked}");
        }
    }

    fn any_names() -> impl Strategy<Value = String> {
        const NAMES: [&str; 8] = [
            "openid",
            "email",
            "dashboards_read",
            "api_keys_write",
            "org_management",
            "manage_integrations",
            "mcp_read",
            "unheard_of",
        ];
        proptest::sample::subsequence(&NAMES[..], 0..8).prop_map(|names| names.join(" "))
    }

    proptest! {
        #[test]
        fn nothing_is_offered_beyond_any_ceiling_and_nothing_is_lost(
            requested in proptest::option::of(any_names()), registered in any_names(), allowed in any_names(),
            required in "|mobile_app_access", ticked in any_names(), role in proptest::sample::select(&Role::ALL[..]),
        ) {
            let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
            let (allowed, required) = (set(&allowed), set(&required));
            let requested = requested.as_deref().map(set);
            let asked = Asked {
                requested: requested.as_ref(),
                registered: &set(&registered),
                ceiling: &allowed.union(&required),
                required: &required,
                role,
                catalog: &catalog,
                on_excess: Excess::Narrow,
            };
            if let Ok(offered) = judge(asked) {
                let all = offered.all();
                let withheld: ScopeSet = offered.withheld.iter().map(|one| one.scope.clone()).collect();
                prop_assert!(all.is_subset(asked.ceiling) && required.is_subset(&all));
                prop_assert!(!all.contains("api_keys_write"));
                prop_assert!(!all.contains("org_management") || role == Role::Admin);
                let changes = |scope: &ScopeToken| catalog.find(scope.as_str()).is_some_and(|known| known.changes);
                prop_assert!(role != Role::ReadOnly || !offered.optional.iter().any(changes));
                prop_assert!(withheld.intersection(&all).is_empty());
                prop_assert_eq!(withheld.union(&all), asked_for(&asked).union(&required));
                let chosen = offered.chosen(&set(&ticked));
                prop_assert!(offered.fixed.is_subset(&chosen) && chosen.is_subset(&all));
            }
        }
    }
}
