//! The endpoints for clients and resource servers.

use serde_json::{Value, json};

use crate::http::openapi::content::{form_or_json_of, json_api_of, json_of};

pub fn register() -> Value {
    json!({
        "operationId": "RegisterOAuthClient",
        "summary": "Register an OAuth 2 client (RFC 7591)",
        "description": "Registering the same metadata again returns the same client_id.",
        "requestBody": {"required": true, "content": json_of("ClientMetadata")},
        "responses": {
            "201": {
                "description": "The registered metadata, with the client_id",
                "content": json_of("Client"),
            },
            "400": {"$ref": "#/components/responses/OAuthError"},
            "413": {"$ref": "#/components/responses/OAuthError"},
            "415": {"$ref": "#/components/responses/OAuthError"},
            "429": {"$ref": "#/components/responses/TooManyRequests"},
            "503": {"$ref": "#/components/responses/OAuthError"},
        },
    })
}

pub fn sites() -> Value {
    json!({
        "operationId": "ListOAuthSites",
        "summary": "List the sites of this service",
        "responses": {
            "200": {"description": "Host names", "content": json_api_of("Sites")},
            "429": {"$ref": "#/components/responses/TooManyRequests"},
        },
    })
}

/// All metadata paths return the same document.
pub fn metadata(name: &str, standard: &str) -> Value {
    json!({
        "operationId": name,
        "summary": format!("Get the server metadata ({standard})"),
        "responses": {
            "200": {
                "description": "The server metadata, the same at every path",
                "content": json_of("ServerMetadata"),
            },
            "429": {"$ref": "#/components/responses/TooManyRequests"},
        },
    })
}

pub fn jwks() -> Value {
    json!({
        "operationId": "GetJsonWebKeySet",
        "summary": "Get the keys that verify tokens (RFC 7517)",
        "description": "A new key is published ten minutes before it signs, so do not cache longer \
                        than Cache-Control allows.",
        "responses": {
            "200": {"description": "A JWK set", "content": json_of("JsonWebKeySet")},
            "429": {"$ref": "#/components/responses/TooManyRequests"},
        },
    })
}

/// Both token paths have the same handler.
pub fn token(name: &str) -> Value {
    with_errors(json!({
        "operationId": name,
        "summary": "Exchange a code or a refresh token for tokens (RFC 6749 section 3.2)",
        "description": "PKCE is required of clients without a secret, and each use replaces their \
                        refresh token. A replaced token returns the same successor until the \
                        successor is used. Clients with a secret authenticate with HTTP Basic or \
                        in the body, and their refresh token stays.",
        "requestBody": {"required": true, "content": form_or_json_of("TokenRequest")},
        "responses": {"200": {"description": "RFC 6749 section 5.1", "content": json_of("Tokens")}},
    }))
}

pub fn revoke() -> Value {
    with_errors(json!({
        "operationId": "RevokeToken",
        "summary": "Revoke a token (RFC 7009)",
        "description": "Revokes the refresh token and all of its access tokens; send any one of \
                        these. Introspection reports them as inactive immediately. APIs that only \
                        check signatures may accept an access token until its `exp`, so use \
                        introspection or a short `tokens.access_ttl`.",
        "requestBody": {"required": true, "content": form_or_json_of("RevocationRequest")},
        "responses": {"200": {"description": "Revoked, or not a token of this client"}},
    }))
}

pub fn introspect() -> Value {
    with_errors(json!({
        "operationId": "IntrospectToken",
        "summary": "Check an access token (RFC 7662)",
        "description": "The resource server authenticates with its own secret, by HTTP Basic or as \
                        client_secret. A token for another resource is reported as inactive.",
        "requestBody": {"required": true, "content": {
            "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/IntrospectionRequest"}}}},
        "responses": {"200": {"description": "RFC 7662 section 2.2", "content": json_of("Introspection")}},
    }))
}

pub fn userinfo(name: &str) -> Value {
    json!({
        "operationId": name,
        "summary": "Get the user of an access token (OpenID Connect Core section 5.3)",
        "responses": {
            "200": {
                "description": "The claims that the scopes of the token allow",
                "content": json_of("UserInfo"),
            },
            "401": {"$ref": "#/components/responses/InvalidToken"},
            "403": {"$ref": "#/components/responses/InvalidToken"},
            "429": {"$ref": "#/components/responses/TooManyRequests"},
            "503": {"$ref": "#/components/responses/OAuthError"},
        },
    })
}

/// Adds the error responses that all token operations share.
fn with_errors(mut operation: Value) -> Value {
    for (status, response) in [
        ("400", "OAuthError"),
        ("401", "OAuthError"),
        ("413", "OAuthError"),
        ("429", "TooManyRequests"),
        ("503", "OAuthError"),
    ] {
        operation["responses"][status] =
            json!({"$ref": format!("#/components/responses/{response}")});
    }
    operation
}
