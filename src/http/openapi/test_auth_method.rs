//! The operation that tests an auth method.

use serde_json::{Value, json};

use crate::http::openapi::content::json_api_of;

pub fn test() -> Value {
    json!({
        "operationId": "TestOAuth2ClientCredentials",
        "summary": "Test an auth method",
        "description": "Requests an access token and reports the result. The token itself is never \
                        returned. At most ten tests a minute per auth method.",
        "responses": {
            "200": {
                "description": "The result, whether the test succeeded or failed",
                "content": json_api_of("AuthMethodTest"),
            },
            "401": {"$ref": "#/components/responses/Unauthorized"},
            "403": {"$ref": "#/components/responses/Errors"},
            "404": {"$ref": "#/components/responses/Errors"},
            "429": {"$ref": "#/components/responses/TooManyRequests"},
            "503": {"$ref": "#/components/responses/Errors"},
        },
    })
}

pub fn schemas() -> Value {
    let attributes = json!({
        "type": "object",
        "required": ["succeeded", "status", "duration_ms", "failure", "token", "requested_at"],
        "properties": {
            "succeeded": {"type": "boolean"},
            "status": {
                "type": ["integer", "null"],
                "description": "HTTP status of the last response; null if none arrived",
            },
            "duration_ms": {"type": "integer"},
            "failure": {
                "type": ["string", "null"],
                "description": "Why the test failed; null if it succeeded",
            },
            "token": {
                "type": ["object", "null"],
                "required": ["type", "expires_in", "scope"],
                "properties": {
                    "type": {"const": "Bearer"},
                    "expires_in": {
                        "type": "integer",
                        "description": "Seconds, at most one day; 300 if the response does not set \
                                        it",
                    },
                    "scope": {"type": ["string", "null"]},
                },
            },
            "requested_at": {"type": "string", "format": "date-time"},
        },
    });
    json!({"AuthMethodTest": {
        "type": "object",
        "required": ["data"],
        "properties": {"data": {
            "type": "object",
            "required": ["id", "type", "attributes"],
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "type": {"const": "webhooks-auth-method-test"},
                "attributes": attributes,
            },
        }},
    }})
}
