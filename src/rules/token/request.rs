//! What a client asks of the token endpoint (RFC 6749 sections 4.1.3 and 6), and the errors of section 5.2.

use crate::rules::authorization::pkce::is_verifier;
use crate::rules::authorization::resource::{Resource, ResourceError};
use crate::rules::scope::{ScopeError, ScopeSet};
use crate::rules::syntax::parameters::{Parameters, ParametersError};
use crate::secret::Secret;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRequest {
    Code {
        client_id: String,
        code: Secret,
        redirect_uri: Option<String>,
        /// Of the right form (RFC 7636 section 4.1).
        code_verifier: Option<Secret>,
        resources: Vec<Resource>,
    },
    Refresh {
        client_id: String,
        refresh_token: Secret,
        scope: Option<ScopeSet>,
        resources: Vec<Resource>,
    },
}

/// `error` (RFC 6749 section 5.2, RFC 8707 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    InvalidTarget,
}

impl TokenError {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
        }
    }
}

/// Why there is no token: the words are `error_description`, and quote nothing that was sent but names of scopes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    #[error(transparent)]
    Unreadable(#[from] ParametersError),
    #[error("{0} is missing: it is required")]
    Missing(&'static str),
    #[error("grant_type is not supported: use authorization_code or refresh_token")]
    UnsupportedGrantType,
    #[error("the client is not known: register it")]
    UnknownClient,
    #[error("the client did not register this grant_type: register it with both")]
    UnregisteredGrantType,
    /// For everything that can be wrong with a code, in the words of the compatible API: which one it is would help
    /// only whoever has no right to the code.
    #[error("Invalid code or code verifier")]
    InvalidCode,
    /// The response to the first use may have been lost, so the text names the remedy. It begins as that of the others.
    #[error("Invalid code or code verifier: the code was already used, so start the authorization again")]
    UsedCode,
    /// For everything that can be wrong with a refresh token.
    #[error("Invalid refresh token: it was used, revoked or has ended, so the user has to authorize the client again")]
    InvalidRefreshToken,
    #[error("scope is not a list of scope names with a space between them: {0}")]
    Scope(#[from] ScopeError),
    #[error("scope names more than was granted, {}: name less, or have the user authorize the client again", .0.in_words())]
    ScopeNotGranted(ScopeSet),
    #[error(
        "scope names only what is not allowed any more, {}: what the organization allows the client, or the role of the user, \
         has changed, and its administrators can change that",
        .0.in_words()
    )]
    ScopeNotAllowed(ScopeSet),
    #[error(transparent)]
    Resource(#[from] ResourceError),
    #[error("resource was not granted: name one that the authorization request named")]
    ResourceNotGranted,
    #[error("the authorization request named no resource: send resource with it, or leave it out here")]
    ResourceNotRequested,
}

impl TokenRefusal {
    pub const fn code(&self) -> TokenError {
        match self {
            Self::Unreadable(_) | Self::Missing(_) => TokenError::InvalidRequest,
            Self::UnsupportedGrantType => TokenError::UnsupportedGrantType,
            Self::UnknownClient => TokenError::InvalidClient,
            Self::UnregisteredGrantType => TokenError::UnauthorizedClient,
            Self::InvalidCode | Self::UsedCode | Self::InvalidRefreshToken => TokenError::InvalidGrant,
            Self::Scope(_) | Self::ScopeNotGranted(_) | Self::ScopeNotAllowed(_) => TokenError::InvalidScope,
            Self::Resource(_) | Self::ResourceNotGranted | Self::ResourceNotRequested => TokenError::InvalidTarget,
        }
    }
}

impl TokenRequest {
    pub fn parse(parameters: &Parameters) -> Result<Self, TokenRefusal> {
        if let Some(repeated) = parameters.repeated() {
            return Err(repeated.into());
        }
        match required(parameters, "grant_type")? {
            "authorization_code" => Self::code(parameters),
            "refresh_token" => Self::refresh(parameters),
            _ => Err(TokenRefusal::UnsupportedGrantType),
        }
    }

    pub fn client_id(&self) -> &str {
        match self {
            Self::Code { client_id, .. } | Self::Refresh { client_id, .. } => client_id,
        }
    }

    fn code(parameters: &Parameters) -> Result<Self, TokenRefusal> {
        let verifier = parameters.get("code_verifier");
        let request = Self::Code {
            client_id: required(parameters, "client_id")?.to_owned(),
            code: secret(required(parameters, "code")?),
            redirect_uri: parameters.get("redirect_uri").map(str::to_owned),
            code_verifier: verifier.map(secret),
            resources: Resource::parse_all(parameters.all("resource"))?,
        };
        if verifier.is_none_or(is_verifier) { Ok(request) } else { Err(TokenRefusal::InvalidCode) }
    }

    fn refresh(parameters: &Parameters) -> Result<Self, TokenRefusal> {
        let scope = parameters.get("scope").map(ScopeSet::parse).transpose()?;
        Ok(Self::Refresh {
            client_id: required(parameters, "client_id")?.to_owned(),
            refresh_token: secret(required(parameters, "refresh_token")?),
            scope: scope.filter(|scope| !scope.is_empty()),
            resources: Resource::parse_all(parameters.all("resource"))?,
        })
    }
}

fn required<'a>(parameters: &'a Parameters, name: &'static str) -> Result<&'a str, TokenRefusal> {
    parameters.get(name).ok_or(TokenRefusal::Missing(name))
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// The scope of the next token: what was granted, or the part of it that is asked for (RFC 6749 section 6).
pub fn narrower_scope(requested: Option<&ScopeSet>, granted: &ScopeSet) -> Result<ScopeSet, TokenRefusal> {
    match requested {
        None => Ok(granted.clone()),
        Some(requested) if requested.is_subset(granted) => Ok(requested.clone()),
        Some(requested) => Err(TokenRefusal::ScopeNotGranted(requested.difference(granted))),
    }
}

/// The resources of an access token: all that the authorization request named, or the requested ones of them (RFC 8707
/// section 2.2).
pub fn narrower_resources(requested: &[Resource], granted: &[Resource]) -> Result<Vec<Resource>, TokenRefusal> {
    if requested.is_empty() {
        return Ok(granted.to_vec());
    }
    if granted.is_empty() {
        return Err(TokenRefusal::ResourceNotRequested);
    }
    let as_granted = |resource: &Resource| resource.as_one_of(granted).cloned().ok_or(TokenRefusal::ResourceNotGranted);
    requested.iter().map(as_granted).collect()
}

/// The same for a refresh. If the authorization request named no resource, a requested one is ignored and the token keeps
/// its audience, this server. Old SDKs begin to send `resource` in the middle of a session, and a refusal would end it.
pub fn refreshed_resources(requested: &[Resource], granted: &[Resource]) -> Result<Vec<Resource>, TokenRefusal> {
    if granted.is_empty() { Ok(Vec::new()) } else { narrower_resources(requested, granted) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn not_granted(names: &str) -> TokenRefusal {
        TokenRefusal::ScopeNotGranted(set(names))
    }

    fn parse(body: &str) -> Result<TokenRequest, TokenRefusal> {
        TokenRequest::parse(&Parameters::from_form(body.as_bytes())?)
    }

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("a scope")
    }

    fn resources(texts: &[&str]) -> Vec<Resource> {
        Resource::parse_all(texts.iter().copied()).expect("resources")
    }

    #[test]
    fn a_code_is_exchanged_with_what_belongs_to_it() {
        let whole = format!(
            "grant_type=authorization_code&client_id=c&code=x&redirect_uri=app:cb&code_verifier={VERIFIER}\
             &resource=https://a.example/&resource=https://b.example&client_secret=ignored&scope=%22"
        );

        assert_eq!(
            parse(&whole),
            Ok(TokenRequest::Code {
                client_id: "c".to_owned(),
                code: secret("x"),
                redirect_uri: Some("app:cb".to_owned()),
                code_verifier: Some(secret(VERIFIER)),
                resources: resources(&["https://a.example", "https://b.example"]),
            }),
        );
        assert_eq!(
            parse("grant_type=authorization_code&client_id=c&code=x&code_verifier=&redirect_uri="),
            Ok(TokenRequest::Code {
                client_id: "c".to_owned(),
                code: secret("x"),
                redirect_uri: None,
                code_verifier: None,
                resources: Vec::new(),
            }),
        );
    }

    #[test]
    fn a_refresh_token_is_presented_for_all_or_a_part_of_what_it_stands_for() {
        let refresh = |scope, resources| TokenRequest::Refresh {
            client_id: "c".to_owned(),
            refresh_token: secret("rt_x"),
            scope,
            resources,
        };
        let begun = "grant_type=refresh_token&client_id=c&refresh_token=rt_x";
        let cases = [
            (begun.to_owned(), refresh(None, Vec::new())),
            (format!("{begun}&scope=openid+email"), refresh(Some(set("email openid")), Vec::new())),
            (format!("{begun}&scope=+"), refresh(None, Vec::new())),
            (format!("{begun}&resource=https://a.example/"), refresh(None, resources(&["https://a.example"]))),
            (format!("{begun}&code=x&code_verifier=short"), refresh(None, Vec::new())),
        ];
        for (body, expected) in cases {
            assert_eq!(expected.client_id(), "c");
            assert_eq!(parse(&body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_the_code_of_its_rule() {
        use TokenError::*;
        let code = "grant_type=authorization_code&client_id=c&code=x";
        let refresh = "grant_type=refresh_token&client_id=c&refresh_token=x";
        let cases = [
            (String::new(), InvalidRequest, "grant_type is missing"),
            ("grant_type=".to_owned(), InvalidRequest, "grant_type is missing"),
            ("grant_type=password".to_owned(), UnsupportedGrantType, "grant_type is not supported"),
            ("grant_type=Refresh_Token".to_owned(), UnsupportedGrantType, "grant_type is not supported"),
            (code.replace("client_id=c", ""), InvalidRequest, "client_id is missing"),
            (code.replace("code=x", ""), InvalidRequest, "code is missing"),
            (refresh.replace("client_id=c", ""), InvalidRequest, "client_id is missing"),
            (refresh.replace("refresh_token=x", ""), InvalidRequest, "refresh_token is missing"),
            (format!("{code}&code_verifier=short"), InvalidGrant, "Invalid code or code verifier"),
            (format!("{code}&resource=urn:x"), InvalidTarget, "resource uses another scheme"),
            (format!("{refresh}&resource=x"), InvalidTarget, "resource is not an absolute URI"),
            (format!("{refresh}&scope=%5C"), InvalidScope, "scope is not a list of scope names"),
            (format!("{refresh}&client_id=c"), InvalidRequest, "client_id is sent more than once"),
            (format!("{refresh}%zz"), InvalidRequest, "the parameters hold a %"),
        ];
        for (body, code, beginning) in cases {
            let refusal = parse(&body).expect_err(&body);

            assert_eq!(refusal.code(), code, "{body}");
            assert!(refusal.to_string().starts_with(beginning), "{refusal}");
        }
        assert_eq!(TokenRefusal::InvalidCode.to_string(), "Invalid code or code verifier", "and nothing more");
        let lenient = Parameters::of_authorization(b"grant_type=refresh_token&code=x&code=y").expect("parameters");
        assert_eq!(TokenRequest::parse(&lenient).map_err(|refusal| refusal.code()), Err(InvalidRequest));
    }

    #[test]
    fn every_code_is_written_as_the_rfc_writes_it() {
        let cases = [
            (TokenRefusal::Missing("code"), "invalid_request"),
            (TokenRefusal::UnknownClient, "invalid_client"),
            (TokenRefusal::InvalidCode, "invalid_grant"),
            (TokenRefusal::UsedCode, "invalid_grant"),
            (TokenRefusal::InvalidRefreshToken, "invalid_grant"),
            (TokenRefusal::UnregisteredGrantType, "unauthorized_client"),
            (TokenRefusal::UnsupportedGrantType, "unsupported_grant_type"),
            (not_granted("email"), "invalid_scope"),
            (TokenRefusal::ScopeNotAllowed(set("email")), "invalid_scope"),
            (TokenRefusal::ResourceNotGranted, "invalid_target"),
            (TokenRefusal::ResourceNotRequested, "invalid_target"),
            (TokenRefusal::Resource(ResourceError::Unknown), "invalid_target"),
        ];
        for (refusal, code) in cases {
            let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
            assert_eq!(refusal.code().as_str(), code);
            assert!(refusal.to_string().bytes().all(allowed), "{refusal}");
        }
    }

    #[test]
    fn no_secret_of_a_request_prints() {
        let code = parse(&format!("grant_type=authorization_code&client_id=c&code=c0de&code_verifier={VERIFIER}"));
        let refresh = parse("grant_type=refresh_token&client_id=c&refresh_token=rt_x");

        let printed = format!("{code:?} {refresh:?}");
        assert!(printed.contains("***") && !printed.contains("c0de"), "{printed}");
        assert!(!printed.contains(VERIFIER) && !printed.contains("rt_x"), "{printed}");
    }

    #[test]
    fn a_scope_can_shrink_and_never_grows() {
        let granted = set("openid email dashboards_read");
        let cases = [
            (None, Ok(granted.clone())),
            (Some("openid email dashboards_read"), Ok(granted.clone())),
            (Some("email"), Ok(set("email"))),
            (Some("email metrics_read"), Err(not_granted("metrics_read"))),
            (Some("unheard_of"), Err(not_granted("unheard_of"))),
        ];
        for (requested, expected) in cases {
            assert_eq!(narrower_scope(requested.map(set).as_ref(), &granted), expected, "{requested:?}");
        }
    }

    #[test]
    fn a_token_is_for_what_was_granted_or_for_less() {
        let granted = resources(&["https://a.example", "https://b.example/mcp"]);
        let refused = Err(TokenRefusal::ResourceNotGranted);
        let cases = [
            (&[][..], Ok(granted.clone())),
            (&["https://B.example/mcp/"], Ok(resources(&["https://b.example/mcp"]))),
            (
                &["https://b.example/mcp", "https://a.example"],
                Ok(resources(&["https://b.example/mcp", "https://a.example"])),
            ),
            (&["https://b.example"], refused.clone()),
            (&["https://a.example", "https://c.example"], refused),
        ];
        for (requested, expected) in cases {
            assert_eq!(narrower_resources(&resources(requested), &granted), expected, "{requested:?}");
            assert_eq!(refreshed_resources(&resources(requested), &granted), expected, "{requested:?}");
        }
        let late = resources(&["https://a.example"]);
        assert_eq!(narrower_resources(&late, &[]), Err(TokenRefusal::ResourceNotRequested));
        assert_eq!(refreshed_resources(&late, &[]), Ok(Vec::new()), "for this server only");
        let spelled = [Resource::parse("HTTPS://A.example/").expect("a resource")];
        let told = narrower_resources(&resources(&["https://a.example"]), &spelled).expect("is granted");
        assert_eq!(told[0].as_str(), "HTTPS://A.example/", "as it was granted");
        assert_eq!(narrower_resources(&[], &[]), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn no_request_panics_and_every_refusal_is_in_the_characters_of_the_rfc(
            grant_type in "(grant_type=(authorization_code|refresh_token|x)&)?",
            rest in "((client_id|code|refresh_token|scope|resource|code_verifier)=(%22|%5C|%C3%A4|[a-z:/]|%)*&){0,5}",
        ) {
            if let Err(refusal) = parse(&(grant_type + &rest)) {
                let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
                prop_assert!(refusal.to_string().bytes().all(allowed), "{}", refusal);
            }
        }
    }
}
