//! The metadata of RFC 8414 and OpenID Connect Discovery 1.0.

use axum::http::Method;
use serde_json::json;

use crate::support::errors::oauth;
use crate::support::{Engine, TestApp, request};

const PATHS: [&str; 3] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/api/v2/oauth2/.well-known/openid-configuration",
];

#[tokio::test]
async fn the_document_describes_the_server_under_the_configured_issuer() {
    let issuer = "https://auth.example.com:8443";
    let app = TestApp::with(Engine::Sqlite, &[("http.public_url", issuer)]).await;

    let mut document = app.get(PATHS[0]).await.json();

    let scopes = document
        .as_object_mut()
        .and_then(|members| members.remove("scopes_supported"))
        .expect("scopes");
    let at = |path: &str| format!("{issuer}{path}");
    assert_eq!(
        document,
        json!({
            "issuer": issuer,
            "authorization_endpoint": at("/oauth2/v1/authorize"),
            "token_endpoint": at("/oauth2/v1/token"),
            "registration_endpoint": at("/api/v2/oauth2/register"),
            "revocation_endpoint": at("/oauth2/v1/revoke"),
            "introspection_endpoint": at("/oauth2/v1/introspect"),
            "userinfo_endpoint": at("/oauth2/v1/userinfo"),
            "jwks_uri": at("/oauth2/v1/jwks"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "claims_supported": [
                "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "name", "preferred_username", "email",
                "email_verified",
            ],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "ui_locales_supported": ["en", "de"],
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": true,
        })
    );
    let advertised: Vec<&str> = app.app.catalog.advertised().names().collect();
    assert_eq!(scopes, json!(advertised));
    assert!(advertised.contains(&"openid"));
}

#[tokio::test]
async fn every_path_returns_the_same_cacheable_bytes() {
    let app = TestApp::start(Engine::Sqlite).await;
    let first = app.get(PATHS[0]).await;

    for path in PATHS {
        let answer = app.get(path).await;

        assert_eq!((answer.status.as_u16(), &answer.text), (200, &first.text), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"), "{path}");
    }
    assert!(!first.text.contains("null"));
}

#[tokio::test]
async fn the_document_follows_the_settings_and_never_the_request() {
    let settings = [
        ("http.public_url", "https://auth.example.com"),
        ("tokens.signing_algorithm", "RS256"),
        ("client_documents.enabled", "false"),
    ];
    let app = TestApp::with(Engine::Sqlite, &settings).await;
    let lied = request(Method::GET, PATHS[1])
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "http");

    let document = app.ask(lied).await.json();

    assert_eq!(document["issuer"], "https://auth.example.com");
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256"]));
    assert_eq!(document["client_id_metadata_document_supported"], false);
}

/// Clients that get a 404 for one form try the next one. A page would break that.
#[tokio::test]
async fn other_well_known_paths_return_404_in_json() {
    let app = TestApp::start(Engine::Sqlite).await;
    let nothing = oauth("invalid_request", "there is nothing at this path");
    for path in [
        "/.well-known/oauth-authorization-server/",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration/mcp",
        "/.well-known/openid-configuration/oauth2/v1",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/jwks.json",
        "/.well-known/",
        "/oauth2/.well-known/openid-configuration",
        "/oauth2/v1/jwks/",
        "/mcp/.well-known/openid-configuration",
        "/api/v2/oauth2/.well-known/oauth-authorization-server",
        "/api/v2/oauth2/.well-known/openid-configuration/mcp",
        "/api/v2/.well-known/openid-configuration",
    ] {
        for accept in ["*/*", "text/html,application/xhtml+xml,*/*;q=0.8"] {
            let answer = app.ask(request(Method::GET, path).header("accept", accept)).await;

            answer.is(404, &nothing);
            assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        }
    }
}

#[tokio::test]
async fn head_works_like_get_and_other_methods_are_refused() {
    let app = TestApp::start(Engine::Sqlite).await;
    let send = |method, path| app.ask(request(method, path));
    for path in PATHS {
        let (get, head) = (send(Method::GET, path).await, send(Method::HEAD, path).await);
        let (options, post) = (send(Method::OPTIONS, path).await, send(Method::POST, path).await);

        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""), "{path}");
        assert_eq!(
            head.header("content-length"),
            Some(get.text.len().to_string().as_str()),
            "{path}"
        );
        let allow = Some("GET, HEAD, OPTIONS");
        assert_eq!((options.status.as_u16(), options.header("allow")), (204, allow), "{path}");
        assert_eq!((post.status.as_u16(), post.header("allow")), (405, allow), "{path}");
    }
}

/// Browser-based MCP clients send their version header with discovery, so a preflight comes first.
#[tokio::test]
async fn any_origin_can_send_the_header_of_mcp_clients() {
    let app = TestApp::start(Engine::Sqlite).await;
    for path in PATHS.into_iter().chain([
        "/.well-known/oauth-authorization-server/mcp",
        "/mcp/.well-known/openid-configuration",
    ]) {
        let preflight = request(Method::OPTIONS, path)
            .header("origin", "https://inspector.example")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "mcp-protocol-version");
        let asked = request(Method::GET, path)
            .header("origin", "https://inspector.example")
            .header("mcp-protocol-version", "2026-07-28");

        let allowed = app.ask(preflight).await;
        let answer = app.ask(asked).await;

        assert_eq!((allowed.status.as_u16(), allowed.text.as_str()), (204, ""), "{path}");
        let headers = allowed.header("access-control-allow-headers").expect("a list");
        assert!(headers.contains("mcp-protocol-version"), "{path}: {headers}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
}
