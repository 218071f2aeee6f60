//! How an auth method is tried.

use serde_json::{Value, json};

use crate::http::openapi::json_api_of;
use crate::rules::identity::permission::Permission;

pub fn paths() -> Value {
    let permission = Permission::ManageIntegrations.as_str();
    json!({
        "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials/{auth_method_id}/test": {
            "parameters": [
                {"name": "auth_method_id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}},
            ],
            "post": {
                "operationId": "TestOAuth2ClientCredentials",
                "summary": "Ask for an access token now, and say how that went",
                "description": "At most ten times a minute for each auth method. The token is never told.",
                "security": [{"apiKeyAuth": [], "appKeyAuth": []}, {"bearerAuth": [permission]}],
                "responses": {
                    "200": {"description": "How it went, also where it failed", "content": json_api_of("AuthMethodTest")},
                    "401": {"$ref": "#/components/responses/Unauthorized"},
                    "403": {"$ref": "#/components/responses/Errors"},
                    "404": {"$ref": "#/components/responses/Errors"},
                    "429": {"$ref": "#/components/responses/TooManyRequests"},
                    "503": {"$ref": "#/components/responses/Errors"},
                },
            },
        },
    })
}

pub fn schemas() -> Value {
    let attributes = json!({
        "type": "object",
        "required": ["succeeded", "status", "duration_ms", "failure", "token", "requested_at"],
        "properties": {
            "succeeded": {"type": "boolean"},
            "status": {"type": ["integer", "null"], "description": "Of the last answer; null where there was none"},
            "duration_ms": {"type": "integer"},
            "failure": {"type": ["string", "null"], "description": "What went wrong, in words"},
            "token": {
                "type": ["object", "null"],
                "required": ["type", "expires_in", "scope"],
                "properties": {
                    "type": {"const": "Bearer"},
                    "expires_in": {"type": "integer", "description": "Seconds, a day at most, and 300 where nothing is said"},
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
