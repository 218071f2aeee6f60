//! The OpenAPI 3.1 document: made from the constants that the code itself goes by. A test holds its paths against
//! `router::ROUTES`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::App;
use crate::oauth::client_metadata::{GrantType, Member};

pub async fn show(State(app): State<Arc<App>>) -> Json<Value> {
    Json(document(&app.config.http.public_url))
}

pub fn document(public_url: &str) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Grantor",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A self-hosted OAuth 2 authorization server.",
            "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"},
        },
        "servers": [{"url": public_url}],
        "paths": {
            "/api/v2/oauth2/register": {"post": register()},
            "/api/v2/oauth2/.well-known/sites": {"get": sites()},
            "/api/v2/oauth2/clients/{client_uuid}/scopes_restriction": {
                "parameters": [client_uuid()],
                "get": show_restriction(),
                "post": upsert_restriction(),
                "delete": lift_restriction(),
            },
            "/openapi.json": {"get": this_document()},
        },
        "components": {
            "schemas": schemas(),
            "responses": responses(),
            "securitySchemes": {
                "apiKeyAuth": {"type": "apiKey", "in": "header", "name": "DD-API-KEY"},
                "appKeyAuth": {"type": "apiKey", "in": "header", "name": "DD-APPLICATION-KEY"},
            },
        },
    })
}

fn register() -> Value {
    json!({
        "operationId": "RegisterOAuthClient",
        "summary": "Register an OAuth 2 client (RFC 7591)",
        "description": "The same metadata gets the same client_id.",
        "security": [],
        "requestBody": {"required": true, "content": json_of("ClientMetadata")},
        "responses": {
            "201": {"description": "Registered: everything that was, with the client_id", "content": json_of("Client")},
            "400": {"$ref": "#/components/responses/OAuthError"},
            "413": {"$ref": "#/components/responses/OAuthError"},
            "415": {"$ref": "#/components/responses/OAuthError"},
            "429": {"$ref": "#/components/responses/TooManyRequests"},
            "503": {"$ref": "#/components/responses/OAuthError"},
        },
    })
}

fn sites() -> Value {
    json!({
        "operationId": "ListOAuthSites",
        "summary": "The sites of this service",
        "security": [],
        "responses": {
            "200": {"description": "Host names", "content": json_api_of("Sites")},
            "429": {"$ref": "#/components/responses/TooManyRequests"},
        },
    })
}

fn this_document() -> Value {
    json!({
        "operationId": "ShowOpenApi",
        "summary": "This document",
        "security": [],
        "responses": {
            "200": {"description": "OpenAPI 3.1", "content": {"application/json": {"schema": {"type": "object"}}}},
            "429": {"$ref": "#/components/responses/TooManyRequests"},
        },
    })
}

fn show_restriction() -> Value {
    operator(json!({
        "operationId": "GetScopesRestriction",
        "summary": "What this organisation lets the client have at most",
        "responses": {"200": {"description": "null is no restriction, [] is nothing", "content": json_api_of("ScopesRestriction")}},
    }))
}

fn upsert_restriction() -> Value {
    operator(json!({
        "operationId": "UpsertScopesRestriction",
        "summary": "Create or replace the restriction",
        "parameters": [
            {"name": "dry_run", "in": "query", "schema": {"type": "boolean"}, "description": "Say what would change and store nothing"},
            {"name": "if_digest", "in": "query", "schema": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
                "description": "Only if the state is still the one that a dry run named so"},
        ],
        "requestBody": {"required": true, "content": json_of("UpsertScopesRestriction")},
        "responses": {
            "200": {"description": "The restriction as it is now, or would be", "content": json_api_of("ScopesRestriction")},
            "409": {"$ref": "#/components/responses/JsonApiError"},
            "413": {"$ref": "#/components/responses/JsonApiError"},
            "415": {"$ref": "#/components/responses/JsonApiError"},
        },
    }))
}

fn lift_restriction() -> Value {
    operator(json!({
        "operationId": "DeleteScopesRestriction",
        "summary": "Back to full access",
        "responses": {"204": {"description": "No restriction any more; also where there was none"}},
    }))
}

/// What every operators' operation has in common.
fn operator(mut operation: Value) -> Value {
    operation["security"] = json!([{"apiKeyAuth": [], "appKeyAuth": []}]);
    for (status, response) in [
        ("400", "JsonApiError"),
        ("401", "Errors"),
        ("403", "Forbidden"),
        ("404", "JsonApiError"),
        ("429", "TooManyRequests"),
        ("503", "JsonApiError"),
    ] {
        operation["responses"][status] = json!({"$ref": format!("#/components/responses/{response}")});
    }
    operation
}

fn client_uuid() -> Value {
    json!({"name": "client_uuid", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}})
}

fn json_of(schema: &str) -> Value {
    json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

fn json_api_of(schema: &str) -> Value {
    json!({"application/vnd.api+json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

fn responses() -> Value {
    json!({
        "OAuthError": {"description": "RFC 7591 section 3.2.2, RFC 6749 section 5.2", "content": json_of("OAuthError")},
        "JsonApiError": {"description": "JSON:API errors", "content": json_api_of("JsonApiErrors")},
        "Errors": {"description": "What is wrong, in words", "content": json_of("Errors")},
        "Forbidden": {
            "description": "Unknown keys (plain strings), or a permission that the user lacks (JSON:API)",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Errors"}},
                "application/vnd.api+json": {"schema": {"$ref": "#/components/schemas/JsonApiErrors"}},
            },
        },
        "TooManyRequests": {
            "description": "Come back after Retry-After seconds",
            "headers": {"Retry-After": {"schema": {"type": "integer"}}, "X-RateLimit-Reset": {"schema": {"type": "integer"}}},
            "content": json_of("Errors"),
        },
    })
}

fn schemas() -> Value {
    let grant_types: Vec<&str> = GrantType::ALL.into_iter().map(GrantType::name).collect();
    let strings = json!({"type": "array", "items": {"type": "string"}});
    json!({
        "ClientMetadata": {"type": "object", "required": ["client_name", "redirect_uris"], "properties": metadata(&grant_types)},
        "Client": {
            "type": "object",
            "required": ["client_id", "client_name", "grant_types", "redirect_uris", "response_types", "token_endpoint_auth_method"],
            "properties": client(&grant_types),
        },
        "OAuthError": {
            "type": "object",
            "required": ["error", "error_description"],
            "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
        },
        "Errors": {"type": "object", "required": ["errors"], "properties": {"errors": strings}},
        "JsonApiErrors": {
            "type": "object",
            "required": ["errors"],
            "properties": {"errors": {"type": "array", "items": {"$ref": "#/components/schemas/JsonApiErrorItem"}}},
        },
        "JsonApiErrorItem": {
            "type": "object",
            "properties": {
                "status": {"type": "string"},
                "title": {"type": "string"},
                "detail": {"type": "string"},
                "source": {"type": "object", "properties": {
                    "pointer": {"type": "string"}, "parameter": {"type": "string"}, "header": {"type": "string"}}},
            },
        },
        "Sites": data(json!({"id": {"type": "string"}, "type": {"const": "env"}, "attributes": {
            "type": "object", "required": ["sites"], "properties": {"sites": strings}}})),
        "ScopesRestriction": restriction(&strings),
        "UpsertScopesRestriction": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {
                "type": "object",
                "required": ["type"],
                "properties": {
                    "type": {"const": "upsert_scopes_restriction"},
                    "attributes": {"type": "object", "properties": {"oidc_scopes": strings, "permission_scopes": strings}},
                },
            }},
        },
    })
}

fn restriction(strings: &Value) -> Value {
    let mut document = data(json!({
        "id": {"type": "string", "format": "uuid"},
        "type": {"const": "scopes_restriction"},
        "attributes": {
            "type": "object",
            "required": ["required_permission_scopes", "scopes_restriction"],
            "properties": {
                "required_permission_scopes": {"type": ["array", "null"], "items": {"type": "string"}},
                "scopes_restriction": {
                    "type": ["object", "null"],
                    "required": ["oidc_scopes", "permission_scopes"],
                    "properties": {"oidc_scopes": strings, "permission_scopes": strings},
                },
            },
        },
    }));
    document["properties"]["meta"] = json!({
        "type": "object",
        "description": "In answers to a dry run",
        "required": ["dry_run", "scopes_added", "scopes_removed", "grants", "users", "digest"],
        "properties": {
            "dry_run": {"const": true},
            "scopes_added": strings,
            "scopes_removed": strings,
            "grants": {"type": "integer"},
            "users": {"type": "integer"},
            "digest": {"type": "string"},
        },
    });
    document
}

/// A JSON:API document with one resource, all of whose members are always there.
fn data(properties: Value) -> Value {
    json!({
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"type": "object", "required": ["id", "type", "attributes"], "properties": properties}},
    })
}

/// The members that the parser knows, by the parser's own list.
fn metadata(grant_types: &[&str]) -> Value {
    Member::ALL.into_iter().map(|member| (member.name().to_owned(), member_schema(member, grant_types))).collect()
}

fn member_schema(member: Member, grant_types: &[&str]) -> Value {
    match member {
        Member::RedirectUris => json!({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 50}),
        Member::GrantTypes => json!({"type": "array", "items": {"enum": grant_types}}),
        Member::ResponseTypes => json!({"type": "array", "items": {"const": "code"}}),
        Member::TokenEndpointAuthMethod => json!({"const": "none"}),
        Member::Jwks => json!({"description": "Not beside jwks_uri; not registered", "type": "object"}),
        Member::ClientName
        | Member::Scope
        | Member::ClientUri
        | Member::LogoUri
        | Member::PolicyUri
        | Member::TosUri
        | Member::JwksUri => json!({"type": "string", "maxLength": 1000}),
    }
}

fn client(grant_types: &[&str]) -> Value {
    let mut members = metadata(grant_types);
    if let Some(members) = members.as_object_mut() {
        members.remove(Member::Jwks.name());
    }
    members["client_id"] = json!({"type": "string", "format": "uuid"});
    members["client_id_issued_at"] = json!({"type": "integer", "description": "Seconds since 1970"});
    members
}
