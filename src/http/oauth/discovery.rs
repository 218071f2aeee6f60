//! Server metadata (RFC 8414), which is also an OpenID Connect Discovery 1.0 document. All paths
//! return the same document. It is built once from the settings and never from a request (RFC 8414
//! section 6.2).

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::app::App;
use crate::config::Config;
use crate::rules::authorization::language::Language;
use crate::rules::client::grant_types::GrantType;
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::token::claims::CLAIMS;
use crate::rules::token::signing_algorithm::SigningAlgorithm;

/// No member is ever null: RFC 8414 section 2 says to omit unsupported members.
#[derive(Serialize)]
struct Document<'a> {
    issuer: &'a str,
    authorization_endpoint: String,
    token_endpoint: String,
    registration_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    userinfo_endpoint: String,
    jwks_uri: String,
    scopes_supported: Vec<&'a str>,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 2],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    code_challenge_methods_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [SigningAlgorithm; 1],
    claims_supported: [&'static str; CLAIMS.len()],
    prompt_values_supported: [&'static str; 4],
    ui_locales_supported: [&'static str; Language::ALL.len()],
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    /// Must be present, since the default is true (OpenID Connect Discovery 1.0 section 3).
    request_uri_parameter_supported: bool,
    /// RFC 9207 section 3.
    authorization_response_iss_parameter_supported: bool,
    client_id_metadata_document_supported: bool,
}

/// `none` comes first, because some clients that register themselves take the first one.
const CLIENT_AUTH_METHODS: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];

fn document(config: &Config, catalog: &ScopeCatalog) -> Bytes {
    let issuer = config.http.public_url.as_str();
    let at = |path: &str| format!("{issuer}{path}");
    let document = Document {
        issuer,
        authorization_endpoint: at("/oauth2/v1/authorize"),
        token_endpoint: at("/oauth2/v1/token"),
        registration_endpoint: at("/api/v2/oauth2/register"),
        revocation_endpoint: at("/oauth2/v1/revoke"),
        introspection_endpoint: at("/oauth2/v1/introspect"),
        userinfo_endpoint: at("/oauth2/v1/userinfo"),
        jwks_uri: at("/oauth2/v1/jwks"),
        scopes_supported: catalog.advertised().names().collect(),
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: GrantType::ALL.map(GrantType::name),
        token_endpoint_auth_methods_supported: CLIENT_AUTH_METHODS,
        revocation_endpoint_auth_methods_supported: CLIENT_AUTH_METHODS,
        introspection_endpoint_auth_methods_supported: [
            "client_secret_basic",
            "client_secret_post",
        ],
        code_challenge_methods_supported: ["S256"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: [config.tokens.signing_algorithm],
        claims_supported: CLAIMS,
        prompt_values_supported: ["none", "login", "consent", "select_account"],
        ui_locales_supported: Language::ALL.map(Language::tag),
        claims_parameter_supported: false,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
        authorization_response_iss_parameter_supported: true,
        client_id_metadata_document_supported: config.client_documents.enabled,
    };
    // Serializing strings and lists cannot fail.
    serde_json::to_vec(&document).unwrap_or_default().into()
}

pub async fn show(State(app): State<Arc<App>>) -> Response {
    let document = app.discovery.get_or_init(|| document(&app.config, &app.catalog));
    let mut response = document.clone().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}
