//! Which of the requested scopes a user can grant (RFC 6749 section 3.3), and why the others are
//! withheld.
//!
//! The requested scopes are those in the request, or else those that the client registered, or else
//! the catalog's defaults. A confidential client has no defaults: it gets the scopes that its owner
//! configured, and no others. From these, three rules withhold scopes:
//!
//! * the server: private scopes, and scopes that are not in the catalog
//! * the organization: scopes that its restriction of this client does not list
//! * the user's role: scopes that the user may not grant
//!
//! Required scopes of a first-party client are exempt from all three rules.

use serde::Deserialize;

use crate::authorization::refusal::{ErrorCode, Refusal};
use crate::identity::permission::Role;
use crate::scope::catalog::{Scope, ScopeCatalog};
use crate::scope::configured::ConfiguredScopes;
use crate::scope::scopes_restriction::Ceiling;
use crate::scope::{ScopeSet, ScopeToken};

/// A request for scopes, and the limits that apply to it.
#[derive(Clone, Copy, Debug)]
pub struct ScopeRequest<'a> {
    pub requested: Option<&'a ScopeSet>,
    pub registered: &'a ScopeSet,
    /// The scopes that a confidential client may get. `None` for public clients.
    pub configured: Option<&'a ConfiguredScopes>,
    pub ceiling: Ceiling<'a>,
    pub required: &'a ScopeSet,
    pub role: Role,
    pub catalog: &'a ScopeCatalog,
    pub on_excess: Excess,
}

/// The server settings, and the scopes of the client, that limit a grant.
#[derive(Clone, Copy, Debug)]
pub struct ScopeLimits<'a> {
    pub catalog: &'a ScopeCatalog,
    /// Scopes of a first-party client that are exempt from every restriction.
    pub required: &'a ScopeSet,
    /// The scopes that a confidential client may get. `None` for public clients. The organization's
    /// default is for public clients only.
    pub configured: Option<&'a ConfiguredScopes>,
}

/// How to handle a request for more scopes than the client may be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Excess {
    Narrow,
    Refuse,
}

/// The scope that requests a refresh token (OpenID Connect Core 1.0 section 11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The scopes on a consent page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedScopes {
    /// Scopes that the user can clear on the consent page.
    pub optional: ScopeSet,
    /// Scopes that the user cannot clear: required scopes, and `openid`, which makes the request a
    /// sign-in.
    pub fixed: ScopeSet,
    /// Scopes that were requested but cannot be granted, in alphabetical order.
    pub withheld: Vec<Withheld>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    pub scope: ScopeToken,
    pub by: WithheldBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WithheldBy {
    /// The organization's restriction of this client, or its default, does not list the scope.
    Organization,
    /// The user's role lacks the permission of the same name, or is read-only and the scope changes something.
    Role,
    /// The scope is private or not in the catalog.
    Server,
}

/// The request is refused: no scope is left, or the server refuses requests for too much.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{refusal}")]
pub struct ScopesRefused {
    pub refusal: Refusal,
    /// The same as in [`OfferedScopes`].
    pub withheld: Vec<Withheld>,
}

/// Selects the scopes that the organization withholds.
pub fn withheld_by_organization(withheld: &[Withheld]) -> ScopeSet {
    let by_organization =
        withheld.iter().filter(|withheld| withheld.by == WithheldBy::Organization);
    by_organization.map(|withheld| withheld.scope.clone()).collect()
}

/// Selects the scopes that the role of the user does not permit.
pub fn withheld_by_role(withheld: &[Withheld]) -> ScopeSet {
    let by_role = withheld.iter().filter(|withheld| withheld.by == WithheldBy::Role);
    by_role.map(|withheld| withheld.scope.clone()).collect()
}

impl OfferedScopes {
    pub fn all(&self) -> ScopeSet {
        self.fixed.union(&self.optional)
    }

    /// Whether a client may get a refresh token with the granted scopes. A client that requests
    /// `offline_access` and is not granted it gets none, for whatever reason it was withheld. For a
    /// client that does not request it, only the registration counts.
    pub fn allows_refresh(&self, granted: &ScopeSet) -> bool {
        let was_withheld =
            self.withheld.iter().any(|withheld| withheld.scope.as_str() == OFFLINE_ACCESS);
        let was_requested = self.all().contains(OFFLINE_ACCESS) || was_withheld;
        !was_requested || granted.contains(OFFLINE_ACCESS)
    }

    /// The scopes to grant if the user left these boxes checked.
    pub fn chosen(&self, checked: &ScopeSet) -> ScopeSet {
        self.fixed.union(&self.optional.intersection(checked))
    }
}

impl WithheldBy {
    const ALL: [Self; 3] = [Self::Server, Self::Organization, Self::Role];

    /// The reason, to follow the names of the scopes, and who can change it.
    const fn reason(self) -> &'static str {
        match self {
            Self::Organization => {
                "not allowed for this client by the organization: its administrators can change this"
            }
            Self::Role => {
                "not permitted by the role of the user: an administrator of the organization can change the role"
            }
            Self::Server => {
                "available only to clients approved by the operator of this server: ask the operator"
            }
        }
    }
}

/// Lists the scopes with the reasons why they are withheld.
fn describe(withheld: &[Withheld]) -> String {
    let sentence = |by| {
        let scopes: ScopeSet = withheld
            .iter()
            .filter(|withheld| withheld.by == by)
            .map(|withheld| withheld.scope.clone())
            .collect();
        let verb = if scopes.len() == 1 { "is" } else { "are" };
        (!scopes.is_empty()).then(|| format!("{} {verb} {}", scopes.in_words(), by.reason()))
    };
    WithheldBy::ALL.into_iter().filter_map(sentence).collect::<Vec<_>>().join("; ")
}

/// Decides which scopes to offer to the user. The request is refused with `invalid_scope` if no
/// scope is left, and with [`Excess::Refuse`] if any scope is withheld.
pub fn offered_scopes(request: ScopeRequest<'_>) -> Result<OfferedScopes, ScopesRefused> {
    let (offered, rest) =
        requested_scopes(&request).partition(|scope| withheld_by(scope, &request).is_none());
    let withheld: Vec<_> = rest
        .into_iter()
        .filter_map(|scope| withheld_by(&scope, &request).map(|by| Withheld { scope, by }))
        .collect();
    let is_fixed = |scope: &ScopeToken| {
        scope.as_str() == "openid" || request.required.contains(scope.as_str())
    };
    let (fixed, optional) = offered.union(request.required).partition(is_fixed);
    let nothing_left = fixed.is_empty() && optional.is_empty();
    match withheld.is_empty() {
        false if nothing_left || request.on_excess == Excess::Refuse => Err(ScopesRefused {
            refusal: Refusal::new(ErrorCode::InvalidScope, describe(&withheld)),
            withheld,
        }),
        true if nothing_left => {
            let remedy =
                "no scope is requested and this server has no default: name at least one in scope";
            Err(ScopesRefused { refusal: Refusal::new(ErrorCode::InvalidScope, remedy), withheld })
        }
        _ => Ok(OfferedScopes { optional, fixed, withheld }),
    }
}

/// The granted scopes that are still permitted, because restrictions, roles and the catalog can
/// change after the consent.
pub fn still_permitted(
    granted: &ScopeSet,
    ceiling: Ceiling<'_>,
    role: Role,
    limits: ScopeLimits<'_>,
) -> ScopeSet {
    let request = limits.request(granted, ceiling, role);
    granted.clone().partition(|scope| withheld_by(scope, &request).is_none()).0
}

/// The scopes of a token that its user's current role permits.
pub fn permitted_by_role(scopes: &ScopeSet, role: Role, limits: ScopeLimits<'_>) -> ScopeSet {
    let request = limits.request(scopes, Ceiling::Scopes(scopes), role);
    scopes.clone().partition(|scope| withheld_by(scope, &request) != Some(WithheldBy::Role)).0
}

impl<'a> ScopeLimits<'a> {
    /// A request for all of `scopes`.
    const fn request(
        self,
        scopes: &'a ScopeSet,
        ceiling: Ceiling<'a>,
        role: Role,
    ) -> ScopeRequest<'a> {
        let Self { catalog, required, configured } = self;
        let on_excess = Excess::Narrow;
        ScopeRequest {
            requested: None,
            registered: scopes,
            configured,
            ceiling,
            required,
            role,
            catalog,
            on_excess,
        }
    }
}

fn requested_scopes(request: &ScopeRequest<'_>) -> ScopeSet {
    let is_known = |scope: &ScopeToken| request.catalog.find(scope.as_str()).is_some();
    if let Some(requested) = request.requested.filter(|requested| !requested.is_empty()) {
        return requested.clone();
    }
    if let Some(configured) = request.configured {
        return configured.available(request.catalog);
    }
    let (registered, _) = request.registered.clone().partition(is_known);
    if registered.is_empty() { request.catalog.defaults().clone() } else { registered }
}

/// Checks the rules in order, starting with the one that is hardest to change.
fn withheld_by(scope: &ScopeToken, request: &ScopeRequest<'_>) -> Option<WithheldBy> {
    let name = scope.as_str();
    if request.required.contains(name) {
        return None;
    }
    // A stored request may name a scope that is no longer in the catalog.
    let is_available = |scope: &&Scope| match request.configured {
        Some(configured) => configured.allows(scope),
        None => !scope.private,
    };
    let Some(known) = request.catalog.find(name).filter(is_available) else {
        return Some(WithheldBy::Server);
    };
    if !request.ceiling.contains(name) {
        return Some(WithheldBy::Organization);
    }
    (!request.role.may_grant(known)).then_some(WithheldBy::Role)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scope::catalog::SHIPPED;
    use crate::scope::scopes_restriction::ScopesRestriction;

    #[test]
    fn a_token_keeps_the_scopes_that_the_role_of_its_user_permits() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let held = set("mcp_read no_longer_known org_management");
        let permitted = |required: &str, role| {
            let required = &set(required);
            let limits = ScopeLimits { catalog: &catalog, required, configured: None };
            permitted_by_role(&held, role, limits)
        };

        assert_eq!(permitted("", Role::Admin), held);
        assert_eq!(permitted("", Role::Standard), set("mcp_read no_longer_known"));
        assert_eq!(permitted("org_management", Role::Standard), held);
    }

    #[test]
    fn a_confidential_client_is_offered_its_configured_scopes_and_no_defaults() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let cases = [
            (None, "openid mcp_read", Some("mcp_read openid")),
            (None, "", None),
            (Some("mcp_read"), "openid mcp_read", Some("mcp_read")),
            (Some("mcp_read mcp_write"), "mcp_read", Some("mcp_read")),
            (Some("mcp_write"), "mcp_read", None),
            (None, "api_keys_write mcp_read", Some("api_keys_write mcp_read")),
            (Some("api_keys_write"), "mcp_read", None),
        ];
        for (requested, configured, expected) in cases {
            let requested = requested.map(set);
            let registered = set(configured);
            let configured = ConfiguredScopes::new(registered.clone(), set("api_keys_write"));
            let offered = offered_scopes(ScopeRequest {
                requested: requested.as_ref(),
                registered: &registered,
                configured: Some(&configured),
                ceiling: Ceiling::of(None, None, &catalog),
                required: &set(""),
                role: Role::Admin,
                catalog: &catalog,
                on_excess: Excess::Narrow,
            });

            let offered = offered.ok().map(|offered| offered.all());
            assert_eq!(offered, expected.map(set), "{requested:?} of {registered}");
        }
    }

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("a scope")
    }

    /// One request. If `allowed` is `None`, the client is not restricted.
    struct Case {
        requested: Option<&'static str>,
        registered: &'static str,
        allowed: Option<&'static str>,
        required: &'static str,
        role: Role,
        on_excess: Excess,
    }

    const DEFAULT: Case = Case {
        requested: None,
        registered: "",
        allowed: None,
        required: "",
        role: Role::Admin,
        on_excess: Excess::Narrow,
    };

    impl Case {
        fn offered(&self) -> Result<OfferedScopes, ScopesRefused> {
            let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
            let restriction = self.allowed.map(|names| {
                ScopesRestriction::from_stored(Vec::new(), set(names).into_iter().collect())
            });
            let required = set(self.required);
            offered_scopes(ScopeRequest {
                requested: self.requested.map(set).as_ref(),
                registered: &set(self.registered),
                configured: None,
                ceiling: Ceiling::of(restriction.as_ref(), None, &catalog),
                required: &required,
                role: self.role,
                catalog: &catalog,
                on_excess: self.on_excess,
            })
        }

        /// Fixed, optional and withheld scopes, each as text.
        fn as_text(&self) -> (String, String, String) {
            let offered = self.offered().expect("scopes are offered");
            let withheld = offered
                .withheld
                .iter()
                .map(|withheld| format!("{} {:?}", withheld.scope, withheld.by));
            let withheld: Vec<_> = withheld.collect();
            (offered.fixed.to_string(), offered.optional.to_string(), withheld.join(", "))
        }

        fn refusal(&self) -> String {
            self.offered().expect_err("no scope is offered").to_string()
        }
    }

    fn scopes(fixed: &str, optional: &str, withheld: &str) -> (String, String, String) {
        (fixed.to_owned(), optional.to_owned(), withheld.to_owned())
    }

    #[test]
    fn scopes_come_from_the_request_or_else_the_registration_or_else_the_defaults() {
        let registered = "profile dashboards_read retired_scope";
        let cases = [
            (Some("openid email"), registered, scopes("openid", "email", "")),
            (None, registered, scopes("", "dashboards_read profile", "")),
            (Some(""), registered, scopes("", "dashboards_read profile", "")),
            (None, "retired_scope", scopes("openid", "email mcp_read profile", "")),
            (None, "", scopes("openid", "email mcp_read profile", "")),
        ];
        for (requested, registered, expected) in cases {
            assert_eq!(
                Case { requested, registered, ..DEFAULT }.as_text(),
                expected,
                "{requested:?}"
            );
        }
    }

    #[test]
    fn server_organization_and_role_withhold_scopes_and_the_rest_is_offered() {
        let requested = Some(
            "openid offline_access api_keys_write dashboards_read org_management metrics_read",
        );
        let allowed = Some("openid offline_access api_keys_write dashboards_read org_management");
        let role = Role::Standard;

        assert_eq!(
            Case { requested, allowed, role, ..DEFAULT }.as_text(),
            scopes(
                "openid",
                "dashboards_read offline_access",
                "api_keys_write Server, metrics_read Organization, org_management Role",
            ),
        );
    }

    #[test]
    fn a_role_withholds_permissions_that_it_lacks_and_read_only_withholds_every_change() {
        let requested = Some("dashboards_write org_authorized_apps_read org_authorized_apps_write");
        let cases = [
            (Role::Admin, "dashboards_write org_authorized_apps_read org_authorized_apps_write"),
            (Role::Standard, "dashboards_write org_authorized_apps_read"),
            (Role::ReadOnly, "org_authorized_apps_read"),
        ];
        for (role, expected) in cases {
            assert_eq!(Case { requested, role, ..DEFAULT }.as_text().1, expected);
        }
    }

    #[test]
    fn required_scopes_are_exempt_from_every_rule_and_cannot_be_cleared() {
        let case = Case {
            requested: Some("dashboards_read mobile_app_access"),
            allowed: Some(""),
            required: "mobile_app_access org_management api_keys_write",
            role: Role::ReadOnly,
            ..DEFAULT
        };
        let all = "api_keys_write mobile_app_access org_management";

        assert_eq!(case.as_text(), scopes(all, "", "dashboards_read Organization"));
        assert_eq!(case.offered().expect("offered").chosen(&ScopeSet::default()), set(all));
    }

    #[test]
    fn openid_is_fixed_only_if_it_is_requested_and_offered() {
        let cases = [
            (Some("openid email"), None, scopes("openid", "email", "")),
            (Some("email"), None, scopes("", "email", "")),
            (Some("openid email"), Some("email"), scopes("", "email", "openid Organization")),
            (Some("openid"), None, scopes("openid", "", "")),
        ];
        for (requested, allowed, expected) in cases {
            assert_eq!(
                Case { requested, allowed, ..DEFAULT }.as_text(),
                expected,
                "{requested:?} {allowed:?}"
            );
        }
    }

    #[test]
    fn a_refusal_says_who_can_change_it() {
        let (role, allowed) = (Role::ReadOnly, Some(""));
        let cases = [
            (
                Case { requested: Some("openid email"), allowed, ..DEFAULT },
                "invalid_scope: email and openid are not allowed for this client by the organization: its administrators can \
                 change this",
            ),
            (
                Case { requested: Some("org_management"), role, ..DEFAULT },
                "invalid_scope: org_management is not permitted by the role of the user: an administrator of the \
                 organization can change the role",
            ),
            (
                Case { requested: Some("api_keys_write email"), allowed, ..DEFAULT },
                "invalid_scope: api_keys_write is available only to clients approved by the operator of this server: ask \
                 the operator; email is not allowed for this client by the organization: its administrators can change \
                 this",
            ),
            (
                Case { requested: Some("api_keys_write"), ..DEFAULT },
                "invalid_scope: api_keys_write is available only to clients approved by the operator of this server: ask \
                 the operator",
            ),
        ];
        for (case, expected) in cases {
            assert_eq!(case.refusal(), expected);
        }
    }

    #[test]
    fn a_catalog_without_defaults_requires_the_client_to_name_a_scope() {
        let catalog = "[permission]\nread.description = \"Read\"";
        let catalog = ScopeCatalog::from_toml(catalog).expect("a catalog");
        let (registered, required, everything) = (set(""), set(""), set("read"));
        let refusal = offered_scopes(ScopeRequest {
            requested: None,
            registered: &registered,
            configured: None,
            ceiling: Ceiling::Scopes(&everything),
            required: &required,
            role: Role::Admin,
            catalog: &catalog,
            on_excess: Excess::Narrow,
        })
        .expect_err("no scope is requested")
        .refusal;

        assert_eq!(refusal.code, ErrorCode::InvalidScope);
        assert!(refusal.description.starts_with("no scope is requested"), "{refusal}");
    }

    #[test]
    fn requests_for_too_much_can_be_refused_instead_of_narrowed() {
        let allowed = Some("openid dashboards_read");
        let refuse = Case {
            requested: Some("openid dashboards_read metrics_read"),
            allowed,
            on_excess: Excess::Refuse,
            ..DEFAULT
        };
        let within = Case { requested: Some("openid dashboards_read"), ..refuse };

        assert!(
            refuse
                .refusal()
                .starts_with("invalid_scope: metrics_read is not allowed for this client")
        );
        assert_eq!(within.as_text(), scopes("openid", "dashboards_read", ""));
    }

    #[test]
    fn a_client_that_requests_offline_access_and_is_not_granted_it_gets_no_refresh_token() {
        let cases = [
            ("openid email", None, "openid email", true),
            ("openid offline_access", None, "openid offline_access", true),
            ("openid offline_access", None, "openid", false),
            ("openid offline_access", Some("openid"), "openid", false),
            ("openid email", Some("openid"), "openid", true),
        ];
        for (requested, allowed, granted, expected) in cases {
            let offered =
                Case { requested: Some(requested), allowed, ..DEFAULT }.offered().expect("offered");
            assert_eq!(
                offered.allows_refresh(&set(granted)),
                expected,
                "{requested} {allowed:?} {granted}"
            );
        }
    }

    #[test]
    fn only_offered_scopes_can_be_chosen() {
        let requested = Some("openid email dashboards_read");
        let offered = Case { requested, ..DEFAULT }.offered().expect("offered");
        let cases = [
            ("", "openid"),
            ("email", "openid email"),
            ("email dashboards_read openid", "openid email dashboards_read"),
            ("metrics_read email", "openid email"),
        ];
        for (checked, expected) in cases {
            assert_eq!(offered.chosen(&set(checked)), set(expected), "{checked}");
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
        fn offered_scopes_are_within_every_limit_and_none_is_lost(
            requested in proptest::option::of(any_names()), registered in any_names(), allowed in any_names(),
            required in "|mobile_app_access", checked in any_names(), role in proptest::sample::select(&Role::ALL[..]),
        ) {
            let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
            let (allowed, required) = (set(&allowed), set(&required));
            let requested = requested.as_deref().map(set);
            let request = ScopeRequest {
                requested: requested.as_ref(),
                registered: &set(&registered),
                configured: None,
                ceiling: Ceiling::Scopes(&allowed),
                required: &required,
                role,
                catalog: &catalog,
                on_excess: Excess::Narrow,
            };
            if let Ok(offered) = offered_scopes(request) {
                let all = offered.all();
                let withheld: ScopeSet = offered.withheld.iter().map(|withheld| withheld.scope.clone()).collect();
                prop_assert!(all.is_subset(&allowed.union(&required)) && required.is_subset(&all));
                prop_assert!(!all.contains("api_keys_write"));
                prop_assert!(!all.contains("org_management") || role == Role::Admin);
                let changes = |scope: &ScopeToken| catalog.find(scope.as_str()).is_some_and(|known| known.changes);
                prop_assert!(role != Role::ReadOnly || !offered.optional.iter().any(changes));
                prop_assert!(withheld.intersection(&all).is_empty());
                prop_assert_eq!(withheld.union(&all), requested_scopes(&request).union(&required));
                let chosen = offered.chosen(&set(&checked));
                prop_assert!(offered.fixed.is_subset(&chosen) && chosen.is_subset(&all));
            }
        }
    }
}
