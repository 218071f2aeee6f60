//! The OpenAPI 3.1 document, built from the constants that the code uses. The routes declare which
//! operation is at which path, and what it requires.

pub mod audit;
pub mod auth_methods;
pub mod clients;
mod content;
pub mod keys;
pub mod oauth;
pub mod partners;
pub mod people;
pub mod private_clients;
mod resources;
pub mod roles;
mod schemas;
pub mod test_auth_method;
pub mod webhook_deliveries;
pub mod webhooks;

use serde_json::{Map, Value, json};

use crate::http::openapi::content::{json_api_of, json_of};

pub fn document(public_url: &str, paths: Value) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Grantor",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A self-hosted OAuth 2 authorization server.",
            "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"},
        },
        "servers": [{"url": public_url}],
        "paths": paths,
        "components": {
            "schemas": merge([
                schemas::schemas(),
                schemas::token_schemas(),
                resources::schemas(),
                private_clients::schemas(),
                keys::schemas(),
                partners::schemas(),
                audit::schemas(),
                people::schemas(),
                roles::schemas(),
                auth_methods::schemas(),
                test_auth_method::schemas(),
                webhooks::schemas(),
                webhook_deliveries::schemas(),
            ]),
            "responses": responses(),
            "securitySchemes": {
                "apiKeyAuth": {"type": "apiKey", "in": "header", "name": "DD-API-KEY"},
                "appKeyAuth": {"type": "apiKey", "in": "header", "name": "DD-APPLICATION-KEY"},
                "bearerAuth": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token. The management API accepts only tokens that \
                                    were requested without a resource",
                },
                "resourceAuth": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The secret of a resource server as the password; the user name \
                                    is ignored",
                },
            },
        },
    })
}

/// Merges the members of several objects into one.
fn merge<const N: usize>(objects: [Value; N]) -> Value {
    let members = objects.into_iter().flat_map(|object| match object {
        Value::Object(members) => members,
        _ => Map::new(),
    });
    Value::Object(members.collect())
}

/// The operation that returns this document.
pub fn show() -> Value {
    json!({
        "operationId": "ShowOpenApi",
        "summary": "Get the OpenAPI document",
        "responses": {
            "200": {"description": "OpenAPI 3.1", "content": {"application/json": {"schema": {"type": "object"}}}},
            "429": {"$ref": "#/components/responses/TooManyRequests"},
        },
    })
}

fn responses() -> Value {
    json!({
        "OAuthError": {"description": "RFC 7591 section 3.2.2, RFC 6749 section 5.2", "content": json_of("OAuthError")},
        "JsonApiError": {"description": "JSON:API errors", "content": json_api_of("JsonApiErrors")},
        "Errors": {"description": "Error messages", "content": json_of("Errors")},
        "Unauthorized": {
            "description": "No credentials, or an access token that is not valid, has expired or \
                            is for another server",
            "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
            "content": json_of("Errors"),
        },
        "InvalidToken": {
            "description": "RFC 6750 section 3",
            "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
            "content": json_of("OAuthError"),
        },
        "Forbidden": {
            "description": "Unknown keys (plain strings), or a missing permission or scope \
                            (JSON:API)",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Errors"}},
                "application/vnd.api+json": {"schema": {"$ref": "#/components/schemas/JsonApiErrors"}},
            },
        },
        "TooManyRequests": {
            "description": "Too many requests; retry after the time in Retry-After",
            "headers": {"Retry-After": {"schema": {"type": "integer"}}, "X-RateLimit-Reset": {"schema": {"type": "integer"}}},
            "content": json_of("Errors"),
        },
    })
}
