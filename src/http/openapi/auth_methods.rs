//! Auth methods: how the server gets access tokens for webhook receivers.

use serde_json::{Value, json};

use crate::actions::webhooks::create_auth_method::MAX_AUTH_METHODS;
use crate::http::api::auth_methods::{CREDENTIALS, METHOD, PROTOCOL};
use crate::http::openapi::content::{json_api_of, json_of};
use crate::rules::webhook::auth_method::Member;

pub fn list() -> Value {
    let include = json!({"type": "array", "items": {"enum": [PROTOCOL]}});
    operation(
        &["400"],
        json!({
            "operationId": "GetAllAuthMethods",
            "summary": "List the auth methods of this organization by name",
            "parameters": [{"name": "include", "in": "query", "style": "form", "explode": false, "schema": include}],
            "responses": {
                "200": {"description": "The complete list", "content": json_api_of("AuthMethods")},
            },
        }),
    )
}

pub fn create() -> Value {
    let limit = format!("The name is taken, or there are already {MAX_AUTH_METHODS} auth methods");
    operation(
        &["400", "413", "415"],
        json!({
            "operationId": "CreateOAuth2ClientCredentials",
            "summary": "Create an auth method with client credentials (RFC 6749 section 4.4)",
            "description": "The secret is stored encrypted and never returned.",
            "requestBody": {"required": true, "content": json_of("NewClientCredentials")},
            "responses": {
                "201": {
                    "description": "The auth method without its secret",
                    "content": json_api_of("ClientCredentials"),
                },
                "409": {"description": limit, "content": json_of("Errors")},
            },
        }),
    )
}

pub fn show() -> Value {
    operation(
        &["404"],
        json!({
            "operationId": "GetOAuth2ClientCredentials",
            "summary": "Get an auth method",
            "responses": {
                "200": {
                    "description": "The auth method without its secret",
                    "content": json_api_of("ClientCredentials"),
                },
            },
        }),
    )
}

pub fn update() -> Value {
    operation(
        &["400", "404", "413", "415"],
        json!({
            "operationId": "UpdateOAuth2ClientCredentials",
            "summary": "Update an auth method",
            "description": "Omitted members keep their values; null removes the audience or the scope. \
                            Send access_token_url together with client_secret. Only the user who sent \
                            the stored secret for the same scheme, host and port may omit it.",
            "requestBody": {"required": true, "content": json_of("ChangedClientCredentials")},
            "responses": {
                "200": {
                    "description": "The updated auth method without its secret",
                    "content": json_api_of("ClientCredentials"),
                },
                "409": {"description": "The name is taken", "content": json_of("Errors")},
            },
        }),
    )
}

pub fn delete() -> Value {
    operation(
        &["404"],
        json!({
            "operationId": "DeleteOAuth2ClientCredentials",
            "summary": "Delete an auth method that no webhook uses",
            "responses": {
                "204": {"description": "Deleted"},
                "409": {
                    "description": "A webhook uses it; the error names the webhook",
                    "content": json_of("Errors"),
                },
            },
        }),
    )
}

/// Adds the errors, which are plain strings.
fn operation(errors: &[&str], mut operation: Value) -> Value {
    for status in errors.iter().chain(&["403", "503"]) {
        operation["responses"][*status] = json!({"$ref": "#/components/responses/Errors"});
    }
    operation["responses"]["401"] = json!({"$ref": "#/components/responses/Unauthorized"});
    operation["responses"]["429"] = json!({"$ref": "#/components/responses/TooManyRequests"});
    operation
}

pub fn schemas() -> Value {
    json!({
        "NewClientCredentials": sent(&["name", "access_token_url", "client_id", "client_secret"]),
        "ChangedClientCredentials": sent(&[]),
        "ClientCredentials": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {"$ref": "#/components/schemas/ClientCredentialsResource"}},
        },
        "ClientCredentialsResource": resource(),
        "AuthMethods": {
            "type": "object",
            "required": ["data"],
            "properties": {
                "data": {"type": "array", "items": listed()},
                "included": {"type": "array", "items": {"$ref": "#/components/schemas/ClientCredentialsResource"}},
            },
        },
    })
}

fn sent(required: &[&str]) -> Value {
    let secret = json!({
        "type": "string",
        "minLength": 1,
        "maxLength": Member::ClientSecret.max_length(),
        "writeOnly": true,
    });
    let mut properties = properties();
    properties["client_secret"] = secret;
    json!({
        "type": "object",
        "required": ["data"],
        "properties": {"data": {
            "type": "object",
            "required": ["type", "attributes"],
            "properties": {
                "type": {"const": CREDENTIALS},
                "attributes": {"type": "object", "required": required, "properties": properties},
            },
        }},
    })
}

fn resource() -> Value {
    let mut properties = properties();
    properties["protocol"] = json!({"const": PROTOCOL});
    json!({
        "type": "object",
        "required": ["id", "type", "attributes"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "type": {"const": CREDENTIALS},
            "attributes": {
                "type": "object",
                "required": ["name", "access_token_url", "client_id", "audience", "scope", "protocol"],
                "properties": properties,
            },
        },
    })
}

/// The members that both requests and responses have.
fn properties() -> Value {
    let text = |member: Member| {
        json!({
            "type": "string",
            "minLength": 1,
            "maxLength": member.max_length(),
        })
    };
    let or_null = |member: Member| {
        json!({
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": member.max_length(),
        })
    };
    let mut url = text(Member::AccessTokenUrl);
    url["format"] = json!("uri");
    json!({
        "name": text(Member::Name),
        "access_token_url": url,
        "client_id": text(Member::ClientId),
        "audience": or_null(Member::Audience),
        "scope": or_null(Member::Scope),
    })
}

fn listed() -> Value {
    let related = json!({"type": "object", "properties": {
        "id": {"type": "string", "format": "uuid"}, "type": {"const": CREDENTIALS}}});
    json!({
        "type": "object",
        "required": ["id", "type", "attributes", "relationships"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "type": {"const": METHOD},
            "attributes": {"type": "object", "properties": {"protocol": {"const": PROTOCOL}}},
            "relationships": {"type": "object", "properties": {
                PROTOCOL: {"type": "object", "properties": {"data": related}}}},
        },
    })
}
