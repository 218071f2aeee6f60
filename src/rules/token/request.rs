//! Requests to the token endpoint (RFC 6749 sections 4.1.3 and 6) and its errors (section 5.2).

use crate::authorization::pkce::is_verifier;
use crate::authorization::resource::{Resource, ResourceError};
use crate::scope::{ScopeError, ScopeSet};
use crate::secret::Secret;
use crate::syntax::parameters::{Parameters, ParametersError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRequest {
    Code {
        client_id: String,
        code: Secret,
        redirect_uri: Option<String>,
        /// The syntax is valid (RFC 7636 section 4.1).
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

/// The `error` member (RFC 6749 section 5.2, RFC 8707 section 2.2).
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

/// The reason why no token is issued. The texts are the `error_description`. They quote nothing
/// from the request except scope names.
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
    #[error(
        "the client did not register this grant_type: register it with authorization_code and \
         refresh_token"
    )]
    UnregisteredGrantType,
    /// All errors of a code have the same text, that of the compatible API. A more precise one
    /// would only help an attacker who has a stolen code.
    #[error("Invalid code or code verifier")]
    InvalidCode,
    /// The response to the first use may have been lost, so the text contains a remedy. It begins
    /// like the text for other errors of a code.
    #[error(
        "Invalid code or code verifier: the code was already used, so start the authorization again"
    )]
    UsedCode,
    /// All errors of a refresh token have the same text.
    #[error(
        "Invalid refresh token: it was already used, was revoked or has expired, so the user must \
         authorize the client again"
    )]
    InvalidRefreshToken,
    #[error("scope is not a space-separated list of scope names: {0}")]
    Scope(#[from] ScopeError),
    #[error(
        "scope contains scopes that were not granted ({}): request fewer, or have the user authorize \
         the client again",
        .0.in_words()
    )]
    ScopeNotGranted(ScopeSet),
    #[error(
        "scope contains only scopes that are no longer allowed ({}): the scopes allowed for the client \
         or the role of the user changed, and an administrator of the organization can change that",
        .0.in_words()
    )]
    ScopeNotAllowed(ScopeSet),
    #[error(transparent)]
    Resource(#[from] ResourceError),
    #[error("resource was not granted: use one from the authorization request")]
    ResourceNotGranted,
    #[error("the authorization request had no resource: send resource there too, or omit it here")]
    ResourceNotRequested,
}

impl TokenRefusal {
    pub const fn code(&self) -> TokenError {
        match self {
            Self::Unreadable(_) | Self::Missing(_) => TokenError::InvalidRequest,
            Self::UnsupportedGrantType => TokenError::UnsupportedGrantType,
            Self::UnknownClient => TokenError::InvalidClient,
            Self::UnregisteredGrantType => TokenError::UnauthorizedClient,
            Self::InvalidCode | Self::UsedCode | Self::InvalidRefreshToken => {
                TokenError::InvalidGrant
            }
            Self::Scope(_) | Self::ScopeNotGranted(_) | Self::ScopeNotAllowed(_) => {
                TokenError::InvalidScope
            }
            Self::Resource(_) | Self::ResourceNotGranted | Self::ResourceNotRequested => {
                TokenError::InvalidTarget
            }
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

/// The scope of the next token: the granted scope, or the requested part of it (RFC 6749 section
/// 6).
pub fn narrower_scope(
    requested: Option<&ScopeSet>,
    granted: &ScopeSet,
) -> Result<ScopeSet, TokenRefusal> {
    match requested {
        None => Ok(granted.clone()),
        Some(requested) if requested.is_subset(granted) => Ok(requested.clone()),
        Some(requested) => Err(TokenRefusal::ScopeNotGranted(requested.difference(granted))),
    }
}

/// The resources of an access token: all those of the authorization request, or the requested
/// subset (RFC 8707 section 2.2).
pub fn narrower_resources(
    requested: &[Resource],
    granted: &[Resource],
) -> Result<Vec<Resource>, TokenRefusal> {
    if requested.is_empty() {
        return Ok(granted.to_vec());
    }
    if granted.is_empty() {
        return Err(TokenRefusal::ResourceNotRequested);
    }
    let as_granted = |resource: &Resource| {
        resource.find_in(granted).cloned().ok_or(TokenRefusal::ResourceNotGranted)
    };
    requested.iter().map(as_granted).collect()
}

/// The resources of an access token after a refresh. If the authorization request had no resource,
/// a requested one is ignored and the audience stays this server. Some old SDKs start to send
/// `resource` in the middle of a session, and a refusal would end the session.
pub fn refreshed_resources(
    requested: &[Resource],
    granted: &[Resource],
) -> Result<Vec<Resource>, TokenRefusal> {
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
    fn the_parameters_of_a_code_exchange_are_parsed() {
        let all_parameters = format!(
            "grant_type=authorization_code&client_id=c&code=x&redirect_uri=app:cb&code_verifier={VERIFIER}\
             &resource=https://a.example/&resource=https://b.example&client_secret=ignored&scope=%22"
        );

        assert_eq!(
            parse(&all_parameters),
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
    fn the_parameters_of_a_refresh_are_parsed() {
        let refresh = |scope, resources| TokenRequest::Refresh {
            client_id: "c".to_owned(),
            refresh_token: secret("rt_x"),
            scope,
            resources,
        };
        let required = "grant_type=refresh_token&client_id=c&refresh_token=rt_x";
        let cases = [
            (required.to_owned(), refresh(None, Vec::new())),
            (
                format!("{required}&scope=openid+email"),
                refresh(Some(set("email openid")), Vec::new()),
            ),
            (format!("{required}&scope=+"), refresh(None, Vec::new())),
            (
                format!("{required}&resource=https://a.example/"),
                refresh(None, resources(&["https://a.example"])),
            ),
            (format!("{required}&code=x&code_verifier=short"), refresh(None, Vec::new())),
        ];
        for (body, expected) in cases {
            assert_eq!(expected.client_id(), "c");
            assert_eq!(parse(&body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn each_error_has_the_code_of_its_rule() {
        use TokenError::*;
        let code = "grant_type=authorization_code&client_id=c&code=x";
        let refresh = "grant_type=refresh_token&client_id=c&refresh_token=x";
        let cases = [
            (String::new(), InvalidRequest, "grant_type is missing"),
            ("grant_type=".to_owned(), InvalidRequest, "grant_type is missing"),
            ("grant_type=password".to_owned(), UnsupportedGrantType, "grant_type is not supported"),
            (
                "grant_type=Refresh_Token".to_owned(),
                UnsupportedGrantType,
                "grant_type is not supported",
            ),
            (code.replace("client_id=c", ""), InvalidRequest, "client_id is missing"),
            (code.replace("code=x", ""), InvalidRequest, "code is missing"),
            (refresh.replace("client_id=c", ""), InvalidRequest, "client_id is missing"),
            (refresh.replace("refresh_token=x", ""), InvalidRequest, "refresh_token is missing"),
            (format!("{code}&code_verifier=short"), InvalidGrant, "Invalid code or code verifier"),
            (format!("{code}&resource=urn:x"), InvalidTarget, "resource must use https"),
            (format!("{refresh}&resource=x"), InvalidTarget, "resource is not an absolute URI"),
            (
                format!("{refresh}&scope=%5C"),
                InvalidScope,
                "scope is not a space-separated list of scope names",
            ),
            (format!("{refresh}&client_id=c"), InvalidRequest, "client_id is sent more than once"),
            (format!("{refresh}%zz"), InvalidRequest, "the parameters contain a %"),
        ];
        for (body, code, beginning) in cases {
            let refusal = parse(&body).expect_err(&body);

            assert_eq!(refusal.code(), code, "{body}");
            assert!(refusal.to_string().starts_with(beginning), "{refusal}");
        }
        assert_eq!(
            TokenRefusal::InvalidCode.to_string(),
            "Invalid code or code verifier",
            "the text of the compatible API"
        );
        let lenient =
            Parameters::from_authorization_request(b"grant_type=refresh_token&code=x&code=y")
                .expect("parameters");
        assert_eq!(
            TokenRequest::parse(&lenient).map_err(|refusal| refusal.code()),
            Err(InvalidRequest)
        );
    }

    #[test]
    fn the_error_codes_are_those_of_the_rfcs() {
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
    fn debug_output_contains_no_secret() {
        let code = parse(&format!(
            "grant_type=authorization_code&client_id=c&code=c0de&code_verifier={VERIFIER}"
        ));
        let refresh = parse("grant_type=refresh_token&client_id=c&refresh_token=rt_x");

        let printed = format!("{code:?} {refresh:?}");
        assert!(printed.contains("***") && !printed.contains("c0de"), "{printed}");
        assert!(!printed.contains(VERIFIER) && !printed.contains("rt_x"), "{printed}");
    }

    #[test]
    fn a_scope_can_be_narrowed_but_not_widened() {
        let granted = set("openid email dashboards_read");
        let cases = [
            (None, Ok(granted.clone())),
            (Some("openid email dashboards_read"), Ok(granted.clone())),
            (Some("email"), Ok(set("email"))),
            (Some("email metrics_read"), Err(not_granted("metrics_read"))),
            (Some("unheard_of"), Err(not_granted("unheard_of"))),
        ];
        for (requested, expected) in cases {
            assert_eq!(
                narrower_scope(requested.map(set).as_ref(), &granted),
                expected,
                "{requested:?}"
            );
        }
    }

    #[test]
    fn a_token_is_for_the_granted_resources_or_a_subset() {
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
            assert_eq!(
                narrower_resources(&resources(requested), &granted),
                expected,
                "{requested:?}"
            );
            assert_eq!(
                refreshed_resources(&resources(requested), &granted),
                expected,
                "{requested:?}"
            );
        }
        let late = resources(&["https://a.example"]);
        assert_eq!(narrower_resources(&late, &[]), Err(TokenRefusal::ResourceNotRequested));
        assert_eq!(refreshed_resources(&late, &[]), Ok(Vec::new()), "the resource is ignored");
        let granted = [Resource::parse("HTTPS://A.example/").expect("a resource")];
        let narrowed =
            narrower_resources(&resources(&["https://a.example"]), &granted).expect("is granted");
        assert_eq!(narrowed[0].as_str(), "HTTPS://A.example/", "the spelling of the grant");
        assert_eq!(narrower_resources(&[], &[]), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn no_request_panics_and_refusals_have_only_allowed_characters(
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
