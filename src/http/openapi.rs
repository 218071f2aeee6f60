//! The OpenAPI 3.1 document, built from the constants that the code uses. A test compares its paths
//! with `routes::ROUTES`.

mod auth_methods;
mod oauth;
mod operators;
mod resources;
mod schemas;
mod test_auth_method;
mod webhook_deliveries;
mod webhooks;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::app::App;

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
        "paths": merge([
            oauth::paths(),
            operators::paths(),
            auth_methods::paths(),
            test_auth_method::paths(),
            webhooks::paths(),
            webhook_deliveries::paths(),
            json!({"/openapi.json": {"get": openapi_document()}}),
        ]),
        "components": {
            "schemas": merge([
                schemas::schemas(),
                schemas::token_schemas(),
                resources::schemas(),
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

fn openapi_document() -> Value {
    json!({
        "operationId": "ShowOpenApi",
        "summary": "Get the OpenAPI document",
        "security": [],
        "responses": {
            "200": {"description": "OpenAPI 3.1", "content": {"application/json": {"schema": {"type": "object"}}}},
            "429": {"$ref": "#/components/responses/TooManyRequests"},
        },
    })
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
