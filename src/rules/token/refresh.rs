//! Refresh requests (RFC 6749 section 6): whether a request succeeds, with which tokens, and
//! whether it revokes the family.
//!
//! The decision is made on the row as it was read, before anything is changed. A rotation is stored
//! only if the row was not changed in the meantime, so a refused request never uses up a token.

use crate::authorization::resource::Resource;
use crate::client::ClientId;
use crate::scope::ScopeSet;
use crate::scope::offered::ScopeLimits;
use crate::scope::standing::Standing;
use crate::timestamp::Timestamp;
use crate::token::refresh_token::{Decision, FamilyState, RefreshRules, RefreshToken, decide};
use crate::token::request::{TokenRefusal, narrower_scope, refreshed_resources};

/// The refresh request of a client.
#[derive(Clone, Copy, Debug)]
pub struct RefreshRequest<'a> {
    pub client_id: ClientId,
    pub token: &'a RefreshToken,
    pub scope: Option<&'a ScopeSet>,
    pub resources: &'a [Resource],
    pub now: Timestamp,
}

/// The row of the token's family, as it was read.
#[derive(Clone, Copy, Debug)]
pub struct StoredFamily<'a> {
    pub client_id: ClientId,
    pub state: FamilyState,
    pub scopes: &'a ScopeSet,
    pub resources: &'a [Resource],
    pub standing: &'a Standing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshDecision {
    Issue {
        refresh_token: IssuedRefreshToken,
        /// Scopes and resources of the new access token.
        scopes: ScopeSet,
        resources: Vec<Resource>,
    },
    Refuse(TokenRefusal),
    /// Two parties have tokens of the family. Revoke it and refuse the request.
    RevokeFamily,
}

/// The refresh token of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuedRefreshToken {
    /// The next token, after a rotation.
    Next,
    /// The presented token, which does not rotate. Nothing changes.
    Presented,
    /// The family's current token again. Nothing changes.
    Current,
    /// The family's previous token again. Nothing changes.
    Previous,
}

/// `was_derived` returns whether this server created the presented token.
pub fn decide_refresh(
    request: RefreshRequest<'_>,
    family: Option<StoredFamily<'_>>,
    rules: RefreshRules,
    limits: ScopeLimits<'_>,
    was_derived: impl FnOnce() -> bool,
) -> RefreshDecision {
    let refused = RefreshDecision::Refuse(TokenRefusal::InvalidRefreshToken);
    let Some(family) = family.filter(|family| family.client_id == request.client_id) else {
        return refused;
    };
    let refresh_token = match decide(request.token, &family.state, rules, request.now, was_derived)
    {
        Decision::Rotate => IssuedRefreshToken::Next,
        Decision::Keep => IssuedRefreshToken::Presented,
        Decision::RepeatCurrent => IssuedRefreshToken::Current,
        Decision::RepeatPrevious => IssuedRefreshToken::Previous,
        Decision::Reused => return RefreshDecision::RevokeFamily,
        Decision::TooLate | Decision::Ended(_) | Decision::Foreign => return refused,
    };
    match access(request, family, limits) {
        Ok((scopes, resources)) => RefreshDecision::Issue { refresh_token, scopes, resources },
        Err(refusal) => RefreshDecision::Refuse(refusal),
    }
}

/// Returns the scopes and resources of the new access token.
fn access(
    request: RefreshRequest<'_>,
    family: StoredFamily<'_>,
    limits: ScopeLimits<'_>,
) -> Result<(ScopeSet, Vec<Resource>), TokenRefusal> {
    let permitted = family
        .standing
        .permitted(family.scopes, limits)
        .ok_or(TokenRefusal::InvalidRefreshToken)?;
    let requested = narrower_scope(request.scope, family.scopes)?;
    let scopes = requested.intersection(&permitted);
    if scopes.is_empty() {
        // A client that requested no scope must ask its user to authorize again, and clients do
        // this only after `invalid_grant`.
        let named = request.scope.map(|scope| TokenRefusal::ScopeNotAllowed(scope.clone()));
        return Err(named.unwrap_or(TokenRefusal::InvalidRefreshToken));
    }
    Ok((scopes, refreshed_resources(request.resources, family.resources)?))
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};
    use uuid::Uuid;

    use super::*;
    use crate::id::FamilyId;
    use crate::identity::permission::Role;
    use crate::scope::catalog::{SHIPPED, ScopeCatalog};

    const RULES: RefreshRules = RefreshRules { idle: 1_000, grace: 10, repeat: 600, rotates: true };

    fn mac(message: &[u8]) -> [u8; 32] {
        Sha256::new_with_prefix("key").chain_update(message).finalize().into()
    }

    fn token(sequence: u32) -> RefreshToken {
        RefreshToken::derive(FamilyId(Uuid::from_u128(7)), sequence, [7; 16], mac)
    }

    fn client(number: u128) -> ClientId {
        ClientId::from_uuid(Uuid::from_u128(number))
    }

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("scopes")
    }

    fn resources(texts: &[&str]) -> Vec<Resource> {
        Resource::parse_all(texts.iter().copied()).expect("resources")
    }

    /// The third token is current and nine seconds old. Each case changes one thing.
    struct Case {
        presented: u32,
        client_id: ClientId,
        scope: Option<&'static str>,
        named: &'static [&'static str],
        granted: &'static [&'static str],
        after: i64,
        standing: Standing,
        revoked_at: Option<Timestamp>,
    }

    fn usual() -> Case {
        Case {
            presented: 3,
            client_id: client(1),
            scope: None,
            named: &[],
            granted: &["https://a.example", "https://b.example"],
            after: 9,
            standing: Standing { role: Some(Role::Standard), ..Standing::default() },
            revoked_at: None,
        }
    }

    fn decision(case: &Case) -> RefreshDecision {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let scope = case.scope.map(set);
        let named = resources(case.named);
        let granted = resources(case.granted);
        let scopes = set("email mcp_read org_management");
        let required = set("");
        let presented = token(case.presented);
        let request = RefreshRequest {
            client_id: case.client_id,
            token: &presented,
            scope: scope.as_ref(),
            resources: &named,
            now: Timestamp::from_seconds(5_000 + case.after),
        };
        let family = StoredFamily {
            client_id: client(1),
            state: FamilyState {
                sequence: 3,
                current_digest: Some(token(3).digest()),
                previous_digest: Some(token(2).digest()),
                rotated_at: Timestamp::from_seconds(5_000),
                previous_rotated_at: Some(Timestamp::from_seconds(5_000)),
                ends_at: None,
                revoked_at: case.revoked_at,
            },
            scopes: &scopes,
            resources: &granted,
            standing: &case.standing,
        };
        let limits = ScopeLimits { catalog: &catalog, required: &required, configured: None };
        decide_refresh(request, Some(family), RULES, limits, || presented.was_derived(mac))
    }

    fn issue(refresh_token: IssuedRefreshToken, scopes: &str, named: &[&str]) -> RefreshDecision {
        RefreshDecision::Issue { refresh_token, scopes: set(scopes), resources: resources(named) }
    }

    #[test]
    fn a_refresh_depends_on_token_user_client_scope_and_resource() {
        use IssuedRefreshToken::{Current, Next, Previous};
        const BOTH: &[&str] = &["https://a.example", "https://b.example"];
        let refuse = RefreshDecision::Refuse;
        let invalid = || refuse(TokenRefusal::InvalidRefreshToken);
        let at = Some(Timestamp::from_seconds(1));
        let standing = || usual().standing;
        let cases = [
            ("usual", usual(), issue(Next, "email mcp_read", BOTH)),
            ("another client", Case { client_id: client(2), ..usual() }, invalid()),
            (
                "another client with an old token",
                Case { presented: 0, client_id: client(2), ..usual() },
                invalid(),
            ),
            ("previous", Case { presented: 2, ..usual() }, issue(Current, "email mcp_read", BOTH)),
            (
                "previous, in time",
                Case { presented: 2, after: 600, ..usual() },
                issue(Current, "email mcp_read", BOTH),
            ),
            ("previous, too late", Case { presented: 2, after: 601, ..usual() }, invalid()),
            (
                "used successor",
                Case { presented: 1, ..usual() },
                issue(Previous, "email mcp_read", BOTH),
            ),
            (
                "used successor, late",
                Case { presented: 1, after: 11, ..usual() },
                RefreshDecision::RevokeFamily,
            ),
            ("old", Case { presented: 0, ..usual() }, RefreshDecision::RevokeFamily),
            ("future", Case { presented: 4, ..usual() }, invalid()),
            ("revoked", Case { revoked_at: at, ..usual() }, invalid()),
            ("idle", Case { after: 1_000, ..usual() }, invalid()),
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
                "disabled user with an old token",
                Case {
                    presented: 0,
                    standing: Standing { user_disabled_at: at, ..standing() },
                    ..usual()
                },
                RefreshDecision::RevokeFamily,
            ),
            (
                "narrower scope",
                Case { scope: Some("email"), ..usual() },
                issue(Next, "email", BOTH),
            ),
            (
                "wider scope",
                Case { scope: Some("email mcp_write"), ..usual() },
                refuse(TokenRefusal::ScopeNotGranted(set("mcp_write"))),
            ),
            (
                "scope beyond the role",
                Case { scope: Some("org_management"), ..usual() },
                refuse(TokenRefusal::ScopeNotAllowed(set("org_management"))),
            ),
            (
                "scope beyond the role, repeated",
                Case { presented: 2, scope: Some("org_management"), ..usual() },
                refuse(TokenRefusal::ScopeNotAllowed(set("org_management"))),
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
                issue(Next, "email mcp_read", &["https://b.example"]),
            ),
            (
                "another resource",
                Case { named: &["https://c.example"], ..usual() },
                refuse(TokenRefusal::ResourceNotGranted),
            ),
            (
                "first named at the refresh",
                Case { named: &["https://a.example"], granted: &[], ..usual() },
                issue(Next, "email mcp_read", &[]),
            ),
        ];
        for (name, case, expected) in cases {
            assert_eq!(decision(&case), expected, "{name}");
        }
    }

    #[test]
    fn a_token_of_an_unknown_family_is_refused() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let limits = ScopeLimits { catalog: &catalog, required: &set(""), configured: None };
        let now = Timestamp::from_seconds(5_000);
        let request = RefreshRequest {
            client_id: client(1),
            token: &token(3),
            scope: None,
            resources: &[],
            now,
        };

        let decision = decide_refresh(request, None, RULES, limits, || true);

        assert_eq!(decision, RefreshDecision::Refuse(TokenRefusal::InvalidRefreshToken));
    }
}
