//! The exchange of an authorization code for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.6):
//! whether the request succeeds, with which scopes and resources, and whether it revokes a family.
//!
//! The decision is made on the row as it was read, before anything is changed. The code is then
//! redeemed only if it was not redeemed in the meantime and its grant is still active, so a refused
//! request never uses up a code.

use crate::authorization::pkce::CodeChallenge;
use crate::authorization::resource::Resource;
use crate::client::ClientId;
use crate::id::FamilyId;
use crate::scope::ScopeSet;
use crate::scope::offered::ScopeLimits;
use crate::scope::standing::Standing;
use crate::secret::Secret;
use crate::timestamp::Timestamp;
use crate::token::request::{TokenRefusal, narrower_resources};

/// The token request of a client.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeRequest<'a> {
    pub client_id: ClientId,
    pub redirect_uri: Option<&'a str>,
    pub code_verifier: Option<&'a Secret>,
    pub resources: &'a [Resource],
}

/// The row of the code, as it was read.
#[derive(Clone, Copy, Debug)]
pub struct StoredCode<'a> {
    pub client_id: ClientId,
    /// `None` if the authorization request had no `redirect_uri`. The exchange then needs none
    /// either.
    pub redirect_uri: Option<&'a str>,
    pub code_challenge: Option<&'a CodeChallenge>,
    pub scopes: &'a ScopeSet,
    pub resources: &'a [Resource],
    pub expires_at: Timestamp,
    /// The family that the first use of the code created.
    pub used_by: Option<FamilyId>,
    pub standing: &'a Standing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeDecision {
    /// Redeem the code and create a family. Scopes and resources are those of the access token.
    Issue {
        scopes: ScopeSet,
        resources: Vec<Resource>,
    },
    Refuse(TokenRefusal),
    /// The code was used before (RFC 6749 section 4.1.2). Revoke the family of the first use and
    /// refuse the request.
    RevokeFamily(FamilyId),
}

pub fn decide_exchange(
    request: ExchangeRequest<'_>,
    code: Option<StoredCode<'_>>,
    limits: ScopeLimits<'_>,
    now: Timestamp,
) -> ExchangeDecision {
    let code = code.filter(|code| code.client_id == request.client_id);
    if let Some(family_id) = code.and_then(|code| code.used_by) {
        return ExchangeDecision::RevokeFamily(family_id);
    }
    match access(request, code, limits, now) {
        Ok((scopes, resources)) => ExchangeDecision::Issue { scopes, resources },
        Err(refusal) => ExchangeDecision::Refuse(refusal),
    }
}

/// Returns the scopes and resources of the access token. The error does not reveal whether the
/// redirect URI or the verifier was wrong.
fn access(
    request: ExchangeRequest<'_>,
    code: Option<StoredCode<'_>>,
    limits: ScopeLimits<'_>,
    now: Timestamp,
) -> Result<(ScopeSet, Vec<Resource>), TokenRefusal> {
    let is_valid = |code: &StoredCode<'_>| {
        now < code.expires_at
            && redirect_matches(code.redirect_uri, request.redirect_uri)
            && verifier_matches(code.code_challenge, request.code_verifier)
    };
    let code = code.filter(is_valid).ok_or(TokenRefusal::InvalidCode)?;
    let scopes = code.standing.permitted(code.scopes, limits).filter(|scopes| !scopes.is_empty());
    let scopes = scopes.ok_or(TokenRefusal::InvalidCode)?;
    Ok((scopes, narrower_resources(request.resources, code.resources)?))
}

fn redirect_matches(authorized: Option<&str>, sent: Option<&str>) -> bool {
    authorized.is_none() || authorized == sent
}

fn verifier_matches(challenge: Option<&CodeChallenge>, verifier: Option<&Secret>) -> bool {
    match (challenge, verifier) {
        (Some(challenge), Some(verifier)) => challenge.verify(verifier.expose()),
        (None, None) => true,
        // A verifier without a challenge is an attempted downgrade (RFC 9700 section 4.8.2).
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::identity::permission::Role;
    use crate::scope::catalog::{SHIPPED, ScopeCatalog};

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const REDIRECT: &str = "https://app.example/callback";

    fn client(number: u128) -> ClientId {
        ClientId::from_uuid(Uuid::from_u128(number))
    }

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("scopes")
    }

    fn resources(texts: &[&str]) -> Vec<Resource> {
        Resource::parse_all(texts.iter().copied()).expect("resources")
    }

    /// A code that expires at second 60, for two resources. Each case changes one thing.
    struct Case {
        client_id: ClientId,
        redirect_uri: Option<&'static str>,
        authorized_redirect: Option<&'static str>,
        verifier: Option<&'static str>,
        has_challenge: bool,
        named: &'static [&'static str],
        granted: &'static [&'static str],
        now: i64,
        used_by: Option<FamilyId>,
        standing: Standing,
    }

    fn usual() -> Case {
        Case {
            client_id: client(1),
            redirect_uri: Some(REDIRECT),
            authorized_redirect: Some(REDIRECT),
            verifier: Some(VERIFIER),
            has_challenge: true,
            named: &[],
            granted: &["https://a.example", "https://b.example"],
            now: 59,
            used_by: None,
            standing: Standing { role: Some(Role::Standard), ..Standing::default() },
        }
    }

    fn decision(case: &Case) -> ExchangeDecision {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let named = resources(case.named);
        let granted = resources(case.granted);
        let scopes = set("email org_management");
        let challenge = case.has_challenge.then(|| CodeChallenge::of_verifier(VERIFIER));
        let verifier = case.verifier.map(|text| Secret::new(text.to_owned()));
        let request = ExchangeRequest {
            client_id: case.client_id,
            redirect_uri: case.redirect_uri,
            code_verifier: verifier.as_ref(),
            resources: &named,
        };
        let code = StoredCode {
            client_id: client(1),
            redirect_uri: case.authorized_redirect,
            code_challenge: challenge.as_ref(),
            scopes: &scopes,
            resources: &granted,
            expires_at: Timestamp::from_seconds(60),
            used_by: case.used_by,
            standing: &case.standing,
        };
        let limits = ScopeLimits { catalog: &catalog, required: &set(""), configured: None };
        decide_exchange(request, Some(code), limits, Timestamp::from_seconds(case.now))
    }

    #[test]
    fn an_exchange_depends_on_code_client_redirect_verifier_user_and_resource() {
        let issue = |names: &[&str]| ExchangeDecision::Issue {
            scopes: set("email"),
            resources: resources(names),
        };
        let both = || issue(&["https://a.example", "https://b.example"]);
        let refuse = ExchangeDecision::Refuse;
        let invalid = || refuse(TokenRefusal::InvalidCode);
        let at = Some(Timestamp::from_seconds(1));
        let family = FamilyId(Uuid::from_u128(9));
        let used = || Case { used_by: Some(family), ..usual() };
        let revoke = || ExchangeDecision::RevokeFamily(family);
        let standing = || usual().standing;
        let cases = [
            ("usual", usual(), both()),
            ("expired", Case { now: 60, ..usual() }, invalid()),
            ("another client", Case { client_id: client(2), ..usual() }, invalid()),
            ("used", used(), revoke()),
            ("used, late", Case { now: 600, ..used() }, revoke()),
            (
                "used, without proof",
                Case { verifier: None, redirect_uri: None, ..used() },
                revoke(),
            ),
            ("used, by another client", Case { client_id: client(2), ..used() }, invalid()),
            (
                "wrong redirect",
                Case { redirect_uri: Some("https://app.example/"), ..usual() },
                invalid(),
            ),
            ("no redirect", Case { redirect_uri: None, ..usual() }, invalid()),
            (
                "no redirect needed",
                Case { redirect_uri: None, authorized_redirect: None, ..usual() },
                both(),
            ),
            ("redirect not needed", Case { authorized_redirect: None, ..usual() }, both()),
            ("wrong verifier", Case { verifier: Some("x"), ..usual() }, invalid()),
            ("no verifier", Case { verifier: None, ..usual() }, invalid()),
            ("verifier without challenge", Case { has_challenge: false, ..usual() }, invalid()),
            ("neither", Case { has_challenge: false, verifier: None, ..usual() }, both()),
            ("no role", Case { standing: Standing::default(), ..usual() }, invalid()),
            (
                "disabled user",
                Case { standing: Standing { user_disabled_at: at, ..standing() }, ..usual() },
                invalid(),
            ),
            (
                "disabled client",
                Case { standing: Standing { client_disabled_at: at, ..standing() }, ..usual() },
                invalid(),
            ),
            (
                "nothing permitted",
                Case {
                    standing: Standing { default_client_scopes: Some(set("")), ..standing() },
                    ..usual()
                },
                invalid(),
            ),
            (
                "one resource",
                Case { named: &["https://b.example/"], ..usual() },
                issue(&["https://b.example"]),
            ),
            (
                "another resource",
                Case { named: &["https://c.example"], ..usual() },
                refuse(TokenRefusal::ResourceNotGranted),
            ),
            ("no resource", Case { granted: &[], ..usual() }, issue(&[])),
            (
                "first named at the exchange",
                Case { named: &["https://a.example"], granted: &[], ..usual() },
                refuse(TokenRefusal::ResourceNotRequested),
            ),
        ];
        for (name, case, expected) in cases {
            assert_eq!(decision(&case), expected, "{name}");
        }
    }

    #[test]
    fn an_unknown_code_is_refused() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let limits = ScopeLimits { catalog: &catalog, required: &set(""), configured: None };
        let request = ExchangeRequest {
            client_id: client(1),
            redirect_uri: None,
            code_verifier: None,
            resources: &[],
        };

        let decision = decide_exchange(request, None, limits, Timestamp::from_seconds(0));

        assert_eq!(decision, ExchangeDecision::Refuse(TokenRefusal::InvalidCode));
    }
}
