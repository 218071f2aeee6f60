//! Consent: what a user agreed to, and when the user is not asked again (RFC 6749 section 10.2, RFC
//! 8252 section 8.6).

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::authorization::request::Prompt;
use crate::authorization::resource::Resource;
use crate::client::ClientId;
use crate::id::{OrgId, UserId};
use crate::redirect::uri::RedirectKind;
use crate::scope::ScopeSet;
use crate::scope::offered::{OfferedScopes, WithheldBy};

/// The content of a consent page.
#[derive(Clone, Copy, Debug)]
pub struct ConsentContent<'a> {
    pub client_id: ClientId,
    pub client_name: &'a str,
    /// The redirect URI of the request.
    pub redirect: &'a str,
    pub org_id: OrgId,
    pub user_id: UserId,
    pub offered: &'a OfferedScopes,
    pub reach: &'a Reach<'a>,
}

/// The resources that the tokens of a request are valid for. If the request names none, this server
/// is the only one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach<'a> {
    /// Whether the request names no resource, or names the issuer. In both cases `aud` contains the
    /// issuer.
    pub this_server: bool,
    /// The resources other than this server.
    pub resources: Vec<&'a Resource>,
}

impl<'a> Reach<'a> {
    pub fn of(resources: &'a [Resource], issuer: &str) -> Self {
        let issuer = Resource::parse(issuer).ok();
        let (here, others): (Vec<_>, Vec<_>) =
            resources.iter().partition(|resource| issuer.as_ref() == Some(*resource));
        Self { this_server: resources.is_empty() || !here.is_empty(), resources: others }
    }

    /// The keys under which consents are stored: canonical URIs, and "" for this server.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.this_server
            .then_some("")
            .into_iter()
            .chain(self.resources.iter().map(|resource| resource.canonical()))
    }

    /// The scopes that the user agreed to for all resources. `agreed` contains the scopes for each
    /// key.
    pub fn agreed_for_all(&self, agreed: &BTreeMap<String, ScopeSet>) -> ScopeSet {
        let mut each = self.keys().map(|key| agreed.get(key).cloned().unwrap_or_default());
        let first = each.next().unwrap_or_default();
        each.fold(first, |all, scopes| all.intersection(&scopes))
    }
}

impl ConsentContent<'_> {
    /// Version 2. Each value is prefixed with its length and each list with its number of items, in
    /// the order of the fields, so different pages never have the same digest. Version 1 did not
    /// contain whether a client can access this server.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix("consent shown v2");
        add(&mut hash, self.client_id.uuid().as_bytes());
        add(&mut hash, self.client_name.as_bytes());
        add(&mut hash, self.redirect.as_bytes());
        add(&mut hash, self.org_id.0.as_bytes());
        add(&mut hash, self.user_id.0.as_bytes());
        let OfferedScopes { optional, fixed, withheld } = self.offered;
        add_list(&mut hash, optional.names());
        add_list(&mut hash, fixed.names());
        add_list(
            &mut hash,
            withheld
                .iter()
                .flat_map(|item| [item.scope.as_str(), reason(item.by)])
                .collect::<Vec<_>>(),
        );
        let here = self.reach.this_server.then_some("").into_iter();
        let reach: Vec<_> =
            here.chain(self.reach.resources.iter().map(|resource| resource.as_str())).collect();
        add_list(&mut hash, reach);
        hash.finalize().into()
    }
}

fn add(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

fn add_list<'a>(
    hash: &mut Sha256,
    items: impl IntoIterator<IntoIter: ExactSizeIterator<Item = &'a str>>,
) {
    let items = items.into_iter();
    hash.update((items.len() as u64).to_be_bytes());
    items.for_each(|item| add(hash, item.as_bytes()));
}

const fn reason(by: WithheldBy) -> &'static str {
    match by {
        WithheldBy::Organization => "organization",
        WithheldBy::Role => "role",
        WithheldBy::Server => "server",
    }
}

/// The clients for which a consent is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RememberConsent {
    /// Only clients with an https redirect URI. On the user's machine any program can impersonate
    /// another (RFC 8252 section 8.6).
    Https,
    Never,
    Always,
}

/// The last decision of a user about a client.
#[derive(Clone, Copy, Debug)]
pub struct PreviousDecision<'a> {
    /// The scopes that were granted for this redirect URI and for all resources of the request.
    pub granted: &'a ScopeSet,
    /// The scopes whose boxes the user cleared.
    pub declined: &'a ScopeSet,
    /// Whether the page would be the same as the one that the user answered.
    pub is_same_page: bool,
}

impl PreviousDecision<'_> {
    /// Whether all offered scopes were granted, or the user answered the same page and cleared the
    /// boxes of the others. Scopes that were removed from the grant later were not declined by the
    /// user.
    fn covers(&self, offered: &OfferedScopes) -> bool {
        let all = offered.all();
        let missing = all.difference(self.granted);
        let was_cleared = missing.is_subset(&offered.optional) && missing.is_subset(self.declined);
        missing.is_empty() || self.is_same_page && was_cleared && missing != all
    }
}

/// Whether the user already decided about the offered scopes and is not asked again.
pub fn is_remembered(
    policy: RememberConsent,
    redirect: RedirectKind,
    previous: Option<PreviousDecision<'_>>,
    offered: &OfferedScopes,
    prompt: Prompt,
) -> bool {
    let may_remember = match policy {
        RememberConsent::Always => true,
        RememberConsent::Https => redirect == RedirectKind::Https,
        RememberConsent::Never => false,
    };
    let must_ask = prompt.consent || prompt.select_account;
    may_remember && !must_ask && previous.is_some_and(|decision| decision.covers(offered))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;
    use crate::scope::ScopeToken;
    use crate::scope::offered::Withheld;

    const ISSUER: &str = "https://id.example";

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("a scope")
    }

    fn offered(optional: &str, fixed: &str, withheld: &[(&str, WithheldBy)]) -> OfferedScopes {
        let withheld = withheld
            .iter()
            .map(|(name, by)| Withheld { scope: ScopeToken::parse(name).expect("a name"), by: *by })
            .collect();
        OfferedScopes { optional: set(optional), fixed: set(fixed), withheld }
    }

    fn content<'a>(offered: &'a OfferedScopes, reach: &'a Reach<'a>) -> ConsentContent<'a> {
        ConsentContent {
            client_id: ClientId::from_uuid(Uuid::from_u128(1)),
            client_name: "App",
            redirect: "https://app.example/cb",
            org_id: OrgId(Uuid::from_u128(2)),
            user_id: UserId(Uuid::from_u128(3)),
            offered,
            reach,
        }
    }

    #[test]
    fn the_same_page_has_the_same_digest_in_every_release() {
        let resources = [Resource::parse("https://mcp.example").expect("a resource")];
        let offered = offered("email", "openid", &[("metrics_read", WithheldBy::Organization)]);
        let reach = Reach::of(&resources, ISSUER);
        let digest: String =
            content(&offered, &reach).digest().iter().map(|byte| format!("{byte:02x}")).collect();

        assert_eq!(digest, "c8abae3c9e2c7081df48e1202df35d46b7769f2ade1e69dea2d6ff6e10bcddfd");
    }

    #[test]
    fn different_pages_have_different_digests() {
        use WithheldBy::{Organization, Role, Server};
        let mcp = [Resource::parse("https://mcp.example").expect("a resource")];
        let usual = offered("email profile", "openid", &[("a", Organization), ("b", Role)]);
        let others = [
            offered("email", "openid profile", &[("a", Organization), ("b", Role)]),
            offered("email profile openid", "", &[("a", Organization), ("b", Role)]),
            offered("emailprofile", "openid", &[("a", Organization), ("b", Role)]),
            offered("email profile", "openid", &[("a", Role), ("b", Role)]),
            offered("email profile", "openid", &[("a", Server), ("b", Role)]),
            offered("email profile", "openid", &[("a", Organization)]),
            offered("email profile", "openid a", &[("b", Role)]),
            offered("", "", &[]),
        ];
        let here = Reach::of(&[], ISSUER);
        let there = Reach::of(&mcp, ISSUER);
        let both = Reach { this_server: true, resources: there.resources.clone() };
        let page = content(&usual, &here);
        let mut pages = vec![
            page,
            ConsentContent { client_id: ClientId::from_uuid(Uuid::nil()), ..page },
            ConsentContent { client_name: "Apphttps://app.example", ..page },
            ConsentContent { client_name: "Apphttps://app.example", redirect: "/cb", ..page },
            ConsentContent { redirect: "https://app.example/cb2", ..page },
            ConsentContent {
                org_id: OrgId(Uuid::from_u128(3)),
                user_id: UserId(Uuid::from_u128(2)),
                ..page
            },
            ConsentContent { user_id: UserId(Uuid::nil()), ..page },
            ConsentContent { reach: &there, ..page },
            ConsentContent { reach: &both, ..page },
        ];
        pages.extend(others.iter().map(|offered| content(offered, &here)));

        let digests: BTreeSet<_> = pages.iter().map(ConsentContent::digest).collect();
        assert_eq!(digests.len(), pages.len());
    }

    #[test]
    fn a_request_is_for_this_server_if_it_names_no_resource_or_the_issuer() {
        let cases = [
            ("", vec![""]),
            ("https://id.example", vec![""]),
            ("https://ID.example:443/", vec![""]),
            ("https://id.example/mcp", vec!["https://id.example/mcp"]),
            ("https://a.example/", vec!["https://a.example"]),
            (
                "https://a.example https://id.example https://b.example",
                vec!["", "https://a.example", "https://b.example"],
            ),
        ];
        for (named, expected) in cases {
            let named: Vec<_> = named
                .split_whitespace()
                .map(|uri| Resource::parse(uri).expect("a resource"))
                .collect();
            let reach = Reach::of(&named, ISSUER);
            assert_eq!(reach.keys().collect::<Vec<_>>(), expected);
            assert_eq!(reach.this_server, expected.contains(&""));
        }
    }

    #[test]
    fn scopes_are_remembered_only_if_they_were_agreed_to_for_all_resources() {
        let agreed = [
            ("", "openid email"),
            ("https://a.example", "email mcp_read"),
            ("https://b.example", "email"),
        ];
        let agreed = agreed.map(|(resource, scopes)| (resource.to_owned(), set(scopes))).into();
        let cases = [
            ("", "openid email"),
            ("https://A.example/", "email mcp_read"),
            ("https://a.example https://b.example", "email"),
            ("https://a.example https://id.example", "email"),
            ("https://c.example", ""),
            ("https://a.example https://c.example", ""),
        ];
        for (named, expected) in cases {
            let named: Vec<_> = named
                .split_whitespace()
                .map(|uri| Resource::parse(uri).expect("a resource"))
                .collect();
            assert_eq!(
                Reach::of(&named, ISSUER).agreed_for_all(&agreed),
                set(expected),
                "{named:?}"
            );
        }
        assert_eq!(Reach::of(&[], ISSUER).agreed_for_all(&BTreeMap::new()), set(""));
    }

    #[test]
    fn a_consent_is_remembered_for_the_granted_scopes_and_for_identifiable_redirects() {
        use RedirectKind::{Https as Web, Loopback, PrivateUse};
        let (asks, silent) = (false, true);
        let cases = [
            (RememberConsent::Https, Web, Some("openid email"), "", silent),
            (RememberConsent::Https, Web, Some("openid email metrics_read"), "login", silent),
            (RememberConsent::Https, Web, Some("openid email"), "none", silent),
            (RememberConsent::Https, Web, Some("openid email"), "consent", asks),
            (RememberConsent::Https, Web, Some("openid email"), "select_account", asks),
            (RememberConsent::Https, Web, Some("openid"), "", asks),
            (RememberConsent::Https, Web, Some("email"), "", asks),
            (RememberConsent::Https, Web, None, "", asks),
            (RememberConsent::Https, Loopback, Some("openid email"), "", asks),
            (RememberConsent::Https, PrivateUse, Some("openid email"), "", asks),
            (RememberConsent::Always, Web, Some("openid email"), "", silent),
            (RememberConsent::Always, Loopback, Some("openid email"), "", silent),
            (RememberConsent::Always, PrivateUse, Some("openid email"), "", silent),
            (RememberConsent::Always, Loopback, Some("openid email"), "consent", asks),
            (RememberConsent::Always, Loopback, Some("openid"), "", asks),
            (RememberConsent::Always, Loopback, None, "", asks),
            (RememberConsent::Never, Web, Some("openid email"), "", asks),
            (RememberConsent::Never, Loopback, Some("openid email"), "", asks),
        ];
        let offered = offered("email", "openid", &[("metrics_read", WithheldBy::Role)]);
        for (policy, redirect, granted, prompt, expected) in cases {
            let prompts = Prompt {
                none: prompt == "none",
                login: prompt == "login",
                consent: prompt == "consent",
                select_account: prompt == "select_account",
            };
            let granted = granted.map(set);
            let declined = ScopeSet::default();
            let previous = granted.as_ref().map(|granted| PreviousDecision {
                granted,
                declined: &declined,
                is_same_page: false,
            });
            let remembered = is_remembered(policy, redirect, previous, &offered, prompts);
            assert_eq!(remembered, expected, "{policy:?} {redirect:?} {granted:?} {prompt}");
        }
    }

    #[test]
    fn a_scope_is_declined_if_its_box_was_cleared_on_the_same_page() {
        let (asks, silent) = (false, true);
        let cases = [
            ("openid", "email profile", true, silent),
            ("openid email", "profile", true, silent),
            ("openid email", "profile metrics_read", true, silent),
            ("openid email", "profile", false, asks),
            // The missing scope was removed from the grant later.
            ("openid email", "", true, asks),
            ("openid", "email", true, asks),
            // A fixed scope, whose box cannot be cleared, is missing.
            ("email", "profile", true, asks),
            ("email", "openid profile", true, asks),
            ("", "openid email profile", true, asks),
        ];
        let offered = offered("email profile", "openid", &[]);
        for (granted, declined, is_same_page, expected) in cases {
            let granted = set(granted);
            let declined = set(declined);
            let previous =
                PreviousDecision { granted: &granted, declined: &declined, is_same_page };
            let policy = RememberConsent::Https;
            let redirect = RedirectKind::Https;
            let remembered =
                is_remembered(policy, redirect, Some(previous), &offered, Prompt::default());
            assert_eq!(
                remembered, expected,
                "granted {granted}, declined {declined}, {is_same_page}"
            );
        }
        let optional = self::offered("email profile", "", &[]);
        let previous = PreviousDecision {
            granted: &set("openid"),
            declined: &set("email profile"),
            is_same_page: true,
        };
        assert!(!previous.covers(&optional), "no offered scope was granted");
    }
}
