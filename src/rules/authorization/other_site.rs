//! The same request at another site of the service. Every site has its own clients and users, so
//! the request starts again there.

use crate::authorization::language::Language;
use crate::authorization::request::AuthorizationRequest;

/// The query of the request for the site at `host`. The parameter `site` marks the site as chosen.
pub fn query_for_site(request: &AuthorizationRequest, client_id: &str, host: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("response_type", "code").append_pair("client_id", client_id);
    let scope = request.scope.as_ref().map(ToString::to_string);
    let challenge = request.code_challenge.as_ref();
    let prompt = request.prompt.to_string();
    let max_age = request.max_age.map(|seconds| seconds.to_string());
    let org_id = request.org_id.map(|id| id.to_string());
    let pairs = [
        // If it were added, the client would have to send it to the token endpoint too (RFC 6749
        // section 4.1.3).
        ("redirect_uri", request.redirect_uri_was_sent.then_some(request.redirect_uri.as_str())),
        ("scope", scope.as_deref()),
        ("state", request.state.as_deref()),
        ("nonce", request.nonce.as_deref()),
        ("login_hint", request.login_hint.as_deref()),
        ("code_challenge", challenge.map(|challenge| challenge.as_str())),
        ("code_challenge_method", challenge.map(|_| "S256")),
        ("prompt", (!prompt.is_empty()).then_some(prompt.as_str())),
        ("max_age", max_age.as_deref()),
        ("ui_locales", request.ui_locale.map(Language::tag)),
        ("dd_oid", org_id.as_deref()),
    ];
    for (name, value) in pairs {
        query.extend_pairs(value.map(|value| (name, value)));
    }
    query.extend_pairs(request.resources.iter().map(|resource| ("resource", resource.as_str())));
    query.append_pair("site", &format!("https://{host}"));
    query.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::authorization::pkce::CodeChallenge;
    use crate::authorization::request::{Prompt, RequestRules};
    use crate::authorization::resource::{Resource, UnknownResources};
    use crate::client::metadata::ClientMetadata;
    use crate::id::OrgId;
    use crate::redirect::trusted::TrustedRedirect;
    use crate::scope::ScopeSet;
    use crate::scope::catalog::{SHIPPED, ScopeCatalog};
    use crate::syntax::parameters::Parameters;

    const REDIRECT: &str = "https://app.example/cb?x=1&y";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn minimal() -> AuthorizationRequest {
        AuthorizationRequest {
            redirect_uri: REDIRECT.to_owned(),
            redirect_uri_was_sent: false,
            state: None,
            scope: None,
            code_challenge: Some(CodeChallenge::from_stored(CHALLENGE.to_owned())),
            resources: Vec::new(),
            nonce: None,
            prompt: Prompt::default(),
            max_age: None,
            login_hint: None,
            org_id: None,
            names_site: true,
            ui_locale: None,
        }
    }

    fn everything() -> AuthorizationRequest {
        AuthorizationRequest {
            redirect_uri_was_sent: true,
            state: Some("s t&u=ä".to_owned()),
            scope: Some(ScopeSet::parse("openid email").expect("a scope")),
            resources: vec![Resource::parse("https://mcp.example").expect("a resource")],
            nonce: Some("n".to_owned()),
            prompt: Prompt { login: true, consent: true, ..Prompt::default() },
            max_age: Some(0),
            login_hint: Some("ada@example.com".to_owned()),
            org_id: Some(OrgId(Uuid::from_u128(1))),
            ui_locale: Some(Language::German),
            ..minimal()
        }
    }

    /// Reads the query as the other site does, where the same client is registered.
    fn read(query: &str) -> AuthorizationRequest {
        let stored = json!({
            "client_name": "App", "redirect_uris": [REDIRECT], "grant_types": ["authorization_code"],
            "response_types": ["code"], "token_endpoint_auth_method": "none",
        });
        let client = ClientMetadata::from_stored(&stored.to_string()).expect("metadata");
        let parameters =
            Parameters::from_authorization_request(query.as_bytes()).expect("parameters");
        assert_eq!(parameters.get("client_id"), Some("app"));
        assert_eq!(parameters.get("site"), Some("https://eu.example"));
        let redirect =
            TrustedRedirect::of(parameters.get("redirect_uri"), &client).expect("a redirect");
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let known_resources = [Resource::parse("https://mcp.example").expect("a resource")];
        let rules = RequestRules {
            catalog: &catalog,
            known_resources: &known_resources,
            unknown_resources: UnknownResources::Refuse,
            configured_scopes: None,
        };
        AuthorizationRequest::parse(&parameters, &redirect, &rules).expect("a request")
    }

    #[test]
    fn the_other_site_reads_the_same_request_and_does_not_ask_for_the_site_again() {
        for request in [minimal(), everything()] {
            let query = query_for_site(&request, "app", "eu.example");

            assert_eq!(read(&query), request, "{query}");
        }
    }
}
