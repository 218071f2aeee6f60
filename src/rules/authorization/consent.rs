//! What a user agreed to, and when a user need not be asked again (RFC 6749 section 10.2, RFC 8252 section 8.6).

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::rules::authorization::request::Prompt;
use crate::rules::authorization::resource::Resource;
use crate::rules::client::ClientId;
use crate::rules::id::{OrgId, UserId};
use crate::rules::redirect::uri::RedirectKind;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::offered::{OfferedScopes, WithheldBy};

/// What the consent page tells a user.
#[derive(Clone, Copy, Debug)]
pub struct ConsentShown<'a> {
    pub client_id: ClientId,
    pub client_name: &'a str,
    /// Where the answer goes.
    pub redirect: &'a str,
    pub org_id: OrgId,
    pub user_id: UserId,
    pub offered: &'a OfferedScopes,
    pub reach: &'a Reach<'a>,
}

/// What the tokens of a request can reach: the resources that it names, or this server if it names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach<'a> {
    /// The request names no resource, or names the issuer as one: `aud` is the issuer in both cases.
    pub this_server: bool,
    /// The others.
    pub resources: Vec<&'a Resource>,
}

impl<'a> Reach<'a> {
    pub fn of(resources: &'a [Resource], issuer: &str) -> Self {
        let issuer = Resource::parse(issuer).ok();
        let (here, others): (Vec<_>, Vec<_>) =
            resources.iter().partition(|resource| issuer.as_ref() == Some(*resource));
        Self { this_server: resources.is_empty() || !here.is_empty(), resources: others }
    }

    /// The names under which consents are remembered: canonical URIs, and "" for this server.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.this_server.then_some("").into_iter().chain(self.resources.iter().map(|resource| resource.canonical()))
    }

    /// The scopes that were agreed to for every part of it. `agreed` holds the scopes by key.
    pub fn agreed_for_all(&self, agreed: &BTreeMap<String, ScopeSet>) -> ScopeSet {
        let mut each = self.keys().map(|key| agreed.get(key).cloned().unwrap_or_default());
        let first = each.next().unwrap_or_default();
        each.fold(first, |all, one| all.intersection(&one))
    }
}

impl ConsentShown<'_> {
    /// Version 2: every value behind its length, every list behind its count, in the order of the fields, so that
    /// different pages cannot be written alike. Pages of version 1 did not say that an app can reach this server.
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
        add_list(&mut hash, withheld.iter().flat_map(|one| [one.scope.as_str(), reason(one.by)]).collect::<Vec<_>>());
        let here = self.reach.this_server.then_some("").into_iter();
        let reach: Vec<_> = here.chain(self.reach.resources.iter().map(|resource| resource.as_str())).collect();
        add_list(&mut hash, reach);
        hash.finalize().into()
    }
}

fn add(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

fn add_list<'a>(hash: &mut Sha256, items: impl IntoIterator<IntoIter: ExactSizeIterator<Item = &'a str>>) {
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

/// For which clients a consent is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remember {
    /// Those that are sent to a web server. Any program of the user's machine can pose as another one
    /// (RFC 8252 section 8.6).
    Https,
    Never,
    Always,
}

/// What a user has decided about a client before, and not taken back.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// The scopes that were granted for this redirect and for everything that the request wants to reach.
    pub granted: &'a ScopeSet,
    /// Boxes that the user cleared.
    pub declined: &'a ScopeSet,
    /// The page that would be shown is the one that was answered last.
    pub on_the_same_page: bool,
}

impl Decided<'_> {
    /// All of what is offered was granted; or the user answered this very page, clearing what was not. What somebody else
    /// has taken from the grant since, the user has not decided about.
    fn covers(&self, offered: &OfferedScopes) -> bool {
        let all = offered.all();
        let missing = all.difference(self.granted);
        let was_cleared = missing.is_subset(&offered.optional) && missing.is_subset(self.declined);
        missing.is_empty() || self.on_the_same_page && was_cleared && missing != all
    }
}

/// Whether what is offered was decided before, so that the user need not be asked.
pub fn is_remembered(
    policy: Remember,
    redirect: RedirectKind,
    decided: Option<Decided<'_>>,
    offered: &OfferedScopes,
    prompt: Prompt,
) -> bool {
    let may_remember = match policy {
        Remember::Always => true,
        Remember::Https => redirect == RedirectKind::Https,
        Remember::Never => false,
    };
    let must_ask = prompt.consent || prompt.select_account;
    may_remember && !must_ask && decided.is_some_and(|decided| decided.covers(offered))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;
    use crate::rules::scope::ScopeToken;
    use crate::rules::scope::offered::Withheld;

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

    fn shown<'a>(offered: &'a OfferedScopes, reach: &'a Reach<'a>) -> ConsentShown<'a> {
        ConsentShown {
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
        let digest: String = shown(&offered, &reach).digest().iter().map(|byte| format!("{byte:02x}")).collect();

        assert_eq!(digest, "c8abae3c9e2c7081df48e1202df35d46b7769f2ade1e69dea2d6ff6e10bcddfd");
    }

    #[test]
    fn pages_that_differ_in_anything_have_different_digests() {
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
        let (here, there) = (Reach::of(&[], ISSUER), Reach::of(&mcp, ISSUER));
        let both = Reach { this_server: true, resources: there.resources.clone() };
        let page = shown(&usual, &here);
        let mut pages = vec![
            page,
            ConsentShown { client_id: ClientId::from_uuid(Uuid::nil()), ..page },
            ConsentShown { client_name: "Apphttps://app.example", ..page },
            ConsentShown { client_name: "Apphttps://app.example", redirect: "/cb", ..page },
            ConsentShown { redirect: "https://app.example/cb2", ..page },
            ConsentShown { org_id: OrgId(Uuid::from_u128(3)), user_id: UserId(Uuid::from_u128(2)), ..page },
            ConsentShown { user_id: UserId(Uuid::nil()), ..page },
            ConsentShown { reach: &there, ..page },
            ConsentShown { reach: &both, ..page },
        ];
        pages.extend(others.iter().map(|offered| shown(offered, &here)));

        let digests: BTreeSet<_> = pages.iter().map(ConsentShown::digest).collect();
        assert_eq!(digests.len(), pages.len());
    }

    #[test]
    fn a_request_reaches_this_server_if_it_names_no_resource_or_names_the_issuer() {
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
            let named: Vec<_> = named.split_whitespace().map(|uri| Resource::parse(uri).expect("a resource")).collect();
            let reach = Reach::of(&named, ISSUER);
            assert_eq!(reach.keys().collect::<Vec<_>>(), expected);
            assert_eq!(reach.this_server, expected.contains(&""));
        }
    }

    #[test]
    fn scopes_are_remembered_only_where_they_were_agreed_to_for_everything_in_reach() {
        let agreed = [("", "openid email"), ("https://a.example", "email mcp_read"), ("https://b.example", "email")];
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
            let named: Vec<_> = named.split_whitespace().map(|uri| Resource::parse(uri).expect("a resource")).collect();
            assert_eq!(Reach::of(&named, ISSUER).agreed_for_all(&agreed), set(expected), "{named:?}");
        }
        assert_eq!(Reach::of(&[], ISSUER).agreed_for_all(&BTreeMap::new()), set(""));
    }

    #[test]
    fn a_consent_is_remembered_for_what_was_granted_and_where_the_redirect_can_be_told_from_others() {
        use RedirectKind::{Https as Web, Loopback, PrivateUse};
        let (asks, silent) = (false, true);
        let cases = [
            (Remember::Https, Web, Some("openid email"), "", silent),
            (Remember::Https, Web, Some("openid email metrics_read"), "login", silent),
            (Remember::Https, Web, Some("openid email"), "none", silent),
            (Remember::Https, Web, Some("openid email"), "consent", asks),
            (Remember::Https, Web, Some("openid email"), "select_account", asks),
            (Remember::Https, Web, Some("openid"), "", asks),
            (Remember::Https, Web, Some("email"), "", asks),
            (Remember::Https, Web, None, "", asks),
            (Remember::Https, Loopback, Some("openid email"), "", asks),
            (Remember::Https, PrivateUse, Some("openid email"), "", asks),
            (Remember::Always, Web, Some("openid email"), "", silent),
            (Remember::Always, Loopback, Some("openid email"), "", silent),
            (Remember::Always, PrivateUse, Some("openid email"), "", silent),
            (Remember::Always, Loopback, Some("openid email"), "consent", asks),
            (Remember::Always, Loopback, Some("openid"), "", asks),
            (Remember::Always, Loopback, None, "", asks),
            (Remember::Never, Web, Some("openid email"), "", asks),
            (Remember::Never, Loopback, Some("openid email"), "", asks),
        ];
        let offered = offered("email", "openid", &[("metrics_read", WithheldBy::Role)]);
        for (policy, redirect, granted, prompt, expected) in cases {
            let asked = Prompt {
                none: prompt == "none",
                login: prompt == "login",
                consent: prompt == "consent",
                select_account: prompt == "select_account",
            };
            let (granted, declined) = (granted.map(set), ScopeSet::default());
            let decided =
                granted.as_ref().map(|granted| Decided { granted, declined: &declined, on_the_same_page: false });
            let remembered = is_remembered(policy, redirect, decided, &offered, asked);
            assert_eq!(remembered, expected, "{policy:?} {redirect:?} {granted:?} {prompt}");
        }
    }

    #[test]
    fn a_box_that_was_cleared_on_the_same_page_is_decided_about() {
        let (asks, silent) = (false, true);
        let cases = [
            ("openid", "email profile", true, silent),
            ("openid email", "profile", true, silent),
            ("openid email", "profile metrics_read", true, silent),
            ("openid email", "profile", false, asks),
            // Taken by somebody else.
            ("openid email", "", true, asks),
            ("openid", "email", true, asks),
            // What cannot be cleared was not given.
            ("email", "profile", true, asks),
            ("email", "openid profile", true, asks),
            ("", "openid email profile", true, asks),
        ];
        let offered = offered("email profile", "openid", &[]);
        for (granted, declined, on_the_same_page, expected) in cases {
            let (granted, declined) = (set(granted), set(declined));
            let decided = Decided { granted: &granted, declined: &declined, on_the_same_page };
            let (policy, redirect) = (Remember::Https, RedirectKind::Https);
            let remembered = is_remembered(policy, redirect, Some(decided), &offered, Prompt::default());
            assert_eq!(remembered, expected, "{granted} but {declined}, {on_the_same_page}");
        }
        let optional = self::offered("email profile", "", &[]);
        let decided = Decided { granted: &set("openid"), declined: &set("email profile"), on_the_same_page: true };
        assert!(!decided.covers(&optional), "nothing of it is left to give");
    }
}
