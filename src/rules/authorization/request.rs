//! Authorization requests (RFC 6749 section 4.1.1, OpenID Connect Core 1.0 section 3.1.2.1).
//!
//! A request is parsed after its redirect URI was checked, so every error can be sent to the
//! client. A valid request is stored while its user signs in.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::authorization::language::Language;
use crate::authorization::pkce::CodeChallenge;
use crate::authorization::refusal::{ErrorCode, Refusal};
use crate::authorization::resource::{Resource, UnknownResources, admit};
use crate::client::ClientId;
use crate::id::OrgId;
use crate::redirect::trusted::TrustedRedirect;
use crate::scope::ScopeSet;
use crate::scope::catalog::ScopeCatalog;
use crate::scope::configured::ConfiguredScopes;
use crate::syntax::parameters::Parameters;

/// `Debug` omits the values that belong to the client's session or identify the user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub redirect_uri: String,
    pub redirect_uri_was_sent: bool,
    pub state: Option<String>,
    /// `None` if the request had no scope.
    pub scope: Option<ScopeSet>,
    pub code_challenge: Option<CodeChallenge>,
    pub resources: Vec<Resource>,
    pub nonce: Option<String>,
    pub prompt: Prompt,
    /// The maximum number of seconds since the user signed in.
    pub max_age: Option<u64>,
    pub login_hint: Option<String>,
    /// The organization that the client suggests.
    pub org_id: Option<OrgId>,
    /// Whether the request contains the user's site or organization, so that the user is not asked
    /// for it.
    pub names_site: bool,
    /// The language that the client prefers for the pages. Rows of older releases do not have it.
    pub ui_locale: Option<Language>,
}

/// The settings that apply to a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestRules<'a> {
    pub catalog: &'a ScopeCatalog,
    pub known_resources: &'a [Resource],
    pub unknown_resources: UnknownResources,
    /// The scopes that a confidential client may get. `None` for public clients.
    pub configured_scopes: Option<&'a ConfiguredScopes>,
}

/// The `prompt` parameter (OpenID Connect Core 1.0 section 3.1.2.1). Unknown values are ignored,
/// because extensions define more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Show no page: respond immediately or fail.
    pub none: bool,
    pub login: bool,
    pub consent: bool,
    pub select_account: bool,
}

/// The value of the parameter.
impl fmt::Display for Prompt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.none, "none"),
            (self.login, "login"),
            (self.consent, "consent"),
            (self.select_account, "select_account"),
        ];
        let words: Vec<&str> =
            words.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word).collect();
        formatter.write_str(&words.join(" "))
    }
}

impl AuthorizationRequest {
    /// The maximum size of the stored row. Anyone can start a request, so rows must be small.
    const MAX_STORED: usize = 6144;
    const MAX_STATE: usize = 4096;
    const MAX_NONCE: usize = 1024;
    /// The maximum length of an email address (RFC 5321 section 4.5.3.1.3).
    const MAX_LOGIN_HINT: usize = 254;

    /// Returns the first error.
    pub fn parse(
        parameters: &Parameters,
        redirect: &TrustedRedirect,
        rules: &RequestRules<'_>,
    ) -> Result<Self, Refusal> {
        let request = Self::parse_parameters(parameters, redirect, rules)?;
        let stored = serde_json::to_vec(&request).map_or(usize::MAX, |json| json.len());
        if stored > Self::MAX_STORED {
            return Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "the request is longer than 6144 bytes: shorten state, nonce or the list of resources",
            ));
        }
        Ok(request)
    }

    fn parse_parameters(
        parameters: &Parameters,
        redirect: &TrustedRedirect,
        rules: &RequestRules<'_>,
    ) -> Result<Self, Refusal> {
        check_response(parameters)?;
        check_request_objects(parameters)?;
        Ok(Self {
            redirect_uri: redirect.as_str().to_owned(),
            redirect_uri_was_sent: redirect.was_sent(),
            code_challenge: code_challenge(parameters, rules)?,
            state: bounded(parameters, "state", Self::MAX_STATE)?,
            nonce: bounded(parameters, "nonce", Self::MAX_NONCE)?,
            scope: scope(parameters, rules)?,
            resources: resources(parameters, rules)?,
            prompt: prompt(parameters)?,
            max_age: max_age(parameters)?,
            login_hint: parameters
                .get("login_hint")
                .filter(|hint| hint.len() <= Self::MAX_LOGIN_HINT)
                .map(str::to_owned),
            org_id: org_id(parameters)?,
            names_site: ["site", "domain", "dd_oid"]
                .iter()
                .any(|name| parameters.get(name).is_some()),
            ui_locale: parameters.get("ui_locales").and_then(Language::first_supported),
        })
    }

    /// The `state` for a refusal, if the request itself is not valid.
    pub fn state_of(parameters: &Parameters) -> Option<&str> {
        parameters.get("state").filter(|state| state.len() <= Self::MAX_STATE)
    }
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuthorizationRequest")
            .field("redirect_uri", &self.redirect_uri)
            .field("scope", &self.scope)
            .field("resources", &self.resources)
            .field("prompt", &self.prompt)
            .finish_non_exhaustive()
    }
}

fn invalid_request(description: impl fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, description)
}

/// Only `code` in the query is supported. RFC 9700 section 2.1.2 deprecates the other response
/// types.
fn check_response(parameters: &Parameters) -> Result<(), Refusal> {
    if let Some(repeated) = parameters.repeated() {
        return Err(invalid_request(repeated));
    }
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => {
            let remedy = "response_type is not supported: use code";
            return Err(Refusal::new(ErrorCode::UnsupportedResponseType, remedy));
        }
        None => return Err(invalid_request("response_type is missing: send code")),
    }
    match parameters.get("response_mode") {
        None | Some("query") => Ok(()),
        Some(_) => {
            Err(invalid_request("response_mode is not supported: use query or leave it out"))
        }
    }
}

/// The parameters of OpenID Connect Core 1.0 sections 6 and 7.2.1 are not supported.
fn check_request_objects(parameters: &Parameters) -> Result<(), Refusal> {
    let unsupported = [
        ("request", ErrorCode::RequestNotSupported),
        ("request_uri", ErrorCode::RequestUriNotSupported),
        ("registration", ErrorCode::RegistrationNotSupported),
    ];
    match unsupported.into_iter().find(|(name, _)| parameters.get(name).is_some()) {
        Some((name, code)) => {
            Err(Refusal::new(code, format_args!("{name} is not supported: send plain parameters")))
        }
        None => Ok(()),
    }
}

/// PKCE is required of public clients (RFC 9700 section 2.1.1). A confidential client may leave it
/// out.
fn code_challenge(
    parameters: &Parameters,
    rules: &RequestRules<'_>,
) -> Result<Option<CodeChallenge>, Refusal> {
    let challenge = parameters.get("code_challenge");
    let method = parameters.get("code_challenge_method");
    if rules.configured_scopes.is_some() && challenge.is_none() && method.is_none() {
        return Ok(None);
    }
    CodeChallenge::parse(challenge, method).map(Some).map_err(invalid_request)
}

fn bounded(parameters: &Parameters, name: &str, max: usize) -> Result<Option<String>, Refusal> {
    match parameters.get(name) {
        Some(text) if text.len() > max => {
            Err(invalid_request(format_args!("{name} is longer than {max} bytes: shorten it")))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// A scope that is not in the catalog is an error of the client. Which scopes can be granted is
/// decided when the user is known.
fn scope(parameters: &Parameters, rules: &RequestRules<'_>) -> Result<Option<ScopeSet>, Refusal> {
    let invalid_scope =
        |description: &dyn fmt::Display| Refusal::new(ErrorCode::InvalidScope, description);
    let Some(text) = parameters.get("scope") else { return Ok(None) };
    let scope = ScopeSet::parse(text).map_err(|error| {
        invalid_scope(&format_args!("scope is not a space-separated list of scope names: {error}"))
    })?;
    if let Some(unknown) = scope.names().find(|name| rules.catalog.find(name).is_none()) {
        return Err(invalid_scope(&format_args!(
            "{unknown} is not in the scope catalog of this server: its operator can add it"
        )));
    }
    if let Some(configured) = rules.configured_scopes
        && !scope.is_subset(configured.names())
    {
        return Err(invalid_scope(&format_args!(
            "{} is not among the scopes of this client: its owner can add it",
            scope.difference(configured.names()).in_words()
        )));
    }
    Ok(Some(scope).filter(|scope| !scope.is_empty()))
}

fn resources(parameters: &Parameters, rules: &RequestRules<'_>) -> Result<Vec<Resource>, Refusal> {
    Resource::parse_all(parameters.all("resource"))
        .and_then(|requested| admit(&requested, rules.known_resources, rules.unknown_resources))
        .map_err(|error| Refusal::new(ErrorCode::InvalidTarget, error))
}

fn prompt(parameters: &Parameters) -> Result<Prompt, Refusal> {
    let words: Vec<&str> =
        parameters.get("prompt").unwrap_or_default().split_ascii_whitespace().collect();
    let has = |word| words.contains(&word);
    if has("none") && words.iter().any(|word| *word != "none") {
        return Err(invalid_request("prompt combines none with another value: send none alone"));
    }
    Ok(Prompt {
        none: has("none"),
        login: has("login"),
        consent: has("consent"),
        select_account: has("select_account"),
    })
}

fn max_age(parameters: &Parameters) -> Result<Option<u64>, Refusal> {
    let Some(text) = parameters.get("max_age") else { return Ok(None) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| digits);
    seconds
        .map(Some)
        .ok_or_else(|| invalid_request("max_age is not a number of seconds: send digits only"))
}

fn org_id(parameters: &Parameters) -> Result<Option<OrgId>, Refusal> {
    let Some(text) = parameters.get("dd_oid") else { return Ok(None) };
    let uuid: Option<Uuid> = ClientId::parse(text).ok().map(ClientId::uuid);
    let remedy = "dd_oid is not a UUID: send the id of an organization, or leave it out";
    uuid.map(|uuid| Some(OrgId(uuid))).ok_or_else(|| invalid_request(remedy))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::client::metadata::ClientMetadata;
    use crate::scope::catalog::SHIPPED;

    const REDIRECT: &str = "http://localhost/cb";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const ORG: &str = "72b68208-36a6-11f0-b21b-da7ad0900002";

    fn client() -> ClientMetadata {
        let stored = json!({
            "client_name": "App", "redirect_uris": [REDIRECT], "grant_types": ["authorization_code"],
            "response_types": ["code"], "token_endpoint_auth_method": "none",
        });
        ClientMetadata::from_stored(&stored.to_string()).expect("metadata")
    }

    fn redirect() -> TrustedRedirect {
        TrustedRedirect::of(Some("http://localhost:3118/cb"), &client()).expect("a redirect")
    }

    fn parse(parameters: &Parameters) -> Result<AuthorizationRequest, Refusal> {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let known_resources = [Resource::parse("https://mcp.example").expect("a resource")];
        let rules = RequestRules {
            catalog: &catalog,
            known_resources: &known_resources,
            unknown_resources: UnknownResources::Refuse,
            configured_scopes: None,
        };
        AuthorizationRequest::parse(parameters, &redirect(), &rules)
    }

    type Changes<'a> = &'a [(&'a str, &'a str)];

    /// Parses a valid request with changed parameters. An empty value removes a parameter.
    fn parse_with(changes: Changes<'_>) -> Result<AuthorizationRequest, Refusal> {
        let usual = [
            ("response_type", "code"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept =
            usual.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        let body: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept.chain(changes))
            .finish();
        parse(&Parameters::from_authorization_request(body.as_bytes()).expect("parameters"))
    }

    fn minimal() -> AuthorizationRequest {
        AuthorizationRequest {
            redirect_uri: "http://localhost:3118/cb".to_owned(),
            redirect_uri_was_sent: true,
            state: None,
            scope: None,
            code_challenge: Some(CodeChallenge::from_stored(CHALLENGE.to_owned())),
            resources: Vec::new(),
            nonce: None,
            prompt: Prompt::default(),
            max_age: None,
            login_hint: None,
            org_id: None,
            names_site: false,
            ui_locale: None,
        }
    }

    fn everything() -> AuthorizationRequest {
        AuthorizationRequest {
            state: Some("s t".to_owned()),
            scope: Some(ScopeSet::parse("openid email dashboards_read").expect("a scope")),
            resources: vec![Resource::parse("https://mcp.example").expect("a resource")],
            nonce: Some("n".to_owned()),
            prompt: Prompt { consent: true, login: true, ..Prompt::default() },
            max_age: Some(0),
            login_hint: Some("ada@example.com".to_owned()),
            org_id: Some(OrgId(ORG.parse().expect("a UUID"))),
            names_site: true,
            ui_locale: Some(Language::German),
            ..minimal()
        }
    }

    #[test]
    fn a_request_that_is_too_large_to_store_is_refused() {
        // JSON escapes this character as six bytes.
        let state = "\u{1}".repeat(1_000);
        let nonce = "x".repeat(1_024);

        let refused =
            parse_with(&[("state", &state), ("nonce", &nonce)]).expect_err("is too large");

        let expected =
            "the request is longer than 6144 bytes: shorten state, nonce or the list of resources";
        assert_eq!(
            (refused.code, refused.description.as_str()),
            (ErrorCode::InvalidRequest, expected)
        );
        assert!(parse_with(&[("state", &"x".repeat(4_096)), ("nonce", &nonce)]).is_ok());
    }

    #[test]
    fn a_confidential_client_may_leave_out_pkce_and_may_not_exceed_its_scopes() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let names = ScopeSet::parse("openid mcp_read").expect("scopes");
        let configured = ConfiguredScopes::new(names, ScopeSet::default());
        let parse = |more: &str| {
            let rules = RequestRules {
                catalog: &catalog,
                known_resources: &[],
                unknown_resources: UnknownResources::Refuse,
                configured_scopes: Some(&configured),
            };
            let query = format!("response_type=code{more}");
            let parameters =
                Parameters::from_authorization_request(query.as_bytes()).expect("parameters");
            AuthorizationRequest::parse(&parameters, &redirect(), &rules)
        };
        let challenge = |more: &str| parse(more).expect(more).code_challenge;

        assert_eq!(challenge(""), None);
        let sent = format!("&code_challenge={CHALLENGE}&code_challenge_method=S256");
        assert_eq!(challenge(&sent), Some(CodeChallenge::from_stored(CHALLENGE.to_owned())));
        for (more, code) in [
            (format!("&code_challenge={CHALLENGE}"), ErrorCode::InvalidRequest),
            ("&code_challenge_method=S256".to_owned(), ErrorCode::InvalidRequest),
            ("&scope=openid+mcp_write".to_owned(), ErrorCode::InvalidScope),
        ] {
            assert_eq!(parse(&more).map_err(|refusal| refusal.code), Err(code), "{more}");
        }
        assert!(parse("&scope=mcp_read").is_ok());
    }

    #[test]
    fn a_request_with_only_a_code_challenge_is_valid() {
        assert_eq!(parse_with(&[]), Ok(minimal()));
        assert_eq!(parse_with(&[("code_challenge_method", "SHA-256")]), Ok(minimal()));
    }

    #[test]
    fn all_parameters_are_parsed() {
        let read = parse_with(&[
            ("response_mode", "query"),
            ("state", "s t"),
            ("scope", "openid  email dashboards_read"),
            ("resource", "https://MCP.example:443/"),
            ("resource", "https://mcp.example"),
            ("nonce", "n"),
            ("prompt", "login consent"),
            ("max_age", "0"),
            ("login_hint", "ada@example.com"),
            ("dd_oid", ORG),
            ("ui_locales", "fr de-AT en"),
        ]);

        assert_eq!(read, Ok(everything()));
    }

    #[test]
    fn unknown_parameters_and_invalid_hints_are_ignored() {
        let long_hint = "x".repeat(255);
        let ignored: [Changes<'_>; 9] = [
            &[("unheard_of", "1"), ("audience", "x"), ("claims", "{}"), ("id_token_hint", "x.y.z")],
            &[("prompt", "create")],
            &[("prompt", "unheard_of create")],
            &[("login_hint", &long_hint)],
            &[("scope", " ")],
            &[("scope", ""), ("state", ""), ("resource", ""), ("max_age", ""), ("dd_oid", "")],
            &[("request", ""), ("request_uri", ""), ("response_mode", "")],
            &[("client_secret", "x")],
            &[("ui_locales", "fr tlh")],
        ];
        for changes in ignored {
            assert_eq!(parse_with(changes), Ok(minimal()), "{changes:?}");
        }
    }

    #[test]
    fn each_value_of_prompt_is_parsed() {
        let of = |text| parse_with(&[("prompt", text)]).map(|request| request.prompt);
        let nothing = Prompt::default();

        assert_eq!(of("none"), Ok(Prompt { none: true, ..nothing }));
        assert_eq!(of("none none"), Ok(Prompt { none: true, ..nothing }));
        assert_eq!(of("login"), Ok(Prompt { login: true, ..nothing }));
        assert_eq!(of(" consent  x "), Ok(Prompt { consent: true, ..nothing }));
        assert_eq!(of("select_account"), Ok(Prompt { select_account: true, ..nothing }));
        assert_eq!(of("None"), Ok(nothing));
    }

    #[test]
    fn three_parameters_each_make_the_site_known() {
        for (name, value) in
            [("site", "https://x.example"), ("domain", "x.example"), ("dd_oid", ORG)]
        {
            assert_eq!(
                parse_with(&[(name, value)]).map(|request| request.names_site),
                Ok(true),
                "{name}"
            );
        }
    }

    #[test]
    fn each_error_has_the_code_of_its_rule() {
        use ErrorCode::*;
        let long_state = "x".repeat(4097);
        let long_nonce = "x".repeat(1025);
        let many_scopes: String = (0..101).map(|index| format!("s{index} ")).collect();
        let cases: [(Changes<'_>, ErrorCode, &str); 27] = [
            (&[("response_type", "")], InvalidRequest, "response_type is missing"),
            (
                &[("response_type", "token")],
                UnsupportedResponseType,
                "response_type is not supported",
            ),
            (
                &[("response_type", "code id_token")],
                UnsupportedResponseType,
                "response_type is not supported",
            ),
            (
                &[("response_type", "Code")],
                UnsupportedResponseType,
                "response_type is not supported",
            ),
            (&[("response_mode", "fragment")], InvalidRequest, "response_mode is not supported"),
            (&[("request", "x.y.z")], RequestNotSupported, "request is not supported"),
            (&[("request_uri", "urn:x")], RequestUriNotSupported, "request_uri is not supported"),
            (&[("registration", "{}")], RegistrationNotSupported, "registration is not supported"),
            (&[("code_challenge", "")], InvalidRequest, "PKCE with S256 is required"),
            (&[("code_challenge_method", "")], InvalidRequest, "PKCE with S256 is required"),
            (&[("code_challenge_method", "plain")], InvalidRequest, "PKCE with S256 is required"),
            (&[("code_challenge", "short")], InvalidRequest, "code_challenge is not 43"),
            (&[("state", &long_state)], InvalidRequest, "state is longer than 4096 bytes"),
            (&[("nonce", &long_nonce)], InvalidRequest, "nonce is longer than 1024 bytes"),
            (
                &[("scope", "a\"b")],
                InvalidScope,
                "scope is not a space-separated list of scope names",
            ),
            (
                &[("scope", &many_scopes)],
                InvalidScope,
                "scope is not a space-separated list of scope names",
            ),
            (
                &[("scope", "openid unheard_of")],
                InvalidScope,
                "unheard_of is not in the scope catalog of this server",
            ),
            (&[("resource", "urn:x")], InvalidTarget, "resource must use https"),
            (&[("resource", "https://mcp.example#")], InvalidTarget, "resource has a fragment"),
            (
                &[("resource", "https://x.example")],
                InvalidTarget,
                "resource is not known to this server",
            ),
            (
                &[("prompt", "none login")],
                InvalidRequest,
                "prompt combines none with another value",
            ),
            (&[("max_age", "-1")], InvalidRequest, "max_age is not a number of seconds"),
            (&[("max_age", "+1")], InvalidRequest, "max_age is not a number of seconds"),
            (
                &[("max_age", "18446744073709551616")],
                InvalidRequest,
                "max_age is not a number of seconds",
            ),
            (&[("dd_oid", "acme")], InvalidRequest, "dd_oid is not a UUID"),
            (&[("nonce", "a"), ("nonce", "a")], InvalidRequest, "nonce is sent more than once"),
            (
                &[("state", "a"), ("response_type", "token"), ("state", "b")],
                InvalidRequest,
                "state is sent more",
            ),
        ];
        for (changes, code, beginning) in cases {
            let refusal = parse_with(changes).expect_err(beginning);

            assert_eq!(refusal.code, code, "{changes:?}");
            assert!(refusal.description.starts_with(beginning), "{refusal}");
        }
    }

    #[test]
    fn a_private_scope_is_checked_later() {
        assert!(parse_with(&[("scope", "api_keys_write")]).is_ok());
    }

    #[test]
    fn values_of_the_maximum_length_are_accepted() {
        let state = "x".repeat(4096);
        let nonce = "x".repeat(1024);
        let hint = "x".repeat(254);
        let read = parse_with(&[("state", &state), ("nonce", &nonce), ("login_hint", &hint)])
            .expect("a request");

        assert_eq!(
            (read.state, read.nonce, read.login_hint),
            (Some(state), Some(nonce), Some(hint))
        );
    }

    #[test]
    fn a_state_is_returned_if_it_was_sent_once_and_is_short_enough() {
        let state_of = |body: String| {
            let parameters =
                Parameters::from_authorization_request(body.as_bytes()).expect("parameters");
            AuthorizationRequest::state_of(&parameters).map(str::to_owned)
        };

        assert_eq!(state_of("state=a%20b".to_owned()), Some("a b".to_owned()));
        assert_eq!(state_of("state=".to_owned()), None);
        assert_eq!(state_of("state=a&state=b".to_owned()), None);
        assert_eq!(state_of(format!("state={}", "x".repeat(4097))), None);
    }

    #[test]
    fn a_stored_request_is_trusted_only_if_its_redirect_is_still_registered() {
        for request in [
            minimal(),
            everything(),
            AuthorizationRequest { redirect_uri_was_sent: false, ..minimal() },
        ] {
            let stored = serde_json::to_string(&request).expect("serializes");
            let read: AuthorizationRequest = serde_json::from_str(&stored).expect("deserializes");
            let trusted = TrustedRedirect::from_stored(
                &read.redirect_uri,
                read.redirect_uri_was_sent,
                &client(),
            );
            let trusted = trusted.expect("a redirect");

            assert_eq!(read, request);
            assert_eq!(
                (trusted.as_str(), trusted.was_sent()),
                (redirect().as_str(), request.redirect_uri_was_sent)
            );
        }
        let mut stored = serde_json::to_value(minimal()).expect("serializes");
        stored.as_object_mut().expect("members").remove("ui_locale");
        assert_eq!(
            serde_json::from_value::<AuthorizationRequest>(stored)
                .expect("deserializes an older row"),
            minimal()
        );
        assert_eq!(TrustedRedirect::from_stored("https://evil.example/", true, &client()), None);
    }

    #[test]
    fn debug_output_omits_session_values_and_the_user() {
        let printed = format!("{:?}", everything());

        for hidden in ["s t", "ada@example.com", CHALLENGE] {
            assert!(!printed.contains(hidden), "{printed}");
        }
    }

    fn any_value() -> impl Strategy<Value = String> {
        const WORDS: [&str; 12] = [
            "code",
            "token",
            "query",
            "none",
            "login none",
            "S256",
            "plain",
            CHALLENGE,
            "openid",
            "x y",
            "urn:x",
            ORG,
        ];
        prop_oneof![
            proptest::sample::select(&WORDS[..]).prop_map(str::to_owned),
            "[ -~]{0,12}",
            "\\PC{0,6}",
            "https://[a-z.]{1,6}[#/?\"\\\\]{0,2}",
        ]
    }

    proptest! {
        #[test]
        fn no_request_panics_and_refusals_have_only_allowed_characters(
            values in proptest::collection::vec((proptest::sample::select(&NAMES[..]), any_value()), 0..9),
            valid in 0_usize..4,
        ) {
            let begun = [("response_type", "code"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
            let values = values.iter().map(|(name, value)| (*name, value.as_str()));
            let pairs = begun.into_iter().take(valid).chain(values);
            let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            let parameters = Parameters::from_authorization_request(body.as_bytes()).expect("parameters");
            match parse(&parameters) {
                Ok(request) => {
                    let stored = serde_json::to_string(&request).expect("serializes");
                    prop_assert_eq!(serde_json::from_str::<AuthorizationRequest>(&stored).expect("deserializes"), request);
                }
                Err(refusal) => {
                    let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
                    prop_assert!(!refusal.description.is_empty() && refusal.description.len() < 300, "{}", refusal);
                    prop_assert!(refusal.description.bytes().all(allowed), "{}", refusal);
                    let has_its_own = body.contains("%3F");
                    prop_assert!(has_its_own || !refusal.description.contains('?'), "replaced: {}", refusal);
                }
            }
        }
    }

    const NAMES: [&str; 16] = [
        "response_type",
        "response_mode",
        "request",
        "request_uri",
        "code_challenge",
        "code_challenge_method",
        "state",
        "nonce",
        "scope",
        "resource",
        "prompt",
        "max_age",
        "login_hint",
        "dd_oid",
        "site",
        "\"odd\\",
    ];
}
