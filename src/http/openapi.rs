//! The OpenAPI 3.1 document: made from the constants that the code itself goes by. A test holds its paths against
//! `router::ROUTES`.

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
        "paths": all([
            oauth::paths(),
            operators::paths(),
            auth_methods::paths(),
            test_auth_method::paths(),
            webhooks::paths(),
            webhook_deliveries::paths(),
            json!({"/openapi.json": {"get": this_document()}}),
        ]),
        "components": {
            "schemas": all([
                schemas::schemas(),
                schemas::of_tokens(),
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
                    "description": "An access token. For the operators' endpoints, one that was asked for without a resource",
                },
                "resourceAuth": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The secret of a resource as the password; the user name does not count",
                },
            },
        },
    })
}

/// The members of several objects as one.
fn all<const N: usize>(objects: [Value; N]) -> Value {
    let members = objects.into_iter().flat_map(|object| match object {
        Value::Object(members) => members,
        _ => Map::new(),
    });
    Value::Object(members.collect())
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
        "Unauthorized": {
            "description": "No credential, or an access token that is none, has ended or is for another server",
            "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
            "content": json_of("Errors"),
        },
        "InvalidToken": {
            "description": "RFC 6750 section 3",
            "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
            "content": json_of("OAuthError"),
        },
        "Forbidden": {
            "description": "Unknown keys (plain strings); a permission that the user lacks, or a scope that the token lacks (JSON:API)",
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
